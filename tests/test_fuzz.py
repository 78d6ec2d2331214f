"""What nobody thought of: documents made from the contract itself, with hostile values in them, over real HTTP.

For each of them holds: never 5xx, never HTML, always the envelope (``Api`` checks it); a batch's good documents are
applied whatever stands beside them; what was refused is not written; the same again is answered the same.

``SCHOOL_SYNC_FUZZ_EXAMPLES`` says how many examples each test makes, ``SCHOOL_SYNC_FUZZ_SEED`` where to begin; without
one, each run makes the same.
"""

import contextlib
import importlib
import json
import os
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import quote

import pytest
from families import TABLES
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from support import LONG, ok, parent, student, unique

EXAMPLES = int(os.environ.get("SCHOOL_SYNC_FUZZ_EXAMPLES") or (2000 if LONG else 5))
SEED = os.environ.get("SCHOOL_SYNC_FUZZ_SEED")


def fuzz(examples):
    """A test of ``examples`` times as many examples as were asked for."""

    def decorate(test):
        checks = list(HealthCheck)
        test = settings(
            max_examples=EXAMPLES * examples,
            deadline=None,
            database=None,
            derandomize=not SEED,
            suppress_health_check=checks,
        )(test)
        return seed(int(SEED))(test) if SEED else test

    return decorate


# What the contract says


def contract():
    """The contract without the addon around it, which needs Odoo."""
    folder = Path(__file__).parents[1] / "school_erp_sync" / "contract"
    spec = spec_from_file_location("school_contract", folder / "__init__.py", submodule_search_locations=[str(folder)])
    sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    return lambda name: importlib.import_module(f"school_contract.{name}")


_module = contract()
PAYLOADS = {
    "parents": _module("parent").ParentDocument,
    "students": _module("student").StudentDocument,
    "schools": _module("school").SchoolDocument,
    "academic-years": _module("academic_year").AcademicYearDocument,
    "courses": _module("course").CourseDocument,
    "sections": _module("section").SectionDocument,
    "applications": _module("application").ApplicationDocument,
    "enrollments": _module("enrollment").EnrollmentDocument,
    "roster-assignments": _module("roster_assignment").RosterAssignmentDocument,
    "fee-schedules": _module("fee_schedule").FeeScheduleDocument,
    "billings": _module("billing").BillingDocument,
    "payments": _module("payment").PaymentDocument,
    "teacher/status": _module("employee").TeacherStatus,
}
# Their documents take over what others have named.
LISTS = ("schools", "academic-years", "courses", "sections")
ENTITIES = [entity for entity in PAYLOADS if entity != "teacher/status"]
SCHEMAS = {entity: payload.model_json_schema() for entity, payload in PAYLOADS.items()}


# What nobody means

DEEP = 1
for _ in range(60):
    DEEP = {"a": [DEEP]}
