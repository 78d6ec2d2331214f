"""`Idempotency-Key`: a request that comes again is answered again, and not done again."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from families import billing
from support import ENTITIES, OdooRefuses, ok, parent, problem, student, unique, without

REPLAYED = "Idempotent-Replayed"


def keyed(key, **headers):
    return {"Idempotency-Key": key, **headers}


def assert_replay(again, first):
    """Byte for byte, and said to be so."""
    assert again.status_code == first.status_code, again.text
    assert again.content == first.content
    assert again.headers[REPLAYED] == "true"
    for name in ("Content-Type", "ETag", "Location", "X-Request-Id"):
        assert again.headers.get(name) == first.headers.get(name), name
    assert REPLAYED not in first.headers


# Same key, same payload


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("names_document", [True, False])
def test_same_request_is_answered_again_byte_for_byte(api, tables, entity, names_document):
    document = parent() if entity == "parents" else student()
    key = document["externalId"] if names_document else unique("KEY")
    first = api.post(entity, document, headers=keyed(key))
    before = tables.counts()
    again = api.post(entity, document, headers=keyed(key))

    assert first.status_code == 201
    assert_replay(again, first)
    assert tables.counts() == before


def test_other_spelling_of_the_same_payload_is_the_same(api):
    document = parent(students=[], externalId=unique("PAR"))
    first = api.post("parents", document, headers=keyed("k1"))
    again = api.send(
        "parents",
        json.dumps(dict(reversed(document.items())), indent=4).encode("utf-8-sig"),
        headers=keyed("k1"),
    )
    assert_replay(again, first)


def test_numbers_are_compared_by_value(fresh):
    """40000 and 40000.00 are one number; 12345678901234567 and …68 are two, although no float tells them apart."""
    sent = b'{"externalId": "%b", "name": "Asha", "nickname": %b}'
    external_id = unique("PAR").encode()

    def send(key, number):
        return fresh.api.send("parents", sent % (external_id, number), headers=keyed(key))

    first = send("n1", b"40000")
    assert_replay(send("n1", b"40000.00"), first)
    send("n2", b"12345678901234567")
    problem(send("n2", b"12345678901234568"), 422)


def test_batch_with_failures_is_answered_again(api):
    good, bad = parent(), parent(name=None)
    first = api.post("parents", [good, bad], headers=keyed("batch"))
    again = api.post("parents", [good, bad], headers=keyed("batch"))

    assert first.status_code == 207
    assert_replay(again, first)


@pytest.mark.parametrize("body", [b"{", b"", b"[1,", b"\xff\xfe", b"5"])
def test_malformed_body_is_answered_again(fresh, body):
    first = fresh.api.send("parents", body, headers=keyed("bad"))
    again = fresh.api.send("parents", body, headers=keyed("bad"))

    problem(first, 400)
    assert_replay(again, first)
    assert again.json()["requestId"] == again.headers["X-Request-Id"]


@pytest.mark.parametrize("names_document", [True, False])
def test_invalid_document_is_answered_again(api, names_document):
    document = parent(name=5)
    key = document["externalId"] if names_document else unique("KEY")
    first = api.post("parents", document, headers=keyed(key))
    again = api.post("parents", document, headers=keyed(key))

    problem(first, 422)
    assert_replay(again, first)


def test_bundle_is_answered_again(api):
    bundle = {"parents": [parent()], "students": [student()]}
    first = api.post("sync", bundle, headers=keyed("bundle"))
    again = api.post("sync", bundle, headers=keyed("bundle"))

    assert first.status_code == 200
    assert_replay(again, first)


def test_delete_is_answered_again(api):
    document = parent()
    ok(api.post("parents", document), 201)
    path = f"/api/parents/{document['externalId']}"
    first = api.request("DELETE", path, headers=keyed("gone"))
    again = api.request("DELETE", path, headers=keyed("gone"))

    assert ok(first)["status"] == "archived"
    assert_replay(again, first)


def test_failure_of_the_whole_request_is_answered_again(api):
    """It is kept and logged in one transaction, in which all that was done is undone."""
    first = api.send("sync", b'{"nothing": []}', headers=keyed("undone"))
    again = api.send("sync", b'{"nothing": []}', headers=keyed("undone"))

    problem(first, 422)
    assert_replay(again, first)


def test_status_of_a_teacher_is_answered_again(admin, fresh):
    employee_id = admin.create("hr.employee", name=unique("Teacher"))
    (employee,) = [item for page in fresh.api.pages("employees") for item in page if item["id"] == employee_id]
    external_id, version = employee["externalId"], employee["version"]
    status = {"externalId": external_id, "version": version, "status": "success", "teacherId": "T1"}
    first = fresh.api.post("teacher/status", status, headers=keyed(external_id))
    again = fresh.api.post("teacher/status", status, headers=keyed(external_id))

    assert first.json()["status"] == "synced", first.text
    assert_replay(again, first)

    # The key is that of the employee: it comes again with each news of it.
    refused = {**without(status, "teacherId"), "status": "error", "message": "No such school"}
    assert fresh.api.post("teacher/status", refused, headers=keyed(external_id)).json()["status"] == "error"
    once_more = fresh.api.post("teacher/status", status, headers=keyed(external_id))
    assert REPLAYED not in once_more.headers
    assert once_more.json()["status"] == "synced"


# Same key, other payload


def test_other_payload_under_the_key_of_the_document_is_an_upsert(api):
    """As the data contract has it: the key of a POST is the externalId, and the record lives on."""
    document = student()
    key = document["externalId"]
    ok(api.post("students", document, headers=keyed(key)), 201)
    changed = api.post("students", {**document, "fullName": "Ravi K Rao"}, headers=keyed(key))

    assert ok(changed)["status"] == "updated"
    assert REPLAYED not in changed.headers
    assert_replay(api.post("students", {**document, "fullName": "Ravi K Rao"}, headers=keyed(key)), changed)
    # And back again: the first payload is not the last one that was answered.
    assert ok(api.post("students", document, headers=keyed(key)))["version"] == 3


def test_other_payload_under_any_other_key_is_refused(api, nothing_written):
    key = unique("KEY")
    ok(api.post("parents", [], headers=keyed(key)))
    body = problem(api.post("parents", parent(), headers=keyed(key)), 422)

    assert body["type"].endswith(":idempotency-key-reused")


def test_other_option_is_another_request(api):
    documents = [parent(), parent(name=None)]
    ok(api.post("parents", documents, headers=keyed("opt")), 207)
    problem(api.post("parents", documents, headers=keyed("opt"), atomic="true"), 422)


def test_key_of_an_invalid_document_serves_for_the_mended_one(api):
    document = student()
    key = keyed(document["externalId"])
    problem(api.post("students", {**document, "dob": "15/03/2010"}, headers=key), 422)

    assert ok(api.post("students", {**document, "dob": "2010-03-15"}, headers=key), 201)["status"] == "created"


# A key that names a record: what was answered must still be true


def test_repeated_document_restores_what_was_deleted_meanwhile(api):
    document = parent()
    key = keyed(document["externalId"])
    ok(api.post("parents", document, headers=key), 201)
    ok(api.delete("parents", document["externalId"]))
    restored = api.post("parents", document, headers=key)

    assert ok(restored)["status"] == "updated"
    assert ok(api.get("parents", document["externalId"]))["active"] is True


def test_repeated_document_wins_over_what_came_without_a_key_meanwhile(api):
    document = parent()
    key = keyed(document["externalId"])
    ok(api.post("parents", document, headers=key), 201)
    ok(api.post("parents", [{**document, "name": "By Batch"}]))
    ok(api.post("parents", document, headers=key))

    assert api.read("parents", document["externalId"])["name"] == document["name"]


def test_delete_under_the_key_of_the_document_is_done_again_after_a_restore(api):
    document = parent()
    path, key = f"/api/parents/{document['externalId']}", keyed(document["externalId"])
    ok(api.post("parents", document), 201)
    for version in (2, 4):
        assert ok(api.request("DELETE", path, headers=key)) | {"status": "archived", "version": version} == ok(
            api.request("DELETE", path, headers=key)
        )
        assert ok(api.get("parents", document["externalId"]))["active"] is False
        ok(api.post("parents", document))


def test_refusal_that_is_mended_in_odoo_is_not_repeated(api, admin):
    """A document that Odoo refuses today and takes tomorrow goes through tomorrow, under the key of its record."""
    child, tax = student(), unique("Tax")
    ok(api.post("students", child), 201)
    lines = [{"code": "BUS", "amount": 50, "taxes": [tax]}]
    document = billing(unique("BIL"), child["externalId"], 60, lines=lines, total=None)
    key = keyed(document["externalId"])
    problem(api.post("billings", document, headers=key), 422)
    admin.create("account.tax", name=tax, amount=10, type_tax_use="sale")
    ok(api.post("billings", document, headers=key), 201)


@pytest.mark.parametrize("names_document", [True, False])
def test_parked_document_is_answered_again_while_it_waits(api, names_document):
    guardian = unique("PAR")
    document = student(parents=[guardian])
    key = keyed(document["externalId"] if names_document else unique("KEY"))
    first = api.post("students", document, headers=key)
    again = api.post("students", document, headers=key)

    assert ok(first, 202)["status"] == "parked"
    assert_replay(again, first)
    ok(api.post("parents", parent(externalId=guardian)), 201)
    healed = api.post("students", document, headers=key)
    if names_document:
        assert (ok(healed)["status"], healed.json()["version"]) == ("unchanged", 1)
    else:
        assert_replay(healed, first)


def test_repeated_document_replaces_what_was_parked_without_a_key_meanwhile(api):
    document = student(parents=[unique("PAR")])
    key = keyed(document["externalId"])
    ok(api.post("students", document, headers=key), 202)
    ok(api.post("students", {**document, "fullName": "Without Key"}), 202)
    response = api.post("students", document, headers=key)

    assert ok(response, 202)["status"] == "parked"
    assert REPLAYED not in response.headers


# Scope


def test_one_key_at_several_addresses_and_sources_is_several_keys(api, admin):
    document = parent()
    key = keyed(document["externalId"])
    first = ok(api.post("parents", document, headers=key), 201)
    elsewhere = admin.new_source().api
    other = elsewhere.post("parents", document, headers=key)

    assert ok(other, 201)["id"] != first["id"]
    assert REPLAYED not in other.headers
    child = {"externalId": document["externalId"], "fullName": "Ravi"}
    assert ok(api.post("students", child, headers=key), 201)["model"] == "school.student"
    deleted = api.request("DELETE", f"/api/parents/{document['externalId']}", headers=key)
    assert ok(deleted)["status"] == "archived"


def test_trailing_slash_is_the_same_address(api):
    document = parent()
    first = api.post("parents", document, headers=keyed("slash"))
    assert_replay(api.post("parents/", document, headers=keyed("slash")), first)


# What is never kept


def test_stale_is_not_kept(api):
    document = parent(updatedAt="2025-02-01T00:00:00Z")
    old = {**document, "updatedAt": "2025-01-01T00:00:00Z"}
    ok(api.post("parents", document), 201)
    for _ in range(2):
        response = api.post("parents", old, headers=keyed("stale"))
        problem(response, 409)
        assert REPLAYED not in response.headers


def test_missing_rights_are_not_kept(admin, fresh):
    document = parent()
    admin.write("res.users", fresh.user_id, group_ids=[(6, 0, [admin.group("group_sync_reader")])])
    problem(fresh.api.post("parents", document, headers=keyed("right")), 403)
    problem(type(fresh.api)(fresh.api.url, "garbage").post("parents", document, headers=keyed("right")), 401)
    admin.write("res.users", fresh.user_id, group_ids=[(6, 0, [admin.group("group_sync_writer")])])

    ok(fresh.api.post("parents", document, headers=keyed("right")), 201)


def test_unknown_record_and_bad_option_are_not_kept(api):
    document = parent()
    path = f"/api/parents/{document['externalId']}"
    problem(api.request("DELETE", path, headers=keyed("late")), 404)
    problem(api.post("parents", document, headers=keyed("late"), atomc="true"), 400)
    ok(api.post("parents", document, headers=keyed("late")), 201)
    ok(api.request("DELETE", path, headers=keyed("late")))


def test_wrong_content_type_is_not_kept(api):
    document = parent()
    problem(api.send("parents", json.dumps(document).encode(), content_type="text/plain", headers=keyed("type")), 415)
    ok(api.post("parents", document, headers=keyed("type")), 201)


# Required, and how it is written


def test_source_that_must_send_keys(admin, tables):
    api = admin.new_source(idempotency_required=True).api
    before = tables.counts()
    body = problem(api.post("parents", parent()), 400)

    assert body["type"].endswith(":idempotency-key-required")
    assert "externalId" in body["detail"]
    for path in ("/api/sync", "/api/teacher/status"):
        problem(api.request("POST", path, json={}), 400)
    assert tables.counts() == before
    ok(api.get("parents"))


def test_source_that_must_send_keys_and_does(admin):
    api = admin.new_source(idempotency_required=True).api
    document = parent()
    ok(api.post("parents", document, headers=keyed(document["externalId"])), 201)
    problem(api.delete("parents", document["externalId"]), 400)
    ok(api.request("DELETE", f"/api/parents/{document['externalId']}", headers=keyed("x")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("abc", '"abc"'),
        ("abc", '"abc" '),
        ("abc", '"abc";v=1'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a, b", '"a, b"'),
        ("ünï-学生".encode(), '"ünï-学生"'.encode()),
        ("x" * 255, '"' + "x" * 255 + '"'),
    ],
)
def test_bare_and_quoted_keys_are_the_same(fresh, one, other):
    document = parent()
    first = fresh.api.post("parents", document, headers=keyed(one))
    assert first.status_code == 201, first.text
    assert_replay(fresh.api.post("parents", document, headers=keyed(other)), first)


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("", "empty"),
        ('""', "empty"),
        ('"abc', "quote"),
        ('"abc" def', "quote"),
        ('"a\\b"', "quote"),
        ('"a", "b"', "quote"),
        ("x" * 256, "255"),
        ('"' + "x" * 256 + '"', "255"),
        (b"\xff\xfe", "UTF-8"),
        ("a\tb", "control"),
    ],
)
def test_bad_keys_are_explained(api, nothing_written, key, word):
    body = problem(api.post("parents", parent(), headers=keyed(key)), 400)

    assert body["type"].endswith(":bad-idempotency-key")
    assert word in body["detail"]


def test_quoted_key_is_compared_with_the_external_id(api):
    document = parent()
    key = keyed(f'"{document["externalId"]}"')
    ok(api.post("parents", document, headers=key), 201)
    assert ok(api.post("parents", {**document, "name": "Asha K Rao"}, headers=key))["status"] == "updated"


# Still at work


def test_request_that_is_still_at_work_is_not_done_twice(api, tables):
    """Many at once: one is at work, the others are told so or given its answer; nobody waits for anybody."""
    document = student(fullName=unique("Only"))
    key = keyed(document["externalId"])
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(lambda _n: api.post("students", document, headers=key), range(16)))

    assert {response.status_code for response in responses} <= {201, 409}
    for response in responses:
        if response.status_code == 409:
            assert response.json()["type"].endswith(":idempotency-key-in-use")
            assert int(response.headers["Retry-After"]) >= 1
    assert len({response.content for response in responses if response.status_code == 201}) == 1
    assert tables.one("SELECT count(*) FROM res_partner WHERE name = %s", document["fullName"]) == 1


def test_holder_that_has_not_committed_is_seen(api, tables):
    """A transaction elsewhere holds what the request needs; it waits, and a second one under its key is told so."""
    document = parent()
    ok(api.post("parents", document), 201)
    changed = {**document, "name": "Changed"}
    key = keyed(unique("KEY"))
    blocker = tables.hold("SELECT 1 FROM school_sync_binding WHERE external_id = %s FOR UPDATE", document["externalId"])
    with ThreadPoolExecutor(1) as pool:
        try:
            waiting = pool.submit(api.post, "parents", changed, headers=key)
            tables.wait_for_a_lock()
            told = api.post("parents", changed, headers=key)
        finally:
            blocker.close()
        first = waiting.result()

    body = problem(told, 409)
    assert body["type"].endswith(":idempotency-key-in-use")
    assert told.headers["Retry-After"] == "1"
    assert ok(first)["status"] == "updated"
    assert_replay(api.post("parents", changed, headers=key), first)


# The log, incidents, expiry, and who sees it


def test_replay_is_an_exchange_of_its_own(api, admin):
    document = parent()
    key = keyed(document["externalId"])
    first = api.post("parents", document, headers=key)
    api.post("parents", document, headers=key)
    (replay,) = admin.read(
        "school.sync.log",
        [("replay_of", "=", first.headers["X-Request-Id"])],
        ["request_id", "state", "http_status", "created", "received", "request", "response", "entity", "line_ids"],
    )

    assert replay["request_id"] != first.headers["X-Request-Id"]
    assert (replay["state"], replay["http_status"], replay["entity"]) == ("success", 201, "parents")
    assert (replay["created"], replay["received"], replay["line_ids"]) == (0, 0, [])
    assert not replay["request"] and not replay["response"]
    assert admin.log_of(first, "created")["created"] == 1


def test_replay_of_a_failure_is_no_new_failure(admin, fresh):
    document = parent(name=5)
    key = keyed(document["externalId"])
    problem(fresh.api.post("parents", document, headers=key), 422)
    (incident,) = admin.read("school.sync.incident", [("source_id", "=", fresh.id)], ["failed_at", "failure_count"])
    ok(fresh.api.post("parents", {**document, "name": "Mended"}), 201)
    # Only the key remembers the failure now, and it is not said again to those who are told of failures.
    fresh.api.post("parents", {**document, "name": 5}, headers=keyed("other"))
    fresh.api.post("parents", {**document, "name": 5}, headers=keyed("other"))
    incidents = admin.read("school.sync.incident", [("source_id", "=", fresh.id)], ["state"])

    assert incident["failure_count"] == 1
    assert sorted(found["state"] for found in incidents) == ["open", "resolved"]


def test_request_that_has_to_wait_is_no_incident(admin, fresh, tables):
    document = parent()
    ok(fresh.api.post("parents", document), 201)
    blocker = tables.hold("SELECT 1 FROM school_sync_binding WHERE external_id = %s FOR UPDATE", document["externalId"])
    with ThreadPoolExecutor(1) as pool:
        try:
            changed = {**document, "name": "Changed"}
            waiting = pool.submit(fresh.api.post, "parents", changed, headers=keyed("wait"))
            tables.wait_for_a_lock()
            problem(fresh.api.post("parents", changed, headers=keyed("wait")), 409)
        finally:
            blocker.close()
        ok(waiting.result())

    assert not admin.read("school.sync.incident", [("source_id", "=", fresh.id)], ["code"])


def test_expired_answer_is_forgotten(admin, fresh, tables):
    document = parent()
    first = fresh.api.post("parents", document, headers=keyed("old"))
    hours = """
        SELECT extract(epoch FROM expires_at - answered_at) / 3600
          FROM school_sync_idempotency_key WHERE key = %s AND source_id = %s
    """
    assert tables.one(hours, "old", fresh.id) == 72
    tables.rows(
        "UPDATE school_sync_idempotency_key SET expires_at = now() AT TIME ZONE 'UTC' WHERE source_id = %s", fresh.id
    )
    again = fresh.api.post("parents", {**document, "name": "Asha K Rao"}, headers=keyed("old"))

    assert first.status_code == 201
    assert ok(again)["status"] == "updated"
    admin.write("school.sync.source", fresh.id, idempotency_hours=5)
    fresh.api.post("parents", [], headers=keyed("new"))
    assert tables.one(hours, "new", fresh.id) == 5


def test_answers_are_for_managers_of_the_school_only(admin, fresh):
    document = parent()
    fresh.api.post("parents", document, headers=keyed(document["externalId"]))
    of_source = [("source_id", "=", fresh.id)]

    for group in ("group_sync_reader", "group_sync_writer"):
        with pytest.raises(OdooRefuses, match="not allowed to access"):
            admin.new_user(group).read("school.sync.idempotency.key", of_source, ["key"])
    manager = admin.new_user("group_sync_manager", "group_sync_sensitive")
    (row,) = manager.read("school.sync.idempotency.key", of_source, ["key", "body"])
    assert row["key"] == document["externalId"]
    assert json.loads(row["body"])["externalId"] == document["externalId"]
    elsewhere = admin.new_source(company_id=admin.new_company())
    elsewhere.api.post("parents", document, headers=keyed(document["externalId"]))
    assert not manager.read("school.sync.idempotency.key", [("source_id", "=", elsewhere.id)], ["key"])
    with pytest.raises(OdooRefuses, match="not allowed to modify"):
        manager.write("school.sync.idempotency.key", row["id"], body="x")
