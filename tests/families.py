"""Families as a school system sends them, step by step, and a book of what the sender was promised about them."""

import itertools
import threading
from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

TABLES = {
    "schools": "school_school",
    "academic-years": "school_academic_year",
    "courses": "school_course",
    "sections": "school_section",
    "parents": "school_parent",
    "students": "school_student",
    "applications": "school_application",
    "enrollments": "school_enrollment",
    "roster-assignments": "school_roster_assignment",
    "fee-schedules": "school_fee_schedule",
    "billings": "school_billing",
    "payments": "school_payment",
}
#: entities whose records are made where another document names them by their code
NAMED = frozenset({"academic-years", "courses", "sections"})


# Within the years that a company takes, and never overdue.
NOT_YET_DUE = f"{date.today().year + 4}-06-30"


def moment(number):
    """The ``number``-th second of the school's history, as ``updatedAt`` has it."""
    return (datetime(2025, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=number)).isoformat().replace("+00:00", "Z")


def billing(external_id, student, amount, **fields):
    return {
        "externalId": external_id,
        "studentExternalId": student,
        "issueDate": "2025-06-01",
        "dueDate": NOT_YET_DUE,
        "currency": "USD",
        "status": "sent",
        "lines": [
            {"code": "SCHOOL_FEE", "label": "School Fee", "amount": amount - 10},
            {"code": "BUS", "label": "Bus", "quantity": 2, "unitPrice": 5},
        ],
        "total": amount,
        **fields,
    }


def payment(external_id, amount, **fields):
    return {"externalId": external_id, "date": "2025-06-15", "amount": amount, **fields}


def family(prefix):
    """Ten documents of one family that refer to each other, by a name of their own: (entity, document)."""
    ids = {name: f"{prefix}-{name}" for name in ("mother", "father", "girl", "boy", "fees")}
    return {
        "mother": ("parents", {"externalId": ids["mother"], "name": f"Asha {prefix}", "relation": "Mother"}),
        "father": ("parents", {"externalId": ids["father"], "name": f"Ramesh {prefix}", "phone": "+91 98765 01234"}),
        "girl": (
            "students",
            {
                "externalId": ids["girl"],
                "fullName": f"Leela {prefix}",
                "dob": "2012-05-01",
                "gender": "Female",
                "languages": ["English", "Hindi"],
                "address": {"permanent": "12 Green Valley", "city": "Bangalore"},
                "parents": [
                    {"externalId": ids["mother"], "pays": True, "livesWith": True},
                    {"externalId": ids["father"], "priority": 2},
                ],
            },
        ),
        "boy": (
            "students",
            {"externalId": ids["boy"], "fullName": f"Ravi {prefix}", "parents": [{"externalId": ids["father"]}]},
        ),
        "application": (
            "applications",
            {
                "externalId": f"{prefix}-application",
                "status": "approved",
                "academicYear": "2025-2026",
                "gradeApplied": "Grade 8",
                "studentExternalId": ids["girl"],
            },
        ),
        "enrollment": (
            "enrollments",
            {
                "externalId": f"{prefix}-enrollment",
                "studentExternalId": ids["girl"],
                "academicYear": "2025-2026",
                "gradeLevel": 8,
                "startDate": "2025-06-01",
                "endDate": "2026-04-01",
                "status": "active",
            },
        ),
        "roster": (
            "roster-assignments",
            {
                "externalId": f"{prefix}-roster",
                "event": "roster.assignment.completed",
                "studentExternalId": ids["girl"],
                "classId": "GRADE8",
                "sectionId": "A",
                "rollNo": "8A-023",
                "start": "2025-06-01",
            },
        ),
        "fees": (
            "fee-schedules",
            {
                "externalId": ids["fees"],
                "studentExternalId": ids["girl"],
                "heads": [{"code": "SCHOOL_FEE", "amount": 500}, {"code": "BUS", "amount": 100}],
                "discounts": [{"code": "SIBLING", "amount": 50}],
                "total": 550,
                "installmentPlan": {
                    "count": 2,
                    "schedule": [{"due": "2025-06-01", "amount": 300}, {"due": "2025-09-01", "amount": 250}],
                },
            },
        ),
        "bill": (
            "billings",
            billing(
                f"{prefix}-bill",
                ids["girl"],
                300,
                feeScheduleExternalId=ids["fees"],
                payerExternalId=ids["father"],
                status="partial",
                payments=[payment(f"{prefix}-bill-1", 100, method="card")],
            ),
        ),
        "paid": (
            "billings",
            billing(
                f"{prefix}-paid",
                ids["boy"],
                80,
                status="paid",
                payments=[payment(f"{prefix}-paid-1", 30), payment(f"{prefix}-paid-2", 50)],
            ),
        ),
    }


