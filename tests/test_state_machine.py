"""A random history of upserts, deletes, replays, stale and bad documents, and of edits in Odoo, against a simple model.

The model is what a reader of docs/api.md would write down: what the source said last is laid over what it said before;
what of it changed is stored; everything else in Odoo stays as people left it.
"""

from copy import deepcopy
from dataclasses import dataclass, field

from faults import LONG, CountedApi, Tally
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from support import ok, problem, unique

# For each entity: where the parts of a document are stored in Odoo; the first is required.
FIELDS = {
    "parents": {
        "name": "name",
        "relation": "relation",
        "occupation": "function",
        "phone": "phone",
        "email": "email",
    },
    "students": {
        "fullName": "name",
        "religion": "religion",
        "health.bloodGroup": "blood_group",
        "emergency.name": "emergency_name",
        "address.city": "city",
        "address.pin": "zip",
    },
    "applications": {"status": "state"},
}
REQUIRED = {"parents": "name", "students": "fullName", "applications": "status"}
VALUES = {
    "phone": ["+91 98765 01234", "+91 98765 43210"],
    "email": ["asha@example.com", "rao@example.com"],
    "status": ["submitted", "approved", "enrolled"],
}
WORDS = ["Asha", "Ravi", "Leela"]
TIMES = [f"2025-01-0{day}T00:00:00Z" for day in range(1, 6)]
NUMBERS = st.integers(1, 3)
ENTITIES = st.sampled_from(sorted(FIELDS))


def values(path):
    return st.sampled_from(VALUES.get(path, WORDS))


@st.composite
def said(draw, entity):
    """A document without its externalId: each field absent, null or one of a few values, with or without updatedAt."""
    document = {}
    for path in FIELDS[entity]:
        if path == REQUIRED[entity]:
            document[path] = draw(values(path))
        elif draw(st.booleans()):
            put(document, path, draw(st.none() | values(path)))
    for whole in {path.partition(".")[0] for path in FIELDS[entity] if "." in path}:
        if draw(st.integers(0, 9)) == 0:
            document[whole] = None
    if draw(st.booleans()):
        document["updatedAt"] = draw(st.sampled_from(TIMES))
    return document


def put(document, path, value):
    outer, _dot, inner = path.partition(".")
    if inner:
        document.setdefault(outer, {})[inner] = value
    else:
        document[outer] = value


def at(document, path):
    """:return: whether ``document`` says something at ``path``, and what"""
    outer, _dot, inner = path.partition(".")
    if outer not in document:
        return False, None
    if not inner or document[outer] is None:
        return True, document[outer]
    return inner in document[outer], document[outer].get(inner)


@dataclass
class Known:
    """What there should be of a record: what its source said, and what Odoo holds by path."""

    said: dict = field(default_factory=dict)
    holds: dict = field(default_factory=dict)
    record_id: int | None = None
    version: int = 0
    updated_at: str | None = None
    deleted: bool = False
    active: bool = True


class Model:
    """The rules of docs/api.md, in as few words as possible."""

    def __init__(self):
        self.known = {}

    def upsert(self, entity, external_id, document):
        """:return: the status that the document should get"""
        known = self.known.get((entity, external_id))
        arrived = document.get("updatedAt")
        if known and known.updated_at and arrived and arrived < known.updated_at:
            return "stale"
        status = "updated" if known else "created"
        known = self.known.setdefault((entity, external_id), Known())
        known.updated_at = arrived or known.updated_at
        merged = self._lay_over(known.said, {name: value for name, value in document.items() if name != "updatedAt"})
        changed = {
            path: at(merged, path)[1]
            for path in FIELDS[entity]
            if at(merged, path)[0] and at(merged, path) != at(known.said, path)
        }
        is_new = any(known.holds.get(path) != value for path, value in changed.items())
        known.holds.update(changed)
        known.said = merged
        if not is_new and not known.deleted and known.version:
            return "unchanged"
        known.version += 1
        known.active = known.active or known.deleted
        known.deleted = False
        return status

    def _lay_over(self, last, new):
        merged = deepcopy(last)
        for name, value in new.items():
            both = isinstance(value, dict) and isinstance(merged.get(name), dict)
            merged[name] = {**merged[name], **value} if both else deepcopy(value)
        return merged

    def delete(self, entity, external_id):
        known = self.known.get((entity, external_id))
        if known is None:
            return None
        if known.deleted:
            return "unchanged"
        known.deleted, known.active = True, False
        known.version += 1
        return "archived"


