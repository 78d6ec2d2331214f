"""Lists, pages, what changed since, and what was deleted."""

import base64
import json
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from support import ENTITIES, enrollment, ok, parent, problem, student, unique


def ids(documents):
    return [document["externalId"] for document in documents]


@pytest.fixture(scope="module")
def lister(admin):
    """A source with 25 parents, none of which any test changes."""
    source = admin.new_source()
    source.documents = [parent(name=f"Parent {n}") for n in range(25)]
    ok(source.api.post("parents", source.documents))
    return source


@pytest.fixture(scope="module")
def api(admin):
    """A source of this file's own, so that its lists hold what this file sends."""
    return admin.new_source().api


def moment(offset=0):
    return (datetime.now(timezone.utc) + timedelta(seconds=offset)).isoformat()


# Pages


@pytest.mark.parametrize("limit", [1, 7, 24, 25, 26, 1000])
def test_pages_hold_everything_once_and_in_order(lister, limit):
    """In batches the order is that of the batches; within one it is any, but always the same."""
    pages = list(lister.api.pages("parents", limit=limit))

    seen = [external_id for page in pages for external_id in ids(page)]
    assert sorted(seen) == sorted(ids(lister.documents))
    assert seen == lister.api.listed("parents", limit=1000)
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert 0 < len(pages[-1]) <= limit


def test_pages_hold_whole_documents(lister):
    (page,) = lister.api.pages("parents")

    assert page[3] == ok(lister.api.get("parents", page[3]["externalId"]))


def test_list_of_nothing(lister):
    assert ok(lister.api.get("students")) == {"items": [], "nextCursor": None}


def test_page_of_a_hundred_unless_asked(api):
    ok(api.post("students", [student() for _ in range(101)]))

    assert len(ok(api.get("students"))["items"]) == 100
    assert len(ok(api.get("students", limit=1000))["items"]) >= 101


def test_pages_are_stable_while_records_arrive_change_and_go(admin):
    api = admin.new_source().api
    before = [parent() for _ in range(60)]
    ok(api.post("parents", before))
    listed = api.listed("parents")
    done = threading.Event()

    def bustle():
        n = 0
        while not done.is_set():
            ok(api.post("parents", [parent(), {**before[n % 60], "name": f"Asha {n}"}]))
            n += 7

    neighbour = threading.Thread(target=bustle)
    neighbour.start()
    try:
        seen = []
        for page in api.pages("parents", limit=5):
            seen += ids(page)
            if len(seen) > 400:
                break
    finally:
        done.set()
        neighbour.join()

    assert seen[:60] == listed
    assert len(seen) == len(set(seen))


def test_page_goes_on_behind_a_record_that_was_deleted(admin):
    api = admin.new_source().api
    ok(api.post("parents", [parent() for _ in range(6)]))
    listed = api.listed("parents")
    page = ok(api.get("parents", limit=3))
    for external_id in listed[2:4]:
        ok(api.delete("parents", external_id))

    assert ids(ok(api.get("parents", limit=3, cursor=page["nextCursor"]))["items"]) == listed[4:]


# Cursors


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "garbage",
        "1",
        "-1",
        "null",
        "\0",
        "🎓",
        "====",
        "a" * 5000,
        "' OR 1=1 --",
        encoded("{}"),
        encoded("[]"),
        encoded("5"),
        encoded('["parents"]'),
        encoded('["parents", "5"]'),
        encoded('["parents", -5]'),
        encoded('["parents", 5.5]'),
        encoded('["parents", true]'),
        encoded('["parents", 99999999999999999999]'),
        encoded('["parents", NaN]'),
        encoded('["parents", 1e999]'),
        encoded('{"parents": 1, "b": 2}'),
        encoded("[" * 30_000),
        encoded("9" * 20_000),
    ],
    ids=lambda cursor: cursor[:20],
)
def test_cursor_of_nobodys_making_is_refused(lister, cursor):
    (error,) = problem(lister.api.get("parents", cursor=cursor), 400)["errors"]

    assert error["pointer"] == "?cursor"


def test_cursor_of_another_list_is_refused(lister):
    cursor = ok(lister.api.get("parents", limit=1))["nextCursor"]

    problem(lister.api.get("students", cursor=cursor), 400)


def test_empty_cursor_is_refused(lister):
    """A client that writes "no more pages" as an empty cursor would read the first page for ever."""
    problem(lister.api.get("parents", cursor=""), 400)


def test_cursor_of_another_source_shows_nothing_of_it(lister, api):
    cursor = ok(lister.api.get("parents", limit=1))["nextCursor"]

    assert not set(ids(ok(api.get("parents", cursor=cursor))["items"])) & set(ids(lister.documents))


