"""What arrives before the record it refers to waits for it, and is applied with it."""

import random

import pytest
from support import enrollment, ok, parent, pointers, problem, student, unique
from test_concurrency import at_once, statuses


def test_parked_and_told_what_is_missing_and_healed_by_its_arrival(api, admin):
    pupil = student()
    document = enrollment(pupil["externalId"])
    response = api.post("enrollments", document)
    body = ok(response, 202)

    missing = [{"entity": "students", "externalId": pupil["externalId"], "pointer": "/studentExternalId"}]
    assert (body["status"], body["id"], body["missing"]) == ("parked", None, missing)
    assert pupil["externalId"] in body["warnings"][0]
    assert "ETag" not in response.headers
    assert "parked" in problem(api.get("enrollments", document["externalId"]), 404)["detail"]
    assert [line["status"] for line in admin.lines_of(response)] == ["parked"]

    arrival = api.post("students", pupil)
    ok(arrival, 201)

    assert api.read("enrollments", document["externalId"])["studentExternalId"] == pupil["externalId"]
    lines = {line["external_id"]: line for line in admin.lines_of(arrival)}
    assert lines[document["externalId"]]["status"] == "created"
    assert "Applied after waiting" in lines[document["externalId"]]["message"]
    assert admin.log_of(arrival, "received")["received"] == 1
    assert ok(api.post("enrollments", document))["status"] == "unchanged"


def test_list_of_what_is_parked(fresh):
    api = fresh.api
    ids = [ok(api.post("enrollments", enrollment(f"nobody-{n}")), 202)["externalId"] for n in range(3)]
    ok(api.post("students", student(parents=["PAR-nobody"])), 202)
    items = [item for page in api.pages("sync/parked", limit=2) for item in page]

    assert [item["externalId"] for item in items[:3]] == ids
    assert [item["entity"] for item in items] == ["enrollments"] * 3 + ["students"]
    assert items[0]["missing"] == [{"entity": "students", "externalId": "nobody-0", "pointer": "/studentExternalId"}]
    assert items[0]["state"] == "waiting" and items[0]["parkedAt"] < items[0]["expiresAt"]
    assert "document" not in items[0]
    students = api.request("GET", "/api/sync/parked?entity=students")
    assert len(ok(students)["items"]) == 1
    assert ok(api.get("sync/parked", state="failed"))["items"] == []
    mistakes = problem(api.request("GET", "/api/sync/parked?state=lost&entity=pets&cursor=x"), 400)
    assert pointers(mistakes).keys() == {"?state", "?entity"}
    problem(api.get("sync/parked", cursor="x"), 400)
    problem(api.post("sync/parked", {}), 405)


def test_each_source_sees_what_it_parked_itself(api, fresh):
    mine = ok(fresh.api.post("enrollments", enrollment("nobody")), 202)["externalId"]

    assert mine not in api.listed("sync/parked", limit=1000)


def test_a_key_that_may_read_sees_the_list(admin):
    reader = admin.new_source(group="group_sync_reader").api

    assert ok(reader.get("sync/parked"))["items"] == []


def test_on_missing_error(api, nothing_written):
    document = enrollment("nobody")
    body = problem(api.post("enrollments", document, onMissing="error"), 409)
    assert (pointers(body), body["type"].rpartition(":")[2]) == (
        {"/studentExternalId": "reference_missing"},
        "reference-missing",
    )
    body = problem(api.post("enrollments", [document], onMissing="error"), 422)
    assert pointers(body) == {"/0/studentExternalId": "reference_missing"}
    problem(api.post("enrollments", document, onMissing="wait"), 400)


def test_batch_counts_what_is_parked(api):
    pupil = student()
    ok(api.post("students", pupil), 201)
    body = ok(api.post("enrollments", [enrollment("nobody"), enrollment(pupil["externalId"])]))

    assert (body["summary"]["parked"], body["summary"]["created"]) == (1, 1)
    assert body["items"][0]["missing"][0]["externalId"] == "nobody"


def test_bundle_whose_parts_name_each_other(api):
    guardian, pupil = parent(), student()
    guardian["students"], pupil["parents"] = [pupil["externalId"]], [guardian["externalId"]]
    body = ok(api.post("sync", {"students": [pupil], "parents": [guardian]}))

    assert (body["summary"]["created"], body["summary"]["parked"]) == (2, 0)
    assert api.read("parents", guardian["externalId"])["students"] == [{"externalId": pupil["externalId"]}]
    assert ok(api.post("parents", guardian))["status"] == "unchanged"
    assert ok(api.post("students", pupil))["status"] == "unchanged"


@pytest.mark.parametrize("_round", range(8))
def test_both_at_the_same_moment_are_both_applied(api, _round):
    """Neither transaction sees the other; nothing may go on waiting for what is there."""
    pupil = student()
    documents = [enrollment(pupil["externalId"], externalId=unique("ENR"), course=unique("Course")) for _ in range(3)]
    responses = at_once(
        [lambda: api.post("students", pupil)]
        + [lambda document=document: api.post("enrollments", document) for document in documents]
    )

    assert set(statuses(responses)) <= {201, 202}
    for document in documents:
        assert api.read("enrollments", document["externalId"])["studentExternalId"] == pupil["externalId"]


