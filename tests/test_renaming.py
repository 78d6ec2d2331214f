"""``previousExternalIds``: an id has changed at the source, or two records were merged there."""

import itertools

import pytest
from support import ok, parent, pointers, problem, student, unique, without


@pytest.fixture
def api(fresh):
    return fresh.api


def renamed(document, *former, **changes):
    """``document`` under a new id, which replaces its own and those of ``former``."""
    previous = [document["externalId"], *(one["externalId"] for one in former)]
    return {**document, "externalId": unique("NEW"), "previousExternalIds": previous, **changes}


@pytest.mark.parametrize("entity", ["parents", "students"])
def test_the_record_of_the_old_id_is_that_of_the_new_one(api, entity):
    old = parent() if entity == "parents" else student()
    there = ok(api.post(entity, old), 201)
    new = renamed(old)
    answer = ok(api.post(entity, new))

    assert (answer["id"], answer["status"], answer["version"]) == (there["id"], "updated", 2)
    assert ok(api.post(entity, new))["status"] == "unchanged"
    assert api.listed(entity, active="all").count(new["externalId"]) == 1
    assert old["externalId"] not in api.listed(entity, active="all")
    assert ok(api.get(entity, old["externalId"]))["externalId"] == new["externalId"]
    given_back = without(ok(api.get(entity, new["externalId"])), "id", "model", "version", "active")
    assert given_back["previousExternalIds"] == [old["externalId"]]
    assert ok(api.post(entity, given_back))["status"] == "unchanged"


def test_a_late_document_of_the_old_id_changes_nothing(api, admin, fresh):
    old = parent()
    ok(api.post("parents", old), 201)
    new = renamed(old, name="Asha Iyer")
    ok(api.post("parents", new))
    body = problem(api.post("parents", {**old, "phone": "+1 650 555 0111"}), 409)

    assert pointers(body) == {"/externalId": "replaced"} and new["externalId"] in body["detail"]
    assert api.read("parents", new["externalId"])["name"] == "Asha Iyer"
    body = ok(api.post("parents", [old, {**new, "occupation": "Pilot"}]), 207)
    assert [item["status"] for item in body["items"]] == ["stale", "updated"]


def test_other_documents_may_use_either_id(api, admin):
    old = parent()
    ok(api.post("parents", old), 201)
    child = student(parents=[{"externalId": old["externalId"], "pickup": True}])
    ok(api.post("students", child), 201)
    new = renamed(old)
    ok(api.post("parents", new))

    assert api.read("students", child["externalId"])["parents"][0]["externalId"] == new["externalId"]
    for name in (old["externalId"], new["externalId"]) * 2:
        document = {**child, "parents": [{"externalId": name, "pickup": True}]}
        assert ok(api.post("students", document))["status"] == "unchanged"
    other = student(parents=[old["externalId"]])
    ok(api.post("students", other), 201)
    assert api.read("students", other["externalId"])["parents"][0]["externalId"] == new["externalId"]
    ok(api.post("students", {**child, "parents": [{"externalId": old["externalId"], "pickup": False}]}))
    assert not api.read("students", child["externalId"])["parents"][0].get("pickup")


def test_documents_of_a_student_follow(api):
    old = student()
    ok(api.post("students", old), 201)
    application = {"externalId": unique("APP"), "status": "approved", "studentExternalId": old["externalId"]}
    ok(api.post("applications", application), 201)
    new = renamed(old)
    ok(api.post("students", new))
    assert api.read("applications", application["externalId"])["studentExternalId"] == new["externalId"]
    for name in (old["externalId"], new["externalId"]):
        assert ok(api.post("applications", {**application, "studentExternalId": name}))["status"] == "unchanged"


def test_two_records_are_merged(api, admin):
    first, second = parent(occupation="Pilot"), parent(phone="+1 650 555 0111")
    ids = [ok(api.post("parents", document), 201)["id"] for document in (first, second)]
    children = [student(parents=[{"externalId": one["externalId"], "pays": True}]) for one in (first, second)]
    ok(api.post("students", children))
    kept = {**first, "previousExternalIds": [second["externalId"]]}
    answer = ok(api.post("parents", kept))

    assert answer["id"] == ids[0]
    assert not admin.read("school.parent", [("id", "=", ids[1]), ("active", "in", [True, False])], [])
    held = api.read("parents", first["externalId"])
    assert (held["occupation"], held["phone"]) == ("Pilot", "+1 650 555 0111")
    assert {link["externalId"] for link in held["students"]} == {one["externalId"] for one in children}
    assert ok(api.post("parents", kept))["status"] == "unchanged"
    for child in children:
        assert ok(api.post("students", child))["status"] == "unchanged"
    problem(api.post("parents", second), 409)