def schooling(prefix):
    """What a family's documents may name: a school, a year, a course and a section, and who is enrolled there."""
    documents = {name: document for name, (_entity, document) in family(prefix).items()}
    school, year, course, section = (f"{prefix}-{name}" for name in ("school", "year", "course", "section"))
    of_school = {"schoolExternalId": school}
    return {
        "school": ("schools", {"externalId": school, "code": f"{prefix} 100", "name": f"Lincoln {prefix}"}),
        # The enrollment and the application name it by its code.
        "year": ("academic-years", {"externalId": year, "name": f"{prefix} 2025", "startDate": "2025-06-01"}),
        "course": ("courses", {"externalId": course, "code": f"{prefix} MATH", **of_school}),
        "section": (
            "sections",
            {"externalId": section, "code": f"{prefix} A", "academicYearExternalId": year, "room": "204", **of_school},
        ),
        "lesson": (
            "sections",
            {"externalId": f"{section}-1", "code": f"{prefix} 1", "courseExternalId": course, **of_school},
        ),
        "application": ("applications", {**documents["application"], "academicYear": f"{prefix} 2025"}),
        "enrollment": ("enrollments", {**documents["enrollment"], "academicYear": f"{prefix} 2025", **of_school}),
        "course enrollment": (
            "enrollments",
            {
                **documents["enrollment"],
                "externalId": f"{prefix}-course-enrollment",
                "academicYear": f"{prefix} 2025",
                "sectionExternalId": f"{section}-1",
            },
        ),
        "roster": (
            "roster-assignments",
            {
                **{name: value for name, value in documents["roster"].items() if name != "sectionId"},
                "sectionExternalId": section,
            },
        ),
    }


@dataclass
class Step:
    """One request of a story: the documents it carries, and whether they are too old to count."""

    method: str
    path: str
    payload: object = None
    #: (entity, document) in the order of the answer; for DELETE the document has its externalId only
    documents: tuple = ()
    stale: bool = False
    key: str | None = None


class Story:
    """What happens to one family, as a list of steps that its sender sends one after the other."""

    def __init__(self, prefix, rng):
        self.prefix, self.rng = prefix, rng
        self._clock = 0
        self.documents = family(prefix)
        self.sent = []

    def steps(self):
        """Each step: without an ``Idempotency-Key``, with one for each attempt, or with the record's externalId."""
        keys = self.rng.choice(["none", "one a step", "externalId"])
        beginning = self._in_one_call if self.rng.random() < 0.3 else self._one_by_one
        for number, step in enumerate(itertools.chain(beginning(), self._later())):
            if keys == "externalId" and len(step.documents) == 1:
                step.key = step.documents[0][1]["externalId"]
            elif keys != "none":
                step.key = f"{self.prefix}-step-{number}"
            yield step

    def _in_one_call(self):
        bundle = defaultdict(list)
        for entity, document in map(self._touch, self.documents):
            bundle[entity].append(document)
        documents = tuple((entity, document) for entity in bundle for document in bundle[entity])
        yield Step("POST", "/api/sync", bundle, documents)

    def _one_by_one(self):
        yield self._post("mother", "father")
        yield self._post("girl")
        yield self._post("boy")
        for name in self.rng.sample(["application", "enrollment", "roster", "fees", "paid"], 5):
            yield self._post(name)
        yield self._post("bill")

    def _later(self):
        yield self._post("mother", phone="+91 98765 43210")
        yield self._post("girl", address={"permanent": "12 Green Valley", "city": "Mysore"})
        first = self.documents["bill"][1]["payments"]
        second = payment(f"{self.prefix}-bill-2", 75, reference="cheque 12")
        yield self._post("bill", payments=[*first, second])
        yield self._stale("girl")
        rest = payment(f"{self.prefix}-bill-3", 125)
        yield self._post("bill", payments=[*first, second, rest], status="paid")
        late = ("billings", billing(f"{self.prefix}-late", f"{self.prefix}-boy", 45, status="draft"))
        self.documents["late"] = late
        yield self._post("late")
        yield self._post("late", status="sent", notes="Posted late")
        if self.rng.random() < 0.5:
            yield self._delete("late")
        yield self._post("enrollment", status="transferred", endDate="2025-12-01")
        yield self._delete("father")
        yield self._stale("father")
        if self.rng.random() < 0.5:
            yield self._post("father", occupation="Engineer")
        yield self._delete("application")

    def _touch(self, name, **fields):
        self._clock += 1
        entity, document = self.documents[name]
        document = {**document, **fields, "updatedAt": moment(self._clock)}
        self.documents[name] = entity, document
        return entity, deepcopy(document)

    def _post(self, *names, **fields):
        documents = tuple(self._touch(name, **fields) for name in names)
        payload = [document for _entity, document in documents]
        return Step("POST", f"/api/{documents[0][0]}", payload if len(payload) > 1 else payload[0], documents)

    def _stale(self, name):
        entity, document = self.documents[name]
        old = {**document, "updatedAt": moment(0)}
        return Step("POST", f"/api/{entity}", old, ((entity, old),), stale=True)

    def _delete(self, name):
        entity, document = self.documents[name]
        external_id = document["externalId"]
        return Step("DELETE", f"/api/{entity}/{external_id}", None, ((entity, {"externalId": external_id}),))


