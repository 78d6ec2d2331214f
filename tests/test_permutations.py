"""Ten documents of one family end in the same state in whatever order they arrive."""

import random
from collections import defaultdict

from families import TABLES, family
from faults import LONG
from support import ok, unique, without

# What differs between two families, or two runs, of equal content.
ACCIDENTS = ("id", "invoice", "updatedAt")
HOW_MANY = 500 if LONG else 10


def orders(names, how_many, rng, may=lambda order: True):
    """Some orders of ``names``, no two of them alike, the given one first."""
    seen = {tuple(names): None}
    while len(seen) < how_many:
        order = tuple(rng.sample(names, len(names)))
        if may(order):
            seen[order] = None
    return list(seen)


def refers_back(documents):
    """:return: a test of whether an order names only what came before"""
    external_ids = {name: document["externalId"] for name, (_entity, document) in documents.items()}

    def mentioned(value):
        if isinstance(value, dict):
            return set().union(*map(mentioned, value.values()))
        if isinstance(value, list):
            return set().union(*map(mentioned, value))
        return {value} if isinstance(value, str) else set()

    needs = {
        name: {
            other for other, external_id in external_ids.items() if other != name and external_id in mentioned(document)
        }
        for name, (_entity, document) in documents.items()
    }

    def test(order):
        return all(needs[name] <= set(order[:place]) for place, name in enumerate(order))

    return test


def state(api, admin, prefix, documents):
    """What the API and Odoo say of a family, without what is accidental: ids, numbers, names of the family."""
    read = {
        name: without(ok(api.get(entity, document["externalId"])), *ACCIDENTS)
        for name, (entity, document) in documents.items()
    }
    ids = defaultdict(list)
    for entity, document in documents.values():
        ids[entity].append(ok(api.get(entity, document["externalId"]))["id"])
    moves = admin.read(
        "account.move",
        [("school_billing_id", "in", ids["billings"])],
        ["state", "payment_state", "amount_total", "amount_residual", "partner_id", "invoice_date", "ref"],
        order="ref",
    )
    enrollments = admin.read(
        "school.enrollment", [("id", "in", ids["enrollments"])], ["roll_no", "section_id", "grade_id", "student_id"]
    )
    applications = admin.read("school.application", [("id", "in", ids["applications"])], ["student_id", "state"])
    links = admin.read(
        "school.parent.link",
        [("student_id", "in", ids["students"])],
        ["student_id", "parent_id", "priority", "pays", "lives_with"],
        order="student_id, priority, parent_id",
    )
    rows = [
        {name: value[1] if isinstance(value, list) else value for name, value in without(row, "id").items()}
        for table in (moves, enrollments, applications, links)
        for row in table
    ]
    return anonymous({"read": read, "rows": sorted(rows, key=repr)}, prefix)


def anonymous(value, prefix):
    if isinstance(value, dict):
        return {name: anonymous(below, prefix) for name, below in value.items()}
    if isinstance(value, list):
        return [anonymous(below, prefix) for below in value]
    return value.replace(prefix, "FAMILY") if isinstance(value, str) else value


def counts(tables):
    watched = (*TABLES.values(), "school_sync_binding", "school_parent_link", "res_partner", "account_move")
    return {table: tables.one(f"SELECT count(*) FROM {table}") for table in (*watched, "account_payment")}


def test_any_order_ends_in_the_same_state(admin, tables):
    api = admin.new_source().api
    rng = random.Random(19)
    names = list(family(""))
    expected = added = None
    for order in orders(names, HOW_MANY, rng, refers_back(family("FAMILY"))):
        prefix = unique("P")
        documents = family(prefix)
        before = counts(tables)
        answers = [api.post(entity, document) for entity, document in (documents[name] for name in order)]
        assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
        grown = {table: count - before[table] for table, count in counts(tables).items()}
        reached = state(api, admin, prefix, documents)
        expected, added = expected or reached, added or grown
        assert reached == expected, order
        assert grown == added, order