def test_several_old_ids_become_a_new_one(api):
    family = [parent() for _ in range(3)]
    ok(api.post("parents", family))
    new = renamed(*family)
    answer = ok(api.post("parents", new))
    assert answer["status"] == "updated"
    assert {ok(api.get("parents", one["externalId"]))["id"] for one in (*family, new)} == {answer["id"]}
    assert api.listed("parents", active="all") == [new["externalId"]]


def test_what_cannot_be_merged_is_refused(api, admin, fresh):
    first, second = student(dob="2012-03-15"), student(dob="2015-01-01")
    ok(api.post("students", [first, second]))
    document = {**first, "fullName": "New Name", "previousExternalIds": [second["externalId"]]}
    body = problem(api.post("students", document), 422)

    assert pointers(body) == {"/previousExternalIds": "cannot_be_merged"}
    assert "2012" in body["detail"] and "2015" in body["detail"]
    assert api.read("students", first["externalId"])["fullName"] == first["fullName"]
    assert ok(api.post("students", second))["status"] == "unchanged"
    assert admin.read("school.sync.incident", [("source_id", "=", fresh.id), ("state", "=", "open")], ["code"])


def test_other_records_are_renamed_and_not_merged(api):
    child = student()
    ok(api.post("students", child), 201)
    applications = [
        {"externalId": unique("APP"), "status": "approved", "studentExternalId": child["externalId"]} for _ in range(2)
    ]
    ids = [ok(api.post("applications", one), 201)["id"] for one in applications]
    new = renamed(applications[0])
    assert ok(api.post("applications", new))["id"] == ids[0]
    body = problem(
        api.post("applications", {**new, "previousExternalIds": [one["externalId"] for one in applications]}), 422
    )
    assert pointers(body) == {"/previousExternalIds": "cannot_be_merged"}


def test_chains(api):
    first = parent()
    there = ok(api.post("parents", first), 201)["id"]
    second = renamed(first)
    third = renamed(second, first)
    for document in (second, third):
        assert ok(api.post("parents", document))["id"] == there
    for old in (first, second):
        assert ok(api.get("parents", old["externalId"]))["externalId"] == third["externalId"]
        problem(api.post("parents", old), 409)


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "in a batch"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_chain_in_any_order_is_one_record(api, order, batched):
    first = parent()
    second = renamed(first)
    third = renamed(second, first)
    documents = [(first, second, third)[place] for place in order]
    for request in [documents] if batched else [[document] for document in documents]:
        assert api.post("parents", request).status_code in (200, 207, 422)
    assert api.listed("parents", active="all") == [third["externalId"]]
    assert len({ok(api.get("parents", one["externalId"]))["id"] for one in documents}) == 1
    assert ok(api.post("parents", third))["status"] == "unchanged"


def test_circles_are_refused(api):
    one = parent()
    ok(api.post("parents", one), 201)
    new = renamed(one)
    ok(api.post("parents", new))
    body = problem(api.post("parents", {**one, "previousExternalIds": [new["externalId"]]}), 422)
    assert pointers(body) == {"/previousExternalIds": "id_circle"}

    a, b = parent(), parent()
    a["previousExternalIds"], b["previousExternalIds"] = [b["externalId"]], [a["externalId"]]
    body = problem(api.post("parents", [a, b]), 422)
    assert {error["code"] for error in body["errors"]} == {"id_circle"}


def test_one_old_id_cannot_become_two(api):
    old = parent()
    ok(api.post("parents", old), 201)
    new, another = renamed(old), renamed(old)
    ok(api.post("parents", new))
    body = problem(api.post("parents", another), 422)
    assert pointers(body) == {"/previousExternalIds": "id_replaced"} and new["externalId"] in body["detail"]
    assert ok(api.post("parents", new))["status"] == "unchanged"

    old = parent()
    ok(api.post("parents", old), 201)
    body = ok(api.post("parents", [renamed(old), renamed(old)]), 207)
    assert [item["status"] for item in body["items"]] == ["updated", "failed"]


def test_an_unknown_old_id_is_remembered(api):
    late = parent()
    new = renamed(late)
    ok(api.post("parents", new), 201)
    problem(api.post("parents", late), 409)
    child = student(parents=[late["externalId"]])
    ok(api.post("students", child), 201)
    assert api.read("students", child["externalId"])["parents"] == [{"externalId": new["externalId"]}]


@pytest.mark.parametrize("named", ["old", "new"])
def test_what_waits_for_either_id_is_applied(api, named):
    old = parent()
    new = renamed(old)
    child = student(parents=[{"old": old, "new": new}[named]["externalId"]])
    ok(api.post("students", child), 202)
    ok(api.post("parents", new), 201)
    assert ok(api.get("students", child["externalId"]))["parents"][0]["externalId"] == new["externalId"]