@dataclass
class Entry:
    """What a sender was promised about one record."""

    document: dict
    version: int = 0
    deleted: bool = False
    record_id: int | None = None


class Book:
    """What was acknowledged to a source, by entity and externalId; each thread writes of families of its own."""

    def __init__(self, tally):
        self.tally = tally
        self.entries = {}
        self.answers = {}
        self._lock = threading.Lock()

    def settle(self, step, response):
        """Compare ``response`` with what the step should come to, and note what it promised."""
        with self._lock:
            if step.stale:
                if response.status_code != 409:
                    self.tally.oddities.append(f"stale {step.path} answered {response.status_code}: {response.text}")
                return
            if response.status_code not in (200, 201):
                self.tally.losses.append(f"{step.method} {step.path} answered {response.status_code}: {response.text}")
                return
            self.answers[response.headers["X-Request-Id"]] = response.status_code
            items = _items(response.json(), step.documents[0][0])
            for entity, document in step.documents:
                self._note(step, entity, document, items[entity, document["externalId"]])

    def _note(self, step, entity, document, item):
        external_id = document["externalId"]
        entry = self.entries.setdefault((entity, external_id), Entry({}))
        entry.deleted = step.method == "DELETE"
        if not entry.deleted:
            entry.document = document
        entry.version += 1
        where = f"{entity} {external_id}: version {item.get('version')} instead of {entry.version}"
        if item.get("version") != entry.version:
            wrong = self.tally.duplicates if (item.get("version") or 0) > entry.version else self.tally.losses
            wrong.append(f"{where}: {item}")
            entry.version = item.get("version") or entry.version
        if entry.record_id not in (None, item["id"]):
            self.tally.duplicates.append(f"{entity} {external_id} was {entry.record_id} and is {item['id']}")
        entry.record_id = item["id"]
        if item["status"] not in ("created", "updated", "unchanged", "archived"):
            self.tally.oddities.append(f"{where}: {item}")

    def of(self, entity):
        return {external_id: entry for (kind, external_id), entry in self.entries.items() if kind == entity}


def _items(body, entity):
    """The items of an answer by entity and externalId; but for a bundle, they are all of ``entity``."""
    parts = {name: part["items"] for name, part in body.items() if isinstance(part, dict) and "items" in part}
    parts = parts or {entity: body.get("items", [body])}
    return {(name, item["externalId"]): item for name, items in parts.items() for item in items}