@pytest.mark.parametrize("limit", [0, 1001, -1, "x", ""])
def test_limit_has_bounds(lister, limit):
    problem(lister.api.get("parents", limit=limit), 400)


# What changed


def test_updated_since_shows_what_was_sent_since(api):
    old, kept = parent(), parent()
    ok(api.post("parents", [old, kept]))
    time.sleep(1.1)
    since = moment()
    new = parent()
    ok(api.post("parents", [new, {**old, "name": "Asha Two"}, kept]))

    listed = api.listed("parents", updatedSince=since)
    assert new["externalId"] in listed and old["externalId"] in listed
    assert kept["externalId"] not in listed


def test_updated_since_shows_what_was_edited_in_odoo(api, admin):
    document, kept = parent(), parent()
    created, _kept = ok(api.post("parents", [document, kept]))["items"]
    time.sleep(1.1)
    since = moment()
    partner_id = admin.read_one("school.parent", created["id"], "partner_id")["partner_id"][0]
    admin.write("res.partner", partner_id, phone="+91 9876500001")

    listed = api.listed("parents", updatedSince=since)
    assert document["externalId"] in listed
    assert kept["externalId"] not in listed


def test_updated_since_shows_a_student_whose_parents_changed(api):
    """GET of the student shows the new parent, so whoever asks what changed must be told."""
    child = student()
    ok(api.post("students", child), 201)
    time.sleep(1.1)
    since = moment()
    ok(api.post("parents", parent(students=[child["externalId"]])), 201)

    assert child["externalId"] in api.listed("students", updatedSince=since)


def test_updated_since_shows_what_was_deleted(api):
    document = parent()
    ok(api.post("parents", document), 201)
    time.sleep(1.1)
    since = moment()
    ok(api.delete("parents", document["externalId"]))

    assert document["externalId"] in api.listed("parents", updatedSince=since, active="all")
    assert document["externalId"] not in api.listed("parents", updatedSince=since)


def test_updated_since_takes_any_zone_written_in_any_way(lister):
    utc = datetime.now(timezone.utc) - timedelta(hours=1)
    india = utc.astimezone(timezone(timedelta(hours=5, minutes=30)))
    for text in (utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.isoformat(), india.isoformat(timespec="seconds")):
        assert len(lister.api.listed("parents", updatedSince=text)) == 25
        # A plus sign that was not escaped, as few remember to.
        assert len(ok(lister.api.request("GET", f"/api/parents?updatedSince={text}"))["items"]) == 25
    assert lister.api.listed("parents", updatedSince=moment(3600)) == []


# Of a student, of a year


@pytest.fixture(scope="module")
def two(admin):
    """A source with two students, each enrolled in two years."""
    source = admin.new_source()
    pupils = [student(), student()]
    ok(source.api.post("students", pupils))
    source.one, source.other = ids(pupils)
    years = {"academicYear": "2024-2025", "startDate": "2024-06-01", "endDate": "2025-06-01"}
    source.enrollments = {
        (pupil, year): enrollment(pupil, **fields)
        for pupil in (source.one, source.other)
        for year, fields in (("2024-2025", years), ("2025-2026", {}))
    }
    ok(source.api.post("enrollments", list(source.enrollments.values())))
    return source


def test_list_of_a_student_and_of_a_year(two):
    def named(**options):
        wanted = set(two.api.listed("enrollments", **options))
        return {key for key, document in two.enrollments.items() if document["externalId"] in wanted}

    of_one = {(two.one, "2024-2025"), (two.one, "2025-2026")}
    of_year = {(two.one, "2025-2026"), (two.other, "2025-2026")}
    assert named(studentExternalId=two.one) == of_one
    assert named(academicYear="2025-2026") == named(academicYear=" 2025-2026 ") == of_year
    assert named(studentExternalId=two.one, academicYear="2025-2026") == of_one & of_year
    assert named(gradeLevel="GRADE8") == named(gradeLevel=8, limit=1) == set(two.enrollments)
    assert named(studentExternalId=two.one, active="false") == set()


@pytest.mark.parametrize(
    "options", [{"studentExternalId": "nobody"}, {"academicYear": "1999-2000"}, {"course": "x" * 300}]
)
def test_list_of_what_is_not_known_is_empty(two, options):
    assert ok(two.api.get("enrollments", **options)) == {"items": [], "nextCursor": None}