def test_what_waits_for_the_new_id_of_a_known_record_is_applied(api):
    old = parent()
    ok(api.post("parents", old), 201)
    new = renamed(old)
    child = student(parents=[new["externalId"]])
    ok(api.post("students", child), 202)
    ok(api.post("parents", new))
    assert ok(api.get("students", child["externalId"]))["parents"][0]["externalId"] == new["externalId"]


def test_both_wait_for_the_same(api):
    guardian = parent()
    old = student(parents=[guardian["externalId"]], dob="2012-03-15")
    new = without(renamed(old), "dob")
    ok(api.post("students", old), 202)
    ok(api.post("students", new), 202)
    ok(api.post("parents", guardian), 201)
    held = ok(api.get("students", new["externalId"]))
    assert (held["dob"], held["previousExternalIds"]) == ("2012-03-15", [old["externalId"]])
    assert api.listed("students", active="all") == [new["externalId"]]
    assert ok(api.get("sync/parked"))["items"] == []


def test_deleting_an_old_id_archives_nothing(api):
    old = parent()
    ok(api.post("parents", old), 201)
    new = renamed(old)
    ok(api.post("parents", new))
    ok(api.delete("parents", old["externalId"]))
    assert ok(api.get("parents", new["externalId"]))["active"]
    ok(api.delete("parents", new["externalId"]))
    assert not ok(api.get("parents", new["externalId"]))["active"]
    ok(api.post("parents", new))
    assert ok(api.get("parents", old["externalId"]))["active"]


def test_a_deleted_record_comes_back_under_the_new_id(api):
    old = parent()
    there = ok(api.post("parents", old), 201)["id"]
    ok(api.delete("parents", old["externalId"]))
    new = renamed(old)
    assert ok(api.post("parents", new))["id"] == there
    assert ok(api.get("parents", new["externalId"]))["active"]


def test_an_atomic_batch_that_fails_renames_nothing(api):
    old = parent()
    ok(api.post("parents", old), 201)
    new = renamed(old)
    problem(api.post("parents", [new, parent(name="")], atomic="true"), 422)
    assert ok(api.post("parents", old))["status"] == "unchanged"
    problem(api.get("parents", new["externalId"]), 404)


def test_many_new_ids_at_once(api):
    old = [parent(name=f"Guardian {n}") for n in range(200)]
    ok(api.post("parents", old))
    new = [renamed(document) for document in old]
    body = ok(api.post("parents", new))
    assert body["summary"]["updated"] == 200
    assert ok(api.post("parents", new))["summary"]["unchanged"] == 200
    assert sorted(api.listed("parents", active="all")) == sorted(document["externalId"] for document in new)


def test_in_a_bundle(api):
    old = parent()
    child = student(parents=[old["externalId"]])
    ok(api.post("sync", {"parents": [old], "students": [child]}))
    new = renamed(old)
    bundle = {"parents": [new], "students": [{**child, "parents": [new["externalId"]]}]}
    body = ok(api.post("sync", bundle))
    assert (body["parents"]["summary"]["updated"], body["students"]["summary"]["unchanged"]) == (1, 1)
    assert ok(api.post("sync", bundle))["summary"]["unchanged"] == 2


def test_the_same_new_id_at_the_same_moment(api, tables):
    old = parent()
    there = ok(api.post("parents", old), 201)["id"]
    new = renamed(old)
    with tables.hold("SELECT FROM school_sync_binding WHERE external_id = %s FOR UPDATE", old["externalId"]) as blocker:
        with (
            tables.meanwhile(api.post, "parents", new) as first,
            tables.meanwhile(api.post, "parents", new) as second,
            tables.meanwhile(api.post, "parents", {**old, "occupation": "Pilot"}) as late,
        ):
            tables.wait_for_a_lock(2)
            blocker.rollback()
    answers = [first.result(), second.result()]
    assert {ok(answer)["id"] for answer in answers} == {there}
    assert sorted(ok(answer)["status"] for answer in answers) == ["unchanged", "updated"]
    assert late.result().status_code in (200, 409)
    assert api.listed("parents", active="all") == [new["externalId"]]


def test_contact_of_a_colleague_is_kept_when_records_are_merged(api, admin):
    """A guardian who is an employee: the contact that HR keeps is the one that stays."""
    first, second = parent(name="Asha Rao"), parent(name="Asha Rao", phone="+1 650 555 0111")
    ids = [ok(api.post("parents", document), 201)["id"] for document in (first, second)]
    contact = admin.read_one("school.parent", ids[1], "partner_id")["partner_id"][0]
    employee = admin.create("hr.employee", name="Asha Rao", work_contact_id=contact)
    answer = ok(api.post("parents", {**first, "previousExternalIds": [second["externalId"]]}))
    assert admin.read_one("school.parent", answer["id"], "partner_id")["partner_id"][0] == contact
    assert admin.read_one("hr.employee", employee, "work_contact_id")["work_contact_id"][0] == contact
    assert ok(api.get("parents", first["externalId"]))["id"] == answer["id"]
