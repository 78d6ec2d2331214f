"""Fee schedules, billings and bundles: money over HTTP, from the first document to the paid invoice."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from families import NOT_YET_DUE
from support import ok, parent, pointers, printed, problem, student, unique

FEES = json.loads(printed("fee_schedule"))


@pytest.fixture
def family(api):
    """A student and the guardian who pays."""
    guardian = parent()
    ok(api.post("parents", guardian), 201)
    child = student(parents=[{"externalId": guardian["externalId"], "pays": True}])
    ok(api.post("students", child), 201)
    return child["externalId"], guardian


def fees(student_id, **fields):
    return {**FEES, "externalId": unique("FEE"), "studentExternalId": student_id, **fields}


def billing(student_id, **fields):
    return {
        "externalId": unique("BIL"),
        "studentExternalId": student_id,
        "issueDate": "2025-06-01",
        "dueDate": "2025-06-30",
        "currency": "USD",
        "status": "sent",
        "lines": [
            {"code": "SCHOOL_FEE", "label": "School Fee", "amount": "300.10"},
            {"code": "BUS", "label": "Bus", "quantity": 2, "unitPrice": 50.05},
        ],
        "total": 400.20,
        **fields,
    }


def invoice_of(admin, answer):
    move_id = admin.read_one("school.billing", answer["id"], "move_id")["move_id"][0]
    return admin.read_one(
        "account.move", move_id, "state", "payment_state", "amount_total", "amount_residual", "partner_id", "move_type"
    )


# Fee schedules


def test_printed_fee_schedule_is_taken_byte_for_byte(fresh):
    child = {"externalId": FEES["studentExternalId"], "fullName": "Rahul Sharma"}
    ok(fresh.api.post("students", child), 201)

    assert ok(fresh.api.send("fee-schedules", printed("fee_schedule")), 201)["status"] == "created"
    assert ok(fresh.api.send("fee-schedules", printed("fee_schedule")))["status"] == "unchanged"
    read = fresh.api.read("fee-schedules", FEES["externalId"])
    assert {key: read[key] for key in FEES} == FEES


def test_sums_that_do_not_fit_are_named_with_their_numbers(api, family):
    document = fees(family[0], total=39999, discounts=[{"amount": 500}])
    errors = problem(api.post("fee-schedules", document), 422)["errors"]

    assert {error["pointer"] for error in errors} == {"/total", "/installmentPlan/schedule"}
    assert all("39999" in error["detail"] for error in errors)
    assert any("39500" in error["detail"] for error in errors)


def test_count_and_order_of_installments(api, family):
    schedule = [{"due": "2025-09-01", "amount": 20000}, {"due": "2025-06-01", "amount": 20000}]
    document = fees(family[0], installmentPlan={"count": 3, "schedule": schedule})

    assert pointers(problem(api.post("fee-schedules", document), 422)) == {
        "/installmentPlan/count": "count_mismatch",
        "/installmentPlan/schedule/1/due": "not_in_order",
    }


def test_schedule_becomes_billings_that_the_source_can_not_undo(api, admin, family):
    document = fees(family[0])
    schedule = ok(api.post("fee-schedules", document), 201)["id"]
    admin.call("school.fee.schedule", "action_bill", [schedule])
    billed = admin.read("school.billing", [["fee_schedule_id", "=", schedule]], ["amount_total", "state"])

    assert sorted(bill["amount_total"] for bill in billed) == [10000, 15000, 15000]
    heads = [{"code": "SCHOOL_FEE", "amount": 40000}]
    assert pointers(problem(api.post("fee-schedules", {**document, "heads": heads}), 409)) == {
        "/heads": "billed_already"
    }


# Billings


@pytest.mark.parametrize(
    ("status", "state", "payment_state", "shown"),
    [
        ("draft", "draft", "not_paid", "draft"),
        ("sent", "posted", "not_paid", "overdue"),
        ("overdue", "posted", "not_paid", "overdue"),
        ("paid", "posted", "paid", "paid"),
        ("cancelled", "cancel", "not_paid", "cancelled"),
    ],
)
def test_status_maps_to_the_invoice_and_back(api, admin, family, status, state, payment_state, shown):
    document = billing(family[0], status=status)
    answer = ok(api.post("billings", document), 201)
    invoice = invoice_of(admin, answer)

    assert (invoice["state"], invoice["payment_state"], invoice["amount_total"]) == (state, payment_state, 400.20)
    assert invoice["partner_id"][1] == family[1]["name"]
    assert api.read("billings", document["externalId"])["status"] == shown


def test_partial_then_full_payment_each_counted_once(api, admin, family):
    first = {"externalId": unique("PAY"), "date": "2025-06-10", "amount": 100.05, "method": "card"}
    second = {"externalId": unique("PAY"), "date": "2025-06-20", "amount": "300.15"}
    document = billing(family[0], status="partial", payments=[first])
    answer = ok(api.post("billings", document), 201)
    read = api.read("billings", document["externalId"])
    assert (read["status"], read["amountPaid"], read["amountDue"]) == ("partial", 100.05, 300.15)

    paid = {**document, "status": "paid", "payments": [first, second]}
    for expected in ("updated", "unchanged"):
        assert ok(api.post("billings", paid))["status"] == expected
    assert invoice_of(admin, answer)["amount_residual"] == 0
    payments = admin.read("school.billing.payment", [["billing_id", "=", answer["id"]]], ["amount"])
    assert sorted(payment["amount"] for payment in payments) == [100.05, 300.15]


def test_posted_invoice_is_not_rewritten_and_the_difference_is_told(api, admin, family):
    document = billing(family[0])
    answer = ok(api.post("billings", document), 201)
    changed = {**document, "lines": [{"code": "SCHOOL_FEE", "amount": 500}], "total": 500}
    body = problem(api.post("billings", changed), 409)

    assert pointers(body) == {"/lines": "posted_invoice", "/total": "posted_invoice"}
    assert "400.2" in body["detail"] and "500" in body["detail"]
    assert invoice_of(admin, answer)["amount_total"] == 400.20


def test_reverse_and_reissue(fresh, admin):
    child = student()
    ok(fresh.api.post("students", child), 201)
    admin.write("school.sync.source", fresh.id, posted_policy="reissue")
    document = billing(child["externalId"])
    answer = ok(fresh.api.post("billings", document), 201)
    ok(fresh.api.post("billings", {**document, "lines": [{"code": "SCHOOL_FEE", "amount": 500}], "total": 500}))
    moves = admin.read("account.move", [["school_billing_id", "=", answer["id"]]], ["move_type", "amount_total"])

    assert sorted((move["move_type"], move["amount_total"]) for move in moves) == [
        ("out_invoice", 400.20),
        ("out_invoice", 500),
        ("out_refund", 400.20),
    ]
    assert fresh.api.read("billings", document["externalId"])["total"] == 500


def test_dates_and_notes_of_a_posted_invoice_may_change(api, family):
    document = billing(family[0])
    ok(api.post("billings", document), 201)
    ok(api.post("billings", {**document, "dueDate": NOT_YET_DUE, "notes": "Extended"}))
    read = api.read("billings", document["externalId"])

    assert (read["dueDate"], read["notes"], read["status"]) == (NOT_YET_DUE, "Extended", "sent")


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"total": 400.21}, {"/total": "total_mismatch"}),
        ({"currency": "XAU"}, {"/currency": "inactive_currency"}),
        ({"currency": "dollars"}, {"/currency": "bad_format"}),
        ({"status": "maybe"}, {"/status": "unknown_word"}),
        ({"lines": []}, {"/lines": "required"}),
        ({"lines": [{"code": "A", "amount": 1.005}], "total": None}, {"/lines/0/amount": "too_precise"}),
        ({"lines": [{"code": "A", "amount": "NaN"}]}, {"/lines/0/amount": "out_of_range"}),
        ({"lines": [{"code": "A", "amount": True}]}, {"/lines/0/amount": "wrong_type"}),
        ({"lines": [{"code": "A"}]}, {"/lines/0/amount": "required"}),
        ({"lines": [{"code": "A", "amount": 1, "taxes": ["No Such Tax"]}]}, {"/lines/0/taxes/0": "unknown_tax"}),
        ({"lines": [{"code": "A", "quantity": 2, "unitPrice": 3, "amount": 7}]}, {"/lines/0/amount": "total_mismatch"}),
        ({"dueDate": "2025-05-31"}, {"/dueDate": "not_in_order"}),
        ({"status": "partial"}, {"/payments": "required"}),
        (
            {"status": "paid", "payments": [{"externalId": "P", "date": "2025-06-01", "amount": 1}]},
            {"/payments": "payments_mismatch"},
        ),
    ],
)
def test_bad_billing_is_refused_where_it_is_bad(api, family, tables, fields, errors):
    moves = tables.one("SELECT count(*) FROM account_move")

    assert pointers(problem(api.post("billings", billing(family[0], **fields)), 422)) == errors
    assert tables.one("SELECT count(*) FROM account_move") == moves


def test_one_bad_billing_leaves_the_others(api, family):
    documents = [billing(family[0]) for _number in range(5)]
    documents[2]["total"] = 1
    body = ok(api.post("billings", documents), 207)

    assert [item["status"] for item in body["items"]] == ["created", "created", "failed", "created", "created"]


def test_deleted_is_cancelled_and_comes_back(api, admin, family):
    document = billing(family[0])
    answer = ok(api.post("billings", document), 201)
    assert ok(api.delete("billings", document["externalId"]))["status"] == "archived"
    assert invoice_of(admin, answer)["state"] == "cancel"
    assert ok(api.post("billings", document))["status"] == "updated"
    assert invoice_of(admin, answer)["state"] == "posted"


def test_paid_is_not_deleted(api, family):
    document = billing(family[0], status="paid")
    ok(api.post("billings", document), 201)

    assert pointers(problem(api.delete("billings", document["externalId"]), 409)) == {"/status": "paid_invoice"}


def test_ten_at_once_make_one_invoice_and_one_payment(api, tables, family):
    document = billing(family[0], status="paid", payments=None)
    barrier = threading.Barrier(10)

    def send(_number):
        barrier.wait()
        return api.post("billings", document)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, range(10)))

    assert {answer.status_code for answer in answers} <= {200, 201}
    (billing_id,) = {answer.json()["id"] for answer in answers}
    assert tables.one("SELECT count(*) FROM account_move WHERE school_billing_id = %s", billing_id) == 1
    assert tables.one("SELECT count(*) FROM school_billing_payment WHERE billing_id = %s", billing_id) == 1


def test_fee_head_that_many_bill_at_once_for_the_first_time_is_one_product(api, tables, family):
    for _round in range(3):
        code = unique("HEAD")
        documents = [billing(family[0], lines=[{"code": code, "amount": 10}], total=10) for _number in range(6)]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda document: api.post("billings", document), documents))

        assert {answer.status_code for answer in answers} == {201}
        assert tables.one("SELECT count(*) FROM product_product WHERE default_code = %s", code) == 1


def test_draft_that_changes_keeps_its_products_and_taxes(api, admin, tables, family):
    code, tax = unique("HEAD"), unique("Tax")
    admin.create("account.tax", name=tax, amount=10, type_tax_use="sale")
    line = {"code": code, "amount": 10, "taxes": [tax]}
    document = billing(family[0], status="draft", lines=[line], total=11)
    ok(api.post("billings", document), 201)
    for amount in (20, 30):
        changed = {**document, "lines": [{**line, "amount": amount}], "total": amount * 1.1}
        assert ok(api.post("billings", changed))["status"] == "updated"

    assert tables.one("SELECT count(*) FROM product_product WHERE default_code = %s", code) == 1


# Bundles


def test_family_with_its_fees_and_its_first_invoice_in_one_call(api):
    guardian, child = parent(), student()
    child["parents"] = [guardian["externalId"]]
    bundle = {
        "billings": [billing(child["externalId"])],
        "fee-schedules": [fees(child["externalId"])],
        "students": [child],
        "parents": [guardian],
    }
    body = ok(api.send("sync", json.dumps(bundle)))

    assert body["summary"]["created"] == 4
    assert {name for name in body if name != "summary"} == set(bundle)
    assert ok(api.send("sync", json.dumps(bundle)))["summary"]["unchanged"] == 4


def test_atomic_bundle_is_all_or_nothing(api, nothing_written):
    guardian, child = parent(), student()
    bundle = {"parents": [guardian], "students": [child], "billings": [billing(child["externalId"], total=1)]}
    body = problem(api.post("sync", bundle, atomic="true"), 422)

    assert pointers(body) == {"/billings/0/total": "total_mismatch"}
    assert body["parents"]["items"][0]["status"] == "rolledBack"


def test_bundle_that_is_none(api):
    assert pointers(problem(api.post("sync", {"billngs": [], "students": {}}), 422)) == {
        "/billngs": "unknown_entity",
        "/students": "wrong_type",
    }
    problem(api.post("sync", []), 400)
    problem(api.request("GET", "/api/sync"), 405)
    problem(api.post("sync", {"parents": [parent() for _number in range(1001)]}), 413)