@pytest.mark.parametrize("entity", ["applications", "roster-assignments", "fee-schedules", "billings"])
def test_list_of_a_student_in_each_entity(admin, two, entity):
    fields = {
        "applications": {"status": "submitted", "academicYear": "2025-2026"},
        "roster-assignments": {"event": "roster.assignment.completed", "classId": "8", "start": "2025-06-01"},
        "fee-schedules": {"heads": [{"code": "FEE", "amount": 10}], "total": 10},
        "billings": {
            "issueDate": "2025-06-01",
            "dueDate": "2025-06-30",
            "currency": "USD",
            "status": "draft",
            "lines": [{"code": "FEE", "amount": 10}],
        },
    }[entity]
    mine, others = ({"externalId": unique(), "studentExternalId": pupil, **fields} for pupil in (two.one, two.other))
    ok(two.api.post(entity, [mine, others]))

    assert two.api.listed(entity, studentExternalId=two.one) == ids([mine])
    if entity == "applications":
        assert set(two.api.listed(entity, academicYear="2025-2026")) == set(ids([mine, others]))


def test_list_of_a_student_shows_nothing_of_another_source(two, api):
    assert ok(api.get("enrollments", studentExternalId=two.one))["items"] == []


@pytest.mark.parametrize(
    ("entity", "option", "value"),
    [
        ("parents", "studentExternalId", "x"),
        ("billings", "academicYear", "2025"),
        ("enrollments", "status", "active"),
        ("enrollments", "studentExternalId", ""),
        ("enrollments", "academicYear", "a\0b"),
    ],
)
def test_list_by_what_the_entity_cannot_be_listed_by_is_refused(two, entity, option, value):
    (error,) = problem(two.api.get(entity, **{option: value}), 400)["errors"]

    assert error["pointer"] == f"?{option}"


# Deleted


@pytest.mark.parametrize("entity", ENTITIES)
def test_delete_archives_and_post_restores(api, admin, entity):
    document = parent() if entity == "parents" else student()
    created = ok(api.post(entity, document), 201)
    response = api.delete(entity, document["externalId"])
    deleted = ok(response)

    assert deleted == {**created, "status": "archived", "version": 2}
    assert response.headers["ETag"] == '"2"'
    read = ok(api.get(entity, document["externalId"]))
    assert (read["active"], read["id"], read["version"]) == (False, created["id"], 2)
    record = admin.read_one(created["model"], created["id"], "active", "partner_id")
    contact_id = record["partner_id"][0]
    assert not record["active"]
    assert not admin.read_one("res.partner", contact_id, "active")["active"]

    again = api.delete(entity, document["externalId"])
    assert ok(again) == {**deleted, "status": "unchanged"}

    restored = ok(api.post(entity, document))
    assert (restored["status"], restored["id"], restored["version"]) == ("updated", created["id"], 3)
    assert ok(api.get(entity, document["externalId"]))["active"] is True
    assert admin.read_one("res.partner", contact_id, "active")["active"]
    assert ok(api.post(entity, document))["status"] == "unchanged"


def test_active_chooses_what_is_listed(admin):
    api = admin.new_source().api
    kept, gone = parent(), parent()
    ok(api.post("parents", [kept, gone]))
    ok(api.delete("parents", gone["externalId"]))

    assert api.listed("parents") == api.listed("parents", active="true") == ids([kept])
    assert api.listed("parents", active="false") == ids([gone])
    assert set(api.listed("parents", active="all")) == set(ids([kept, gone]))


def test_delete_of_what_is_not_known_is_404(api):
    problem(api.delete("parents", unique()), 404)
    document = parent()
    ok(api.post("parents", document), 201)
    problem(api.delete("students", document["externalId"]), 404)


def test_deleted_parent_stays_linked(api):
    guardian = parent()
    ok(api.post("parents", guardian), 201)
    child = student(parents=[guardian["externalId"]])
    ok(api.post("students", child), 201)
    ok(api.delete("parents", guardian["externalId"]))

    assert ids(api.read("students", child["externalId"])["parents"]) == ids([guardian])
    assert ok(api.post("students", {**child, "religion": "Jain"}))["status"] == "updated"


def test_batch_restores_what_it_names(api):
    documents = [parent() for _ in range(3)]
    ok(api.post("parents", documents))
    for document in documents[:2]:
        ok(api.delete("parents", document["externalId"]))
    body = ok(api.post("parents", documents))

    assert [item["status"] for item in body["items"]] == ["updated", "updated", "unchanged"]


def test_record_that_was_deleted_in_odoo_is_made_anew(api, admin):
    document = student()
    first = ok(api.post("students", document), 201)
    admin.call("school.student", "unlink", [first["id"]])
    problem(api.get("students", document["externalId"]), 404)
    second = ok(api.post("students", document), 201)

    assert second["id"] != first["id"]


def test_record_that_was_archived_in_odoo_is_no_longer_listed(api, admin):
    document = student()
    created = ok(api.post("students", document), 201)
    admin.call("school.student", "action_archive", [created["id"]])

    assert ok(api.get("students", document["externalId"]))["active"] is False
    assert document["externalId"] not in api.listed("students", limit=1000)
    assert json.dumps(api.read("students", document["externalId"]))