class History(RuleBasedStateMachine):
    """Each rule does the same to the model and to the server, and looks at what it touched."""

    def __init__(self, api, people):
        super().__init__()
        self.api, self.people = api, people
        self.prefix = unique("H")
        self.model = Model()
        self.sent = []

    def identity(self, entity, number):
        return f"{self.prefix}-{entity}-{number}"

    @rule(data=st.data(), entity=ENTITIES, number=NUMBERS)
    def send(self, data, entity, number):
        self._send_one(entity, self.identity(entity, number), data.draw(said(entity)))

    @rule(data=st.data(), entity=ENTITIES, numbers=st.lists(NUMBERS, min_size=1, max_size=3, unique=True))
    def send_batch(self, data, entity, numbers):
        documents = [{"externalId": self.identity(entity, number), **data.draw(said(entity))} for number in numbers]
        expected = [self._expect(entity, document) for document in documents]
        items = self.api.post(entity, documents).json()["items"]
        assert [item["status"] for item in items] == expected
        for item in items:
            self._look(entity, item["externalId"], item["id"])

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def replay(self, data):
        entity, document = data.draw(st.sampled_from(self.sent))
        self._send_one(entity, document["externalId"], document)

    @rule(data=st.data(), entity=ENTITIES, number=NUMBERS)
    def send_what_is_wrong(self, data, entity, number):
        external_id = self.identity(entity, number)
        document = {"externalId": external_id, **data.draw(said(entity)), REQUIRED[entity]: None}
        problem(self.api.post(entity, document), 422)
        self._look(entity, external_id)

    @rule(entity=ENTITIES, number=NUMBERS)
    def delete(self, entity, number):
        external_id = self.identity(entity, number)
        expected = self.model.delete(entity, external_id)
        response = self.api.delete(entity, external_id)
        if expected is None:
            problem(response, 404)
        else:
            assert ok(response)["status"] == expected
        self._look(entity, external_id)

    @precondition(lambda self: self.model.known)
    @rule(data=st.data())
    def edit_in_odoo(self, data):
        entity, external_id = data.draw(st.sampled_from(sorted(self.model.known)))
        known = self.model.known[entity, external_id]
        path = data.draw(st.sampled_from(sorted(FIELDS[entity])))
        value = data.draw(values(path) if path == REQUIRED[entity] else st.none() | values(path))
        known.holds[path] = value
        self._write(entity, known, **{FIELDS[entity][path]: value or False})
        self._look(entity, external_id)

    @precondition(lambda self: self.model.known)
    @rule(data=st.data())
    def archive_or_restore_in_odoo(self, data):
        entity, external_id = data.draw(st.sampled_from(sorted(self.model.known)))
        known = self.model.known[entity, external_id]
        known.active = not known.active
        self._write(entity, known, active=known.active)
        self._look(entity, external_id)

    def teardown(self):
        for entity in FIELDS:
            listed = {
                external_id for external_id in self.api.listed(entity, active="all") if self.prefix in external_id
            }
            assert listed == {external_id for kind, external_id in self.model.known if kind == entity}

    def _write(self, entity, known, **values):
        model = {"parents": "school.parent", "students": "school.student", "applications": "school.application"}[entity]
        self.people.write(model, known.record_id, **values)

    def _expect(self, entity, document):
        self.sent.append((entity, document))
        content = {name: value for name, value in document.items() if name != "externalId"}
        return self.model.upsert(entity, document["externalId"], content)

    def _send_one(self, entity, external_id, content):
        document = {**content, "externalId": external_id}
        expected = self._expect(entity, document)
        response = self.api.post(entity, document)
        if expected == "stale":
            assert problem(response, 409)["errors"][0]["code"] == "stale"
            return self._look(entity, external_id)
        body = ok(response, 201 if expected == "created" else 200)
        assert body["status"] == expected
        return self._look(entity, external_id, body["id"])

    def _look(self, entity, external_id, record_id=None):
        """GET says what the model says."""
        known = self.model.known.get((entity, external_id))
        response = self.api.get(entity, external_id)
        if known is None:
            problem(response, 404)
            return
        body = ok(response)
        known.record_id = known.record_id or record_id
        assert (body["id"], body["version"], body["active"]) == (known.record_id, known.version, known.active)
        assert body["updatedAt"] == known.updated_at
        shown = {path: at(body, path)[1] for path in FIELDS[entity]}
        assert shown == {path: known.holds.get(path) for path in FIELDS[entity]}


def test_random_histories_agree_with_the_model(admin, results):
    tally = Tally("random histories against a model")
    api = CountedApi(admin.new_source().api, tally)

    class Counted(History):
        def __init__(self):
            super().__init__(api, admin)
            tally.count("injected", "histories")

        def teardown(self):
            super().teardown()
            tally.counts["documents"] += len(self.model.known)

    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=60 if LONG else 6,
            stateful_step_count=40 if LONG else 15,
            deadline=None,
            database=None,
            derandomize=not LONG,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    results.add(tally)