def test_delete_ends_the_waiting(api):
    pupil = student()
    document = enrollment(pupil["externalId"])
    ok(api.post("enrollments", document), 202)

    assert ok(api.delete("enrollments", document["externalId"]))["status"] == "archived"
    ok(api.post("students", pupil), 201)
    problem(api.get("enrollments", document["externalId"]), 404)


def test_what_is_parked_is_no_record_of_odoo(api, tables):
    before = tables.one("SELECT count(*) FROM school_enrollment")
    ok(api.post("enrollments", enrollment(unique("nobody"))), 202)

    assert tables.one("SELECT count(*) FROM school_enrollment") == before


def test_admin_looks_mends_and_tries_again(admin, fresh):
    pupil = student()
    ok(fresh.api.post("students", pupil), 201)
    document = enrollment("mistyped")
    ok(fresh.api.post("enrollments", document), 202)
    manager = admin.new_user("group_sync_manager", "group_sync_sensitive")
    (parked,) = manager.read("school.sync.parked", [("external_id", "=", document["externalId"])], ["document_text"])
    manager.write(
        "school.sync.parked",
        parked["id"],
        document_text=parked["document_text"].replace("mistyped", pupil["externalId"]),
    )
    answer = manager.call("school.sync.parked", "action_retry", [parked["id"]])

    assert "1 applied" in answer["params"]["message"]
    assert fresh.api.read("enrollments", document["externalId"])["studentExternalId"] == pupil["externalId"]


def test_writers_of_mixed_families_leave_nothing_waiting(fresh):
    """Eight at once, each with its part of the same families, in any order, with circles of names."""
    documents = []
    for _family in range(6):
        guardian, pupil = parent(), student()
        guardian["students"], pupil["parents"] = [pupil["externalId"]], [guardian["externalId"]]
        documents += [("parents", guardian), ("students", pupil)]
        documents += [
            ("enrollments", enrollment(pupil["externalId"], course=course)) for course in ("Chess", "Drawing")
        ]
    random.Random(5).shuffle(documents)

    def write(part):
        return [fresh.api.post(entity, document) for entity, document in part]

    answers = at_once([lambda n=n: write(documents[n::8]) for n in range(8)])

    assert {response.status_code for part in answers for response in part} <= {201, 202}
    assert fresh.api.listed("sync/parked", limit=1000) == []
    for entity, document in documents:
        assert ok(fresh.api.post(entity, document))["status"] == "unchanged"


def test_the_same_document_parked_many_times_at_once_waits_once(fresh):
    document = enrollment("nobody")
    responses = at_once([lambda: fresh.api.post("enrollments", document)] * 10)

    assert statuses(responses) == [202]
    assert fresh.api.listed("sync/parked", limit=1000) == [document["externalId"]]


@pytest.mark.parametrize("_round", range(4))
def test_what_waits_and_its_correction_at_the_same_moment(fresh, _round):
    pupil, mistyped = student(), student()
    document = enrollment(mistyped["externalId"])
    ok(fresh.api.post("enrollments", document), 202)
    ok(fresh.api.post("students", pupil), 201)
    corrected = {**document, "studentExternalId": pupil["externalId"]}
    responses = at_once(
        [lambda: fresh.api.post("students", mistyped), lambda: fresh.api.post("enrollments", corrected)]
    )

    assert statuses(responses) in ([200, 201], [201])
    assert fresh.api.listed("sync/parked", limit=1000) == []
    assert fresh.api.read("enrollments", document["externalId"])["studentExternalId"] == pupil["externalId"]


@pytest.mark.parametrize("_round", range(4))
def test_the_ends_of_a_circle_at_the_same_moment(fresh, _round):
    guardian, pupil = parent(), student()
    guardian["students"], pupil["parents"] = [pupil["externalId"]], [guardian["externalId"]]
    responses = at_once([lambda: fresh.api.post("parents", guardian), lambda: fresh.api.post("students", pupil)])

    assert statuses(responses) == [201, 202]
    assert fresh.api.listed("sync/parked", limit=1000) == []
    assert fresh.api.read("students", pupil["externalId"])["parents"] == [{"externalId": guardian["externalId"]}]


@pytest.mark.parametrize("size", [4, 6])
def test_opposite_members_of_a_circle_at_the_same_moment(fresh, tables, size):
    """Neither of the last two sees the other, and neither waits for the other itself."""
    ids = [unique("CIRCLE") for _ in range(size)]
    circle = [
        ("students", student(externalId=own, parents=[after]))
        if place % 2
        else ("parents", parent(externalId=own, students=[after]))
        for place, (own, after) in enumerate(zip(ids, ids[1:] + ids[:1], strict=True))
    ]
    last = [circle[0], circle[size // 2]]
    for one in circle:
        if one not in last:
            ok(fresh.api.post(*one), 202)

    # Both have begun, and looked around, before either can go on.
    rival = tables.hold("LOCK TABLE school_sync_parked IN SHARE MODE")
    with tables.meanwhile(fresh.api.post, *last[0]) as one, tables.meanwhile(fresh.api.post, *last[1]) as other:
        tables.wait_for_a_lock(2)
        rival.close()

    assert statuses([one.result(), other.result()]) == [201, 202]
    assert fresh.api.listed("sync/parked", limit=1000) == []
    for entity, document in circle:
        assert ok(fresh.api.get(entity, document["externalId"]))["active"]
