"""The same record changed in Odoo and by the source: nothing is lost, and somebody wins."""

from datetime import timedelta, timezone

import pytest
from support import ok, parent, pointers, problem, student
from test_concurrency import at_once, statuses


@pytest.fixture
def asking(admin):
    """A source that asks where both sides have changed the same."""
    return admin.new_source(conflict_policy="ask")


@pytest.fixture
def changed(asking, admin):
    """A parent whose phone somebody has changed in Odoo."""
    document = parent(phone="+91 1000000000")
    record_id = ok(asking.api.post("parents", document), 201)["id"]
    admin.write("school.parent", record_id, phone="+91 1111111111")
    return document


def open_conflicts(admin, source):
    return admin.read("school.sync.conflict", [("source_id", "=", source.id), ("state", "=", "open")], ["summary"])


def test_ask_answers_409_with_the_field_and_changes_nothing(asking, admin, changed):
    body = problem(asking.api.post("parents", {**changed, "phone": "+91 2222222222", "name": "New"}), 409)

    assert pointers(body) == {"/phone": "conflict"}
    assert "+91 1111111111" not in str(body)
    held = asking.api.read("parents", changed["externalId"])
    assert (held["phone"], held["name"]) == ("+91 1111111111", changed["name"])
    assert [conflict["summary"] for conflict in open_conflicts(admin, asking)] == ["phone"]


def test_in_a_batch_the_others_go_on(asking, admin, changed):
    other = parent()
    body = ok(asking.api.post("parents", [{**changed, "phone": "+91 2222222222"}, other]), 207)

    assert [item["status"] for item in body["items"]] == ["conflict", "created"]
    assert body["summary"]["conflict"] == 1
    assert pointers(body["items"][0]) == {"/0/phone": "conflict"}


def test_a_manager_decides_and_the_source_sees_it(asking, admin, changed):
    document = {**changed, "phone": "+91 2222222222", "name": "New"}
    problem(asking.api.post("parents", document), 409)
    manager = admin.new_user("group_sync_manager", "base.group_user")
    (conflict,) = open_conflicts(manager, asking)
    manager.call("school.sync.conflict", "action_keep_all", [conflict["id"]])

    assert open_conflicts(admin, asking) == []
    held = ok(asking.api.get("parents", document["externalId"]))
    assert (held["phone"], held["name"], held["version"]) == ("+91 1111111111", "New", 2)
    assert ok(asking.api.post("parents", document))["status"] == "unchanged"


def test_by_default_the_source_wins_and_says_so(api, admin):
    document = parent(phone="+91 1000000000")
    record_id = ok(api.post("parents", document), 201)["id"]
    admin.write("school.parent", record_id, phone="+91 1111111111")
    body = ok(api.post("parents", {**document, "phone": "+91 2222222222"}))

    assert (body["status"], "/phone was changed in Odoo as well" in body["warnings"][0]) == ("updated", True)
    assert api.read("parents", document["externalId"])["phone"] == "+91 2222222222"
    (conflict,) = admin.read("school.sync.conflict", [("external_id", "=", document["externalId"])], ["line_ids"])
    admin.call("school.sync.conflict.line", "action_restore", conflict["line_ids"])
    assert api.read("parents", document["externalId"])["phone"] == "+91 1111111111"


def test_different_fields_are_both_kept(api, admin):
    document = parent(phone="+91 1000000000")
    record_id = ok(api.post("parents", document), 201)["id"]
    admin.write("school.parent", record_id, function="Pilot")
    body = ok(api.post("parents", {**document, "phone": "+91 2222222222"}))

    assert "warnings" not in body
    held = api.read("parents", document["externalId"])
    assert (held["phone"], held["occupation"]) == ("+91 2222222222", "Pilot")


@pytest.mark.parametrize("batch", [False, True])
def test_the_same_conflict_many_times_at_once_is_one(asking, admin, changed, batch):
    def send(n):
        document = {**changed, "phone": f"+91 222222222{n}"}
        if batch:
            return asking.api.post("parents", [document], atomic="true")
        return asking.api.post("parents", document)

    responses = at_once([lambda n=n: send(n) for n in range(8)])

    assert statuses(responses) == [422 if batch else 409]
    assert len(open_conflicts(admin, asking)) == 1


def test_two_who_decide_and_a_document_at_the_same_moment(asking, admin, changed):
    problem(asking.api.post("parents", {**changed, "phone": "+91 2222222222"}), 409)
    (conflict,) = open_conflicts(admin, asking)
    managers = [admin.new_user("group_sync_manager", "base.group_user") for _ in range(2)]
    tasks = [
        lambda manager=manager, action=action: manager.call("school.sync.conflict", action, [conflict["id"]])
        for manager, action in zip(managers, ("action_keep_all", "action_take_all"), strict=True)
    ]
    named = {"externalId": changed["externalId"], "name": "New"}
    *_answers, response = at_once([*tasks, lambda: asking.api.post("parents", named)])

    assert response.status_code == 200
    held = asking.api.read("parents", changed["externalId"])
    assert held["phone"] in ("+91 1111111111", "+91 2222222222") and held["name"] == "New"
    assert open_conflicts(admin, asking) == []


def stamp(moment):
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("waited", [False, True], ids=["sent late", "applied late"])
def test_newest_is_measured_against_what_people_changed(admin, tables, waited):
    """What arrived in between, late as itself, has written the record too; nobody in Odoo did."""
    api = admin.new_source(conflict_policy="newest").api
    document = parent(phone="+91 1000000000")
    record_id = ok(api.post("parents", document), 201)["id"]
    admin.write("school.parent", record_id, phone="+91 1111111111")
    (edited,) = tables.one(
        "SELECT ARRAY[greatest(r.write_date, c.write_date)] FROM school_parent r "
        "JOIN res_partner c ON c.id = r.partner_id WHERE r.id = %s",
        record_id,
    )
    edited = edited.replace(tzinfo=timezone.utc)
    pupil = student()
    earlier = {**document, "phone": "+91 3333333333", "updatedAt": stamp(edited - timedelta(microseconds=1))}
    later = {**document, "phone": "+91 2222222222", "updatedAt": stamp(edited + timedelta(microseconds=2))}
    if waited:
        ok(api.post("parents", {**later, "students": [pupil["externalId"]]}), 202)
        ok(api.post("students", pupil), 201)
    else:
        name = {**document, "name": "Asha Rao-Iyer", "updatedAt": stamp(edited + timedelta(microseconds=1))}
        del name["phone"]
        ok(api.post("parents", name))
        ok(api.post("parents", later))

    assert api.read("parents", document["externalId"])["phone"] == "+91 2222222222"
    assert ok(api.post("parents", earlier), 409)["type"].endswith("stale")


def test_newest_without_a_time_is_as_new_as_its_arrival(admin):
    """What has waited arrived when it was sent, not when it could be applied."""
    api = admin.new_source(conflict_policy="newest").api
    document, pupil = parent(phone="+91 1000000000"), student()
    record_id = ok(api.post("parents", document), 201)["id"]
    ok(api.post("parents", {**document, "phone": "+91 2222222222", "students": [pupil["externalId"]]}), 202)
    admin.write("school.parent", record_id, phone="+91 1111111111")
    ok(api.post("students", pupil), 201)

    assert api.read("parents", document["externalId"])["phone"] == "+91 1111111111"
