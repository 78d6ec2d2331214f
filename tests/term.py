"""A term at a school's accountant: from the fees to the last refund. For the pictures of docs/accounting.md."""

from collections.abc import Callable
from datetime import date, timedelta

from hr import Hr

TODAY = date.today()
YEAR = {"academicYear": f"{TODAY.year}-{TODAY.year + 1}"}
ACCOUNTANT = "accountant"
#: Code, name on the invoice, price; a discount is below zero.
TUITION = ("TUITION", "Tuition, autumn term", "2400.00")
TRANSPORT = ("TRANSPORT", "School bus, autumn term", "360.00")
LIBRARY = ("LIBRARY", "Library", "45.00")
SIBLING = ("SIBLING", "Sibling discount", "-240.00")
SCHOLAR = ("SCHOLAR", "Scholarship", "-900.00")
DEPOSIT = ("DEPOSIT", "Deposit, returned at the end", "300.00")


def day(offset: int) -> str:
    return (TODAY + timedelta(days=offset)).isoformat()


def to_lines(*heads: tuple[str, str, str]) -> list[dict]:
    return [{"code": code, "label": label, "amount": amount} for code, label, amount in heads]


def find_by_name(odoo: Hr, module: str, name: str) -> int:
    """:return: the id of the record that ``module`` calls ``name``"""
    (found,) = odoo.call("ir.model.data", "search_read", [["module", "=", module], ["name", "=", name]], ["res_id"])
    return found["res_id"]


def hire_accountant(odoo: Hr) -> None:
    """Somebody who keeps the books and may look at families."""
    address = {"street": "1 Lake Street", "street2": False, "city": "Springfield", "zip": "62701", "state_id": False}
    odoo.call("res.company", "write", [1], {"name": "Lakeside School", "logo": False, **address})
    groups = [("account", "group_account_manager"), ("school_erp_sync", "group_sync_reader")]
    ids = [find_by_name(odoo, module, name) for module, name in groups]
    user = {"name": "Priya Nair", "login": ACCOUNTANT, "password": ACCOUNTANT, "group_ids": [(6, 0, ids)]}
    odoo.call("res.users", "create", user)


def map_fee_heads(odoo: Hr) -> None:
    """The accountant's table: discounts on contra-revenue, deposits as a liability."""
    accounts = {
        name: odoo.call("account.account", "create", {"name": name, "code": code, "account_type": kind})
        for name, code, kind in (
            ("Tuition Fees", "400110", "income"),
            ("Transport Fees", "400120", "income"),
            ("Scholarships and Discounts", "400190", "income"),
            ("Deposits of Families", "252100", "liability_current"),
        )
    }
    names = (TUITION, "Tuition Fees"), (TRANSPORT, "Transport Fees"), (SIBLING, "Scholarships and Discounts")
    more = ((SCHOLAR, "Scholarships and Discounts"), (DEPOSIT, "Deposits of Families"))
    for (code, label, _price), account in (*names, *more):
        product = {"name": label.split(",")[0], "default_code": code, "type": "service", "taxes_id": []}
        product_id = odoo.call("product.product", "create", product)
        row = {"code": code, "account_id": accounts[account], "product_id": product_id}
        odoo.call("school.fee.head", "create", row)


def send_families(post: Callable) -> None:
    post("academic-years", {"externalId": "YEAR", "name": YEAR["academicYear"], "current": True})
    post("schools", {"externalId": "LAKE", "code": "LAKE", "name": "Lakeside Campus"})
    address = {"permanent": "14 Lake Street", "city": "Springfield", "state": "IL", "country": "US", "pin": "62701"}
    guardians = (("SHA", "Ramesh Sharma"), ("GAR", "Elena Garcia"), ("CHE", "Wei Chen"))
    children = (
        ("SHA-1", "Aarav Sharma", 7, "A"),
        ("SHA-2", "Anaya Sharma", 4, "B"),
        ("GAR-1", "Mateo Garcia", 7, "A"),
        ("CHE-1", "Lily Chen", 4, "B"),
    )
    post("parents", [{"externalId": key, "name": name, "address": address} for key, name in guardians])
    post(
        "students",
        [
            {"externalId": key, "fullName": name, "parents": [{"externalId": key[:3], "pays": True}]}
            for key, name, _grade, _section in children
        ],
    )
    place = [
        {
            "externalId": f"ENR-{key}",
            "studentExternalId": key,
            "schoolExternalId": "LAKE",
            "gradeLevel": grade,
            "sectionId": section,
            "startDate": day(-90),
            "status": "active",
            **YEAR,
        }
        for key, _name, grade, section in children
    ]
    post("enrollments", place)