TEXTS = [
    *("", " ", "\0", "a\0b", "a\tb", "a\nb", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\u200b"),
    *("\u202eevil\u202c", "e\u0301" * 40, "Z̴̡̧͉͕̘̲̗͓͎̺̓̂̿̋͐̑͜͝ͅ", "👩‍👩‍👧‍👦", "ﷺ", "İı", "ß", "𠜎"),
    *("x" * 256, "x" * 3000, "é" * 10_000, ".", "..", "/", "a/b", "a%2Fb", "a?b#c", "null", "None", "NaN", "-0"),
    *("'); DROP TABLE school_student; --", "%s %(name)s {0} {name}", "<script>alert(1)</script>", "=1+1", "\\", '"'),
]
NUMBERS = [
    *(0, -1, 1, 2, 99, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, -(2**63) - 1, 10**15, 10**400, 10**4000),
    *(0.1, -0.0, 0.005, 1e-7, 1e15, 1e22, 1e308, -1e308, 5e-324, 33.333333333333336, 999999999999.99),
    *("0", "-0", "1e2", "1e15", "1e999999999", "-1e999999999", "1e-999999999", "0.00000000000001", "1_000", "1,000"),
    *("١٠", "１０", "٠", "0x10", "1.", ".5", ".", "+5", "--5", "Infinity", "-inf", "sNaN", "9" * 5000, "1." + "0" * 40),
    *("0.1" + "0" * 40 + "1", "²", "1e", "5 USD", "999999999999999", "0.000001", "1000000000"),
]
DATES = [
    *("2025-06-01", "2025-09-01", "2024-02-29", "2025-02-29", "2025-02-30", "2025-13-01", "0000-01-01", "0001-01-01"),
    *("1899-12-31", "1900-01-01", "2199-12-31", "2200-01-01", "9999-12-31", "10000-01-01", "-2025-01-01", "2025-6-1"),
    *("01/06/2025", "20250601", "2025-W01-1", "٢٠٢٥-٠٦-٠١", "2025-06-01 ", "2025-06-01T00:00:00", "today", "0", 0),
]
TIMES = [
    *("2025-05-03T10:12:44Z", "2025-05-03T10:12:44+05:30", "2025-05-03 10:12:44.123456789Z", "2025-05-03T10:12Z"),
    *("2025-05-03T10:12:44", "2025-05-03T24:00:00Z", "2025-05-03T10:12:60Z", "2025-05-03T10:12:44+24:00"),
    *("2025-05-03T10:12:44+99:99", "2025-05-03T10:12:44-00:00", "0001-01-01T00:00:00+14:00", "1900-01-01T00:00:00Z"),
    *("2199-12-31T23:59:59Z", "2199-12-31T23:59:59-14:00", "9999-12-31T23:59:59-14:00", "2025-02-30T00:00:00Z"),
    *(
        "1746267164",
        1746267164,
        "2025-05-03T10:12:44 Europe/Berlin",
        "2025-05-03T10:12:44z",
        "2025-05-03T10:12:44+0530",
    ),
]
THINGS = [None, True, 5, [], {}, [[]], [{}], [None], {"": None}, ["x"] * 101, {"externalId": None}, DEEP]
VALUES = [*TEXTS, *NUMBERS, *DATES, *TIMES, *THINGS]
HOSTILE = (
    st.sampled_from(TEXTS)
    | st.sampled_from(NUMBERS)
    | st.sampled_from(DATES)
    | st.sampled_from(TIMES)
    | st.sampled_from(THINGS)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
# No record can be called so: what comes under another name is looked for under it.
NO_IDS = [None, 5, True, "", "  ", ".", "..", "a\0b", "a\tb", "a\nb", "a\u2028b", "x" * 256, [], {}, DEEP]


def mostly(good, bad):
    return st.integers(0, 9).flatmap(lambda luck: st.sampled_from(good if luck else bad))


def plausible(schema, definitions, name=""):
    """Values that ``schema`` allows, or nearly."""
    if name.endswith("ExternalId"):
        # Some test fills in who is meant.
        return st.sampled_from(["<known>", "<known>", "nobody"])
    if "$ref" in schema:
        return documents(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if {"type": "number"} in schema.get("anyOf", ()):
        return mostly(["100", "99.99", 0.5], NUMBERS)
    if "anyOf" in schema:
        return st.one_of([plausible(one, definitions, name) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "examples" in schema:
        return st.sampled_from(schema["examples"])
    match schema.get("format"):
        case "date":
            return mostly(DATES[:2], DATES)
        case "date-time":
            return mostly(TIMES[:2], TIMES)
    match schema.get("type"):
        case "array":
            return st.lists(plausible(schema["items"], definitions), min_size=1, max_size=3)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "number" | "integer":
            return mostly([1, 2, 2024], NUMBERS)
    if name == "currency":
        return st.sampled_from(["USD", "USD", "JPY", "XXX"])
    return st.sampled_from(["A", "India", "a@school.example", "+91 98765 01234", "https://x.example"]) | st.text(
        st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10
    )


def documents(schema, definitions):
    """Objects of ``schema``: most fields as they should be, some hostile, some missing, some that nobody knows."""

    @st.composite
    def build(draw):
        document, required = {}, schema.get("required", ())
        for name, field in schema["properties"].items():
            luck = draw(st.integers(0, 19))
            if luck == 0:
                document[name] = draw(HOSTILE)
            elif luck < 8 or name in required:
                document[name] = draw(plausible(field, definitions, name))
        if draw(st.integers(0, 9)) == 0:
            document[draw(st.sampled_from(TEXTS[:20]))] = draw(HOSTILE)
        return document

    return build()


def near_documents(entity):
    return documents(SCHEMAS[entity], SCHEMAS[entity].get("$defs", {}))


# Who is asked


@pytest.fixture(scope="module")
def source(admin):
    """A source of this file's own: what it leaves behind is in nobody's way."""
    return admin.new_source(sends_employees=True)


@pytest.fixture(scope="module")
def api(source):
    return source.api


@pytest.fixture(scope="module")
def known(api):
    """Whom the documents may name: a record for each word before ``ExternalId``."""
    guardian, child = parent(), student()
    ok(api.post("parents", guardian), 201)
    ok(api.post("students", child), 201)
    result = {"payer": guardian["externalId"], "student": child["externalId"]}
    for word, entity in (("school", "schools"), ("academicYear", "academic-years"), ("course", "courses")):
        result[word] = unique(word)
        ok(api.post(entity, {"externalId": result[word], "code": result[word]}), 201)
    return result


@pytest.fixture(autouse=True)
def unharmed(nobody, server_log):
    yield
    ok(nobody.request("GET", "/api/health"))
    assert "Traceback" not in server_log.text()


def naming(value, known):
    """``value`` with those filled in who are known."""
    if isinstance(value, list):
        return [naming(one, known) for one in value]
    if isinstance(value, dict):
        return {
            name: known.get(name.removesuffix("ExternalId"), "nobody") if one == "<known>" else naming(one, known)
            for name, one in value.items()
        }
    return value


def good_document(entity, known):
    """A document of ``entity`` that is applied, is in nobody's way, and has something in each of its parts."""
    child = {"studentExternalId": known["student"]}
    external_id = unique("GOOD")
    payment = {"externalId": f"{external_id}-PAY", "date": "2025-06-10", "amount": 10}
    fields = {
        "parents": {"name": "Asha Rao", "students": [{"externalId": known["student"], "priority": 9}]},
        "students": {
            "fullName": "Ravi Rao",
            "dob": "2012-05-01",
            "parents": [{"externalId": known["payer"], "start": "2024-06-01"}],
        },
        "schools": {"name": external_id, "address": {"city": "Pune"}},
        "academic-years": {"name": external_id, "startDate": "2025-06-01", "endDate": "2026-05-31"},
        "courses": {"code": external_id, "schoolExternalId": known["school"], "credits": 0.5},
        "sections": {"code": external_id, "courseExternalId": known["course"], "capacity": 30},
        "applications": {**child, "status": "approved"},
        # In a course and a class of their own they do not overlap.
        "enrollments": {
            **child,
            "academicYear": "2025",
            "course": external_id,
            "startDate": "2025-06-01",
            "status": "active",
        },
        "roster-assignments": {
            **child,
            "event": "roster.assignment.completed",
            "classId": external_id,
            "start": "2025-06-01",
        },
        "fee-schedules": {
            **child,
            "currency": "USD",
            "heads": [{"code": "FEE", "amount": 300}],
            "discounts": [{"code": "SIBLING", "amount": 50}],
            "total": 250,
            "installmentPlan": {"count": 1, "schedule": [{"due": "2025-06-01", "amount": 250}]},
        },
        "billings": {
            **child,
            "issueDate": "2025-06-01",
            "dueDate": "2025-06-30",
            "currency": "USD",
            "status": "partial",
            "lines": [{"code": "FEE", "quantity": 3, "unitPrice": "33.10", "discount": 10}],
            "payments": [payment],
            "credits": [
                {"externalId": f"{external_id}-CR", "date": "2025-06-12", "lines": [{"code": "FEE", "amount": 5}]}
            ],
        },
        "payments": {
            "payerExternalId": known["payer"],
            "date": "2025-06-10",
            "amount": 12.5,
            "currency": "USD",
            "allocations": [],
        },
    }[entity]
    return {"externalId": external_id, **fields}


def places(schema, definitions, where=()):
    """Each place of a document, from the root inwards, and what kind of value it holds."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for one in schema.get("anyOf", ()):
        if one.keys() & {"$ref", "items"}:
            yield from places(one, definitions, where)
    if where:
        yield where, json.dumps({key: schema[key] for key in schema.keys() - {"title", "description", "default"}})
    if "items" in schema:
        yield from places(schema["items"], definitions, (*where, 0))
    for name, field in schema.get("properties", {}).items():
        yield from places(field, definitions, (*where, name))


def put(document, where, value):
    """Put ``value`` into ``document``; what is missing on the way there is made."""
    *outer, last = where
    for step, following in zip(outer, where[1:], strict=True):
        if isinstance(step, str) and not document.get(step):
            document[step] = [{}] if following == 0 else {}
        document = document[step]
    document[last] = value


def hostile_to(kind):
    """The values that come near to what a ``kind`` of place holds; all of them in the long form."""
    if LONG:
        return VALUES
    if '"items"' in kind or '"properties"' in kind:
        return THINGS
    for word, values in (
        ("date-time", TIMES),
        ("date", DATES),
        ("number", NUMBERS),
        ("integer", NUMBERS),
        ("string", TEXTS),
    ):
        if f'"{word}"' in kind:
            return [*values, *THINGS]
    return THINGS


def sweep(entity, known):
    """Good documents with one hostile value in one place: each value in each kind of place, or in each (long form)."""
    kinds = {}
    for where, kind in dict(places(SCHEMAS[entity], SCHEMAS[entity].get("$defs", {}))).items():
        kinds.setdefault(kind, []).append(where)
    for kind, alike in kinds.items():
        for number, value in enumerate(hostile_to(kind)):
            # Money is what most depends on: a quantity is none, whatever the schema says.
            for where in alike if LONG or '"number"' in kind else [alike[number % len(alike)]]:
                # Under another name it could not be looked for.
                if where != ("externalId",) or value in NO_IDS:
                    document = good_document(entity, known)
                    if entity == "billings" and not LONG and where[0] not in ("payments", "status"):
                        # What takes the time: to post an invoice, and to find out that another total was meant.
                        if where == ("total",):
                            continue
                        document["status"] = "draft"
                        del document["payments"]
                        if where[0] != "credits":
                            del document["credits"]
                    put(document, where, value)
                    yield document


@st.composite
def spoilt(draw, entity, known):
    """A document that was good until something hostile came into one or two places of it."""
    document = good_document(entity, known)
    everywhere = list(dict(places(SCHEMAS[entity], SCHEMAS[entity].get("$defs", {}))))
    # The inner place last, or there would be nothing left to put it into.
    for where in sorted(draw(st.lists(st.sampled_from(everywhere), min_size=1, max_size=2, unique=True)), key=len):
        with contextlib.suppress(TypeError, AttributeError, IndexError, KeyError):
            put(document, where, draw(HOSTILE))
    return document


def told(item):
    """What an answer says of a document, but for whether it said so before."""
    status = "applied" if item["status"] in ("created", "updated", "unchanged") else item["status"]
    errors = [(error["pointer"], error["code"], error["detail"]) for error in item.get("errors", ())]
    return item["externalId"], item["id"], item.get("version"), status, item.get("missing"), errors


PYTHON = re.compile(r"\bNone\b|\bTrue\b|\bFalse\b|Decimal\(|Input should|\[\{|\{'|\['|<class|object at 0x|, line \d")


def check_sentences(item):
    """Errors are written for people: short, and without Python, whatever of the document they quote."""
    for error in item.get("errors", ()):
        assert len(error["detail"]) < 1000
        assert not PYTHON.search(re.sub(r'".*"', '""', error["detail"], flags=re.S)), error


def body_of(value):
    return json.dumps(value).encode()


# The rules


def check_batch(source, tables, entity, good, batch):
    """The rules for a ``batch`` in which ``good`` documents stand among others."""
    api, table = source.api, TABLES[entity]
    before = tables.one(f"SELECT count(*) FROM {table}")
    response = api.send(entity, body_of(batch))
    assert response.status_code in (200, 207), response.text[:2000]
    items = response.json()["items"]
    created = [item["externalId"] for item in items if item["status"] == "created"]
    assert {document["externalId"] for document in good} <= set(created)
    for item in items:
        assert ("errors" in item) == (item["status"] in ("failed", "conflict")), item
        check_sentences(item)
    # What was refused is not written, nor is what waits.
    made = tables.one(f"SELECT count(*) FROM {table}") - before
    assert made == len(created) or entity in LISTS and made < len(created)
    bound = tables.rows(
        "SELECT external_id FROM school_sync_binding WHERE source_id = %s AND entity = %s AND res_id IS NOT NULL"
        " AND external_id = ANY(%s)",
        *(source.id, entity, [item["externalId"].replace("\0", "") for item in items if item["externalId"]]),
    )
    assert sorted(external_id for (external_id,) in bound) == sorted(created)
    again = ok(api.send(entity, body_of(batch)), response.status_code)["items"]
    assert [told(item) for item in again] == [told(item) for item in items]
    return created


def test_sweep_puts_hostile_numbers_into_money_and_hostile_dates_into_dates(known):
    """The schemas are pydantic's: said in other words, nothing hostile would come to the right place."""
    swept = list(sweep("billings", known))

    assert "1e999999999" in [
        line.get(name) for one in swept for line in lines_of(one) for name in ("unitPrice", "amount")
    ]
    assert "0.00000000000001" in [line.get("quantity") for one in swept for line in lines_of(one)]
    assert "9999-12-31" in [one.get("issueDate") for one in swept] + [one.get("dueDate") for one in swept]


def lines_of(document):
    lines = document.get("lines")
    return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []


@pytest.mark.parametrize("entity", ENTITIES)
def test_each_value_in_each_kind_of_place(source, known, tables, entity):
    spoilt_ones = list(sweep(entity, known))
    for start in range(0, len(spoilt_ones), 100):
        good, batch = good_document(entity, known), spoilt_ones[start : start + 100]
        created = check_batch(source, tables, entity, [good], [*batch[:50], good, *batch[50:]])
        # And what was taken can be read.
        for external_id in created[:: 1 if LONG else 25]:
            ok(source.api.get(entity, external_id))


@pytest.mark.parametrize("entity", ENTITIES)
@fuzz(1)
@given(data=st.data())
def test_good_documents_of_a_batch_are_applied_whatever_stands_beside_them(source, known, tables, entity, data):
    good = [good_document(entity, known) for _ in range(data.draw(st.integers(1, 2)))]
    odd = near_documents(entity) | spoilt(entity, known) | HOSTILE
    bad = [naming(one, known) for one in data.draw(st.lists(odd, min_size=1, max_size=6))]
    for document in bad:
        if isinstance(document, dict):
            nameless = data.draw(st.integers(0, 9)) == 0
            document["externalId"] = data.draw(st.sampled_from(NO_IDS)) if nameless else unique()
    check_batch(source, tables, entity, good, good + bad if data.draw(st.booleans()) else bad + good)


@pytest.mark.parametrize("entity", PAYLOADS)
@fuzz(1)
@given(data=st.data())
def test_document_alone_is_answered_under_its_key_as_before(api, known, entity, data):
    document = naming(data.draw(near_documents(entity)), known)
    if "externalId" in document and data.draw(st.integers(0, 3)):
        document["externalId"] = unique()
    headers = {"Idempotency-Key": unique("KEY")}
    response = api.send(entity, body_of(document), headers=headers)

    assert response.status_code < 500, response.text[:2000]
    check_sentences(response.json())
    again = api.send(entity, body_of(document), headers=headers)
    assert again.status_code == response.status_code
    if response.status_code in (200, 201, 202, 422):
        assert again.content == response.content


@fuzz(4)
@given(data=st.data())
def test_no_json_makes_the_server_fail(api, known, data):
    """To any address, in any shape: a bundle, an array of anything, something else."""
    somewhere = st.sampled_from([*PAYLOADS, "sync"])
    anything = st.one_of([near_documents(entity) for entity in PAYLOADS]) | HOSTILE
    parts = st.lists(anything, max_size=3) | HOSTILE
    bundles = st.dictionaries(st.sampled_from([*PAYLOADS, "", "nobody"]), parts, max_size=4)
    value = naming(data.draw(bundles | st.lists(anything, max_size=4) | anything), known)
    address = data.draw(somewhere)
    response = api.send(address, body_of(value))

    assert response.status_code < 500, response.text[:2000]


@fuzz(4)
@given(data=st.data())
def test_no_bytes_make_the_server_fail(api, data):
    """JSON that is cut, or in which some bytes are others: halves of characters, control characters, no UTF-8."""
    entity = data.draw(st.sampled_from(ENTITIES))
    body = json.dumps(data.draw(near_documents(entity)), ensure_ascii=False).encode()[:5000]
    junk = st.binary(max_size=8) | st.sampled_from(
        [b"\\ud83d", b"\\udc00\\ud83d", b"\\u0000", b"NaN", b"[" * 300, b"9" * 5000]
    )
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        body = body[:start] + data.draw(junk) + body[start + data.draw(st.integers(0, 8)) :]
    response = api.send(entity, body)

    assert response.status_code < 500, response.text[:2000]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
QUERY = ["limit", "cursor", "updatedSince", "active", "atomic", "onMissing", "syncState", "department", "state"]
HEADERS = ["Idempotency-Key", "If-Match", "If-None-Match", "Content-Type", "Content-Encoding", "Accept", "X-Request-Id"]
HEADERS += ["Accept-Language", "Cookie", "Range", "Expect", "X-Forwarded-For", "X-HTTP-Method-Override"]
LATIN = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20)
TAGS = ["*", '"1"', 'W/"1"', '"', '""', '"1", "2"', '"1' * 500, '"a\\"']
HEADER_VALUES = LATIN | st.sampled_from([*TAGS, "", "x" * 4000, "application/json", "gzip"])


@fuzz(6)
@given(data=st.data())
def test_no_query_and_no_header_makes_the_server_fail(api, data):
    method = data.draw(st.sampled_from(["GET", "GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS"]))
    entity = data.draw(st.sampled_from([*PAYLOADS, "employees", "sync/parked", "sync", "health", "nobody"]))
    names = data.draw(st.none() | st.sampled_from(TEXTS) | ANY_TEXT)
    path = f"/api/{entity}" + (f"/{quote(names[:2000], safe='')}" if names else "")
    texts = st.sampled_from([text[:3000] for text in (*TEXTS, *map(str, DATES), *map(str, TIMES))]) | ANY_TEXT
    params = data.draw(st.lists(st.tuples(st.sampled_from(QUERY) | texts, texts), max_size=3))
    headers = data.draw(st.dictionaries(st.sampled_from(HEADERS), HEADER_VALUES, max_size=3))
    body = body_of(parent()) if method == "POST" else None
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    if body:
        headers.setdefault("Content-Type", b"application/json")
    response = api.request(method, path, params=params, headers=headers, data=body)

    assert response.status_code < 500, response.text[:2000]