class Audit:
    """Compares the book with what the API lists and what the tables hold; differences go into the tally."""

    COUNTED = (*TABLES.values(), "res_partner", "account_move", "account_payment", "school_sync_log")

    def __init__(self, tables, source):
        self.tables, self.source = tables, source
        self.before = {table: tables.one(f"SELECT coalesce(max(id), 0) FROM {table}") for table in self.COUNTED}

    def check(self, tables, book, tally):
        self.tables = tables
        self.book, self.duplicates, self.losses, self.oddities = book, tally.duplicates, tally.losses, tally.oddities
        tally.counts["documents"] = len(book.entries)
        for entity in TABLES:
            self._check_listed(entity)
            self._check_bound(entity)
        self._check_contacts_and_links()
        self._check_parts()
        self._check_invoices()
        self._check_payments()
        self._check_books()
        self._check_log()

    def _compare(self, what, found, expected):
        """Both by identity: what there is too much of is a duplicate, what is missing a loss."""
        self.duplicates += [f"{what}: {key} is there, and was never acknowledged" for key in found.keys() - expected]
        self.losses += [f"{what}: {key} was acknowledged, and is missing" for key in expected.keys() - found]
        self.oddities += [
            f"{what}: {key} is {found[key]!r} instead of {expected[key]!r}"
            for key in found.keys() & expected
            if found[key] != expected[key]
        ]

    def _new(self, table, columns, where="TRUE"):
        return self.tables.rows(f"SELECT {columns} FROM {table} WHERE id > {self.before[table]} AND {where}")

    def _check_listed(self, entity):
        listed = [item for page in self.source.api.pages(entity, active="all", limit=1000) for item in page]
        found = {item["externalId"]: item for item in listed}
        if len(found) != len(listed):
            self.duplicates.append(f"{entity} lists the same externalId twice")
        entries = self.book.of(entity)
        expected = {external_id: promised(entity, entry) for external_id, entry in entries.items()}
        shown = {name: seen(item, expected.get(name, {"id": None})) for name, item in found.items()}
        self._compare(f"GET {entity}", shown, expected)

    def _check_bound(self, entity):
        table = TABLES[entity]
        rows = self.tables.rows(
            "SELECT external_id, res_model, res_id, version, deleted_at IS NOT NULL FROM school_sync_binding"
            " WHERE source_id = %s AND entity = %s",
            self.source.id,
            entity,
        )
        found = {external_id: tuple(rest) for external_id, *rest in rows}
        expected = {
            external_id: (table.replace("_", "."), entry.record_id, entry.version, entry.deleted)
            for external_id, entry in self.book.of(entity).items()
        }
        self._compare(f"bindings of {entity}", found, expected)
        records = {record_id: 1 for (record_id,) in self._new(table, "id")}
        expected = {entry.record_id: 1 for entry in self.book.of(entity).values()}
        if entity in NAMED:
            # Other documents have made them by naming them.
            records = {record_id: 1 for record_id in records.keys() & expected.keys()}
        self._compare(f"records of {entity}", records, expected)

    def _check_contacts_and_links(self):
        orphans = self._new(
            "res_partner",
            "id, name",
            "id NOT IN (SELECT partner_id FROM school_parent UNION SELECT partner_id FROM school_student)",
        )
        self.duplicates += [f"contact {contact} is nobody" for contact in orphans]
        links = self.tables.rows(
            "SELECT s.external_id, p.external_id FROM school_parent_link l"
            " JOIN school_sync_binding s ON s.res_model = 'school.student' AND s.res_id = l.student_id"
            " JOIN school_sync_binding p ON p.res_model = 'school.parent' AND p.res_id = l.parent_id"
            " WHERE s.source_id = %s AND p.source_id = s.source_id",
            self.source.id,
        )
        expected = {
            (external_id, link["externalId"]): 1
            for external_id, entry in self.book.of("students").items()
            for link in entry.document["parents"]
        }
        self._compare("links", dict.fromkeys(links, 1), expected)

    def _check_parts(self):
        """What a fee schedule consists of is there as a whole."""
        for table in ("school_fee_line", "school_fee_installment"):
            rows = self.tables.rows(
                f"SELECT b.external_id, count(*) FROM {table} part JOIN school_sync_binding b"
                " ON b.res_model = 'school.fee.schedule' AND b.res_id = part.schedule_id"
                " WHERE b.source_id = %s GROUP BY 1",
                self.source.id,
            )
            parts = {
                "school_fee_line": lambda document: len(document["heads"]) + len(document["discounts"]),
                "school_fee_installment": lambda document: len(document["installmentPlan"]["schedule"]),
            }[table]
            expected = {
                external_id: parts(entry.document) for external_id, entry in self.book.of("fee-schedules").items()
            }
            self._compare(table, dict(rows), expected)

    def _check_invoices(self):
        rows = self._new(
            "account_move",
            "school_billing_id, id, state, amount_total, amount_residual, name",
            "move_type <> 'entry'",
        )
        moves = defaultdict(list)
        for billing_id, *move in rows:
            moves[billing_id].append(move)
        found, expected = {}, {}
        for entry in self.book.of("billings").values():
            document, state = entry.document, "posted"
            if entry.deleted:
                state = "cancel"
            elif document["status"] == "draft":
                state = "draft"
            total = Decimal(document["total"])
            paid = sum(part["amount"] for part in document.get("payments", ()))
            expected[entry.record_id] = (state, total, total - paid if state == "posted" else None)
        for billing_id, of_billing in moves.items():
            _id, state, total, due, _name = of_billing[0]
            found[billing_id] = (state, total, due if state == "posted" else None)
            if len(of_billing) > 1:
                self.duplicates.append(f"billing {billing_id} has {len(of_billing)} invoices")
        self._compare("invoices by billing", found, expected)
        # Odoo promises as much of posted invoices; a cancelled one may share its number, if it was cancelled meanwhile.
        names = [name for _billing, _id, state, _total, _due, name in rows if state == "posted"]
        self.duplicates += [f"invoice number {name} is there twice" for name in names if names.count(name) > 1]

    def _check_payments(self):
        rows = self.tables.rows(
            "SELECT p.billing_id, p.external_id, p.amount, a.amount, a.state, m.state"
            " FROM school_billing_payment p JOIN account_payment a ON a.id = p.payment_id"
            " JOIN account_move m ON m.id = a.move_id WHERE a.id > %s",
            self.before["account_payment"],
        )
        if len({(row[0], row[1]) for row in rows}) != len(rows):
            self.duplicates.append("a payment is registered twice")
        if len(rows) != len(self._new("account_payment", "id")):
            self.duplicates.append("there are payments that nobody sent")
        found = {(billing_id, external_id): tuple(rest) for billing_id, external_id, *rest in rows}
        expected = {
            (entry.record_id, part["externalId"]): (part["amount"], part["amount"], "paid", "posted")
            for entry in self.book.of("billings").values()
            for part in entry.document.get("payments", ())
        }
        self._compare("payments", found, expected)

    def _check_books(self):
        first = self.before["account_move"]
        unbalanced = self.tables.rows(
            "SELECT move_id FROM account_move_line WHERE move_id > %s GROUP BY 1 HAVING sum(balance) <> 0", first
        )
        self.oddities += [f"journal entry {move_id} does not balance" for (move_id,) in unbalanced]
        strangers = self._new(
            "account_move", "id", "move_type = 'entry' AND id NOT IN (SELECT move_id FROM account_payment)"
        )
        self.duplicates += [f"journal entry {move_id} belongs to nothing" for (move_id,) in strangers]
        open_balance = self.tables.one(
            "SELECT coalesce(sum(l.amount_residual), 0) FROM account_move_line l"
            " JOIN account_account a ON a.id = l.account_id"
            " WHERE l.move_id > %s AND l.parent_state = 'posted' AND a.account_type = 'asset_receivable'",
            first,
        )
        due = sum(
            entry.document["total"] - sum(part["amount"] for part in entry.document.get("payments", ()))
            for entry in self.book.of("billings").values()
            if not entry.deleted and entry.document["status"] != "draft"
        )
        if open_balance != due:
            self.oddities.append(f"customers owe {open_balance} in the books, and {due} by what was acknowledged")

    def _check_log(self):
        rows = self._new("school_sync_log", "request_id, http_status", f"source_id = {int(self.source.id)}")
        if len(dict(rows)) != len(rows):
            self.duplicates.append("a request is logged twice")
        logged = dict(rows)
        self.losses += [
            f"request {request_id} was answered with {status} and is not in the log"
            for request_id, status in self.book.answers.items()
            if logged.get(request_id) != status
        ]
        lines = self.tables.rows(
            "SELECT res_model, res_id, count(*) FROM school_sync_log_line l JOIN school_sync_log g ON g.id = l.log_id"
            " WHERE g.source_id = %s AND status IN ('created', 'updated', 'archived') GROUP BY 1, 2",
            self.source.id,
        )
        expected = {
            (TABLES[entity].replace("_", "."), entry.record_id): entry.version
            for (entity, _external_id), entry in self.book.entries.items()
        }
        self._compare("changes in the log", {(model, record): count for model, record, count in lines}, expected)


def promised(entity, entry):
    """What GET should say of a record, as far as the source said it."""
    document = {**entry.document, "id": entry.record_id, "version": entry.version, "active": not entry.deleted}
    if entity == "billings":
        paid = sum(part["amount"] for part in document.get("payments", ()))
        document["amountPaid"] = paid
        if entry.deleted:
            document["status"] = "cancelled"
    return document


def seen(item, expected):
    """``item`` of GET, as far as ``expected`` speaks of it."""
    return {name: item.get(name) for name in expected}