def billing(student: str, *heads: tuple[str, str, str], **values) -> dict:
    return {
        "externalId": f"BIL-{student}",
        "studentExternalId": student,
        "invoiceNumber": f"T1-{student}",
        "issueDate": day(-75),
        "dueDate": day(-10),
        "currency": "USD",
        "status": "sent",
        "lines": to_lines(*heads),
        **values,
    }


def receipt(key: str, amount: str, on: str, *allocations: tuple[str, str], **values) -> dict:
    return {
        "externalId": key,
        "date": on,
        "amount": amount,
        "currency": "USD",
        "method": "check",
        "reference": f"No. {key[-3:]}",
        "allocations": [{"billingExternalId": f"BIL-{student}", "amount": part} for student, part in allocations],
        **values,
    }


def send_fees(post: Callable) -> None:
    """A term: two siblings pay with one check, a student leaves, a guardian owes, another pays in installments."""
    leaving = billing("GAR-1", TUITION, LIBRARY, DEPOSIT)
    fees = [
        billing("SHA-1", TUITION, TRANSPORT, LIBRARY),
        billing("SHA-2", TUITION, TRANSPORT, LIBRARY, SIBLING),
        leaving,
        billing("CHE-1", TRANSPORT, LIBRARY),
    ]
    post("billings", fees)
    post("payments", receipt("RCT-2041", "5500.00", day(-60), ("SHA-1", "2805.00"), ("SHA-2", "2565.00")))
    # He leaves: the fees of the rest of the term are taken off, his deposit too, and the money goes back.
    kept, rest = receipt("RCT-2042", "1245.00", day(-60), ("GAR-1", "1245.00")), "1500.00"
    back = receipt("RCT-2043", rest, day(-58), ("GAR-1", rest))
    post("payments", [kept, back])
    credit = {
        "externalId": "CRN-GAR-1",
        "date": day(-20),
        "lines": to_lines(("TUITION", "Tuition from week 8", "1200.00"), DEPOSIT),
        "reason": "Withdrawn",
    }
    post("billings", {**leaving, "status": "paid", "credits": [credit]})
    post("payments", {**back, "status": "refunded", "returnDate": day(-15)})
    schedule = {
        "externalId": "FEE-CHE-1",
        "studentExternalId": "CHE-1",
        "schoolExternalId": "LAKE",
        "academicYearExternalId": "YEAR",
        "heads": [{"code": "TUITION", "label": "Tuition", "amount": 7200}],
        "discounts": [{"code": "SCHOLAR", "label": "Scholarship", "amount": 900}],
        "total": 6300,
        "installmentPlan": {
            "count": 3,
            "schedule": [{"due": day(offset), "amount": 2100} for offset in (-40, 10, 100)],
        },
    }
    post("fee-schedules", schedule)


def bill_installments(odoo: Hr) -> None:
    """What Odoo's own job does every day."""
    sources = odoo.call("school.sync.source", "search", [])
    odoo.call("school.sync.source", "write", sources, {"bill_automatically": True, "bill_action": "post"})
    odoo.call("ir.cron", "method_direct_trigger", [find_by_name(odoo, "school_erp_sync", "bill_due_installments_cron")])


def play(odoo: Hr, post: Callable) -> None:
    hire_accountant(odoo)
    map_fee_heads(odoo)
    send_families(post)
    send_fees(post)
    bill_installments(odoo)
