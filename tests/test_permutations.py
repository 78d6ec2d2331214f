"""The documents of one family, and of its school, end in the same state in whatever order they arrive."""

import random
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from families import TABLES, family, schooling
from faults import LONG, CountedApi, Sender, Tally
from support import ok, unique, without


def everything(prefix):
    return {**family(prefix), **schooling(prefix)}


# What differs between two families, or two runs, of equal content.
ACCIDENTS = ("id", "invoice", "updatedAt")
HOW_MANY = 500 if LONG else 10


def orders(names, rng):
    """Orders of ``names``, no two of them alike: first the given one and its reverse, then any."""
    seen = {tuple(names): None, tuple(reversed(names)): None}
    while len(seen) < HOW_MANY:
        seen[tuple(rng.sample(names, len(names)))] = None
    return list(seen)


def state(api, admin, prefix, documents):
    """What the API and Odoo say of a family, without what is accidental: ids, numbers, names of the family."""
    read, ids = {}, defaultdict(list)
    for name, (entity, document) in documents.items():
        body = ok(api.get(entity, document["externalId"]))
        ids[entity].append(body["id"])
        read[name] = without(body, *ACCIDENTS)
    tables = (
        (
            "account.move",
            "school_billing_id",
            "billings",
            "state payment_state amount_total amount_residual partner_id ref",
        ),
        (
            "school.enrollment",
            "id",
            "enrollments",
            "roll_number school_id course_id section_id grade_id student_id state",
        ),
        ("school.application", "id", "applications", "student_id state grade_id"),
        ("school.parent.link", "student_id", "students", "student_id parent_id priority pays lives_with"),
    )
    rows = [
        {name: value[1] if isinstance(value, list) else value for name, value in without(row, "id").items()}
        for model, field, entity, names in tables
        for row in admin.read(model, [(field, "in", ids[entity])], names.split())
    ]
    return anonymous({"read": read, "rows": sorted(rows, key=repr)}, prefix)


def anonymous(value, prefix):
    if isinstance(value, dict):
        return {name: anonymous(below, prefix) for name, below in value.items()}
    if isinstance(value, list):
        return [anonymous(below, prefix) for below in value]
    return value.replace(prefix, "FAMILY") if isinstance(value, str) else value


def counts(tables):
    watched = (
        *TABLES.values(),
        "school_sync_binding",
        "school_sync_parked",
        "school_parent_link",
        "res_partner",
        "account_move",
    )
    return {table: tables.one(f"SELECT count(*) FROM {table}") for table in (*watched, "account_payment")}


class Reached:
    """The state that every family must end in, however it was sent."""

    def __init__(self, admin, tables, tally):
        self.admin, self.tables, self.tally = admin, tables, tally
        self.source = admin.new_source()
        self.api = CountedApi(self.source.api, tally)
        self.first = None

    def family(self, send, order):
        """Let ``send(documents)`` send a family, and look what came of it."""
        prefix = unique("P")
        documents = everything(prefix)
        before = counts(self.tables)
        answers = send([documents[name] for name in order])
        assert {answer.status_code for answer in answers} <= {201, 202}, [answer.text for answer in answers]
        self.tally.injected["documents that had to wait"] += sum(answer.status_code == 202 for answer in answers)
        self.tally.counts["documents"] += len(documents)
        assert ok(self.api.get("sync/parked"))["items"] == [], order
        grown = {table: count - before[table] for table, count in counts(self.tables).items()}
        reached = state(self.api, self.admin, prefix, documents), grown
        self.first = self.first or reached
        assert reached == self.first, order


def test_any_order_ends_in_the_same_state(admin, tables, results):
    tally = Tally("the documents of a family and its school in any order")
    reached = Reached(admin, tables, tally)
    for order in orders(list(everything("")), random.Random(19)):
        reached.family(lambda documents: [reached.api.post(*document) for document in documents], order)
        tally.injected["orders"] += 1
    assert tally.injected["documents that had to wait"]
    results.add(tally)


def test_all_at_once_end_in_the_same_state(admin, tables, results):
    """Each document on a connection of its own: nothing waits for ever for what was being made meanwhile."""
    tally = Tally("the documents of a family and its school at once")
    reached = Reached(admin, tables, tally)
    names = list(everything(""))
    reached.family(lambda documents: [reached.api.post(*document) for document in documents], names)
    with ThreadPoolExecutor(len(names)) as pool:

        def send(documents):
            sender = Sender(reached.api.url, reached.api.key, tally)
            return list(pool.map(lambda one: sender.send("POST", f"/api/{one[0]}", one[1]), documents))

        for number in range(50 if LONG else 3):
            reached.family(send, random.Random(number).sample(names, len(names)))
            tally.injected["families"] += 1
    results.add(tally)


def test_bundles_of_shuffled_families_do_not_deadlock(admin, tables):
    """PostgreSQL finds a deadlock after a second, in which those caught in it and all who come after them wait."""
    api = admin.new_source().api
    documents = [document for _number in range(100 if LONG else 8) for document in everything(unique("P")).values()]
    random.Random(8).shuffle(documents)
    bundles = []
    for first in range(0, len(documents), 8):
        bundles.append(defaultdict(list))
        for entity, document in documents[first : first + 8]:
            bundles[-1][entity].append(document)
    before = deadlocks(api, tables)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda bundle: api.post("sync", bundle), bundles))

    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert deadlocks(api, tables) == before
    assert ok(api.get("sync/parked"))["items"] == []
    for entity in TABLES:
        sent = {document["externalId"] for other, document in documents if other == entity}
        assert set(api.listed(entity, limit=1000)) == sent


def deadlocks(api, tables):
    # A process of PostgreSQL counts at most once a second, with its next transaction.
    time.sleep(1.2)
    for _number in range(8):
        ok(api.get("parents", limit=1))
    return tables.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
