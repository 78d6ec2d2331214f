"""`ETag`, `If-Match` and `If-None-Match`: nothing is written over what the sender has not seen."""

import pytest
from support import ENTITIES, ok, parent, problem, student, unique
from test_concurrency import at_once

QUOTED = '"{}"'.format


def if_match(*tags):
    return {"If-Match": ", ".join(tags)}


def if_none_match(*tags):
    return {"If-None-Match": ", ".join(tags)}


def assert_failed(response, version=None):
    body = problem(response, 412)
    assert body["type"].endswith(":precondition-failed")
    if version:
        assert body["version"] == version
        assert response.headers["ETag"].startswith(f'"{version}')
    return body


@pytest.fixture
def held(api):
    """A document at version 2."""
    document = parent()
    ok(api.post("parents", document), 201)
    document["name"] = "Asha K Rao"
    ok(api.post("parents", document))
    return document


# If-Match


@pytest.mark.parametrize("tags", [['"2"'], ["*"], ['"1"', '"2"'], ['"x"', 'W/"2"', '"2"']])
def test_version_that_is_held_may_be_changed(api, held, tags):
    changed = api.post("parents", {**held, "name": "Changed"}, headers=if_match(*tags))

    assert ok(changed)["version"] == 3
    assert changed.headers["ETag"] == '"3"'


@pytest.mark.parametrize("tags", [['"1"'], ['"3"'], ['W/"2"'], ['"1"', '"3"'], [""], ['""'], ['"2 "']])
def test_version_that_has_moved_may_not(api, held, tags):
    body = assert_failed(api.post("parents", {**held, "name": "Changed"}, headers=if_match(*tags)), 2)

    assert body["externalId"] == held["externalId"]
    assert api.read("parents", held["externalId"])["name"] == held["name"]


def test_unchanged_document_is_held_against_its_version_too(api, held):
    assert_failed(api.post("parents", held, headers=if_match('"1"')), 2)
    assert ok(api.post("parents", held, headers=if_match('"2"')))["status"] == "unchanged"


@pytest.mark.parametrize("tag", ['"1"', "*"])
def test_unknown_document_matches_nothing(api, nothing_written, tag):
    document = parent()
    assert_failed(api.post("parents", document, headers=if_match(tag)))
    problem(api.delete("parents", document["externalId"], headers=if_match(tag)), 404)


def test_document_that_is_invalid_is_told_so(api):
    problem(api.post("parents", {"name": "Nobody"}, headers=if_match('"1"')), 422)


def test_delete_of_a_version(api, held):
    assert_failed(api.delete("parents", held["externalId"], headers=if_match('"1"')), 2)
    assert ok(api.get("parents", held["externalId"]))["active"] is True
    assert ok(api.delete("parents", held["externalId"], headers=if_match('"2"')))["version"] == 3
    # Archived, and there all the same.
    assert_failed(api.delete("parents", held["externalId"], headers=if_match('"2"')), 3)
    assert ok(api.delete("parents", held["externalId"], headers=if_match('"3"')))["status"] == "unchanged"


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("parents", [parent()]),
        ("parents", []),
        ("sync", {"parents": [parent()]}),
        ("teacher/status", {"externalId": "x", "version": 1, "status": "success"}),
    ],
)
def test_conditions_are_for_one_document(api, nothing_written, header, path, body):
    answer = problem(api.post(path, body, headers={header: '"1"'}), 400)

    assert header in answer["detail"]


def test_conditions_are_not_kept_under_a_key(api, held):
    """The same document under the same key, with the version that it has by now, goes through."""
    changed, key = {**held, "name": "Changed"}, {"Idempotency-Key": unique("KEY")}
    assert_failed(api.post("parents", changed, headers={**key, **if_match('"1"')}), 2)
    first = api.post("parents", changed, headers={**key, **if_match('"2"')})
    again = api.post("parents", changed, headers={**key, **if_match('"2"')})

    assert ok(first)["version"] == 3
    assert (again.status_code, again.content) == (200, first.content)


def test_condition_that_fails_is_logged_and_alarms_nobody(admin, fresh):
    document = parent()
    ok(fresh.api.post("parents", document), 201)
    for headers in (if_match('"7"'), {**if_match('"7"'), "Idempotency-Key": "k"}):
        response = fresh.api.post("parents", document, headers=headers)
        assert_failed(response, 1)
        assert admin.log_of(response, "http_status")["http_status"] == 412
    assert not admin.read("school.sync.incident", [("source_id", "=", fresh.id)], ["code"])


# If-None-Match on POST


@pytest.mark.parametrize("entity", ENTITIES)
def test_create_only(api, entity):
    document = parent() if entity == "parents" else student()
    created = api.post(entity, document, headers=if_none_match("*"))
    assert ok(created, 201)["status"] == "created"
    assert_failed(api.post(entity, document, headers=if_none_match("*")), 1)
    ok(api.delete(entity, document["externalId"]))
    assert_failed(api.post(entity, document, headers=if_none_match("*")), 2)


# At once


def test_one_of_many_changes_of_the_same_version_wins(api, held):
    responses = at_once(
        [lambda n=n: api.post("parents", {**held, "name": f"Of {n}"}, headers=if_match('"2"')) for n in range(12)]
    )
    statuses = sorted(response.status_code for response in responses)

    assert statuses == [200] + [412] * 11
    (winner,) = [n for n, response in enumerate(responses) if response.status_code == 200]
    read = ok(api.get("parents", held["externalId"]))
    assert (read["name"], read["version"]) == (f"Of {winner}", 3)


def test_one_of_many_creations_wins(api):
    document = parent()
    responses = at_once(
        [
            lambda n=n: api.post("parents", {**document, "name": f"Of {n}"}, headers=if_none_match("*"))
            for n in range(12)
        ]
    )

    assert sorted(response.status_code for response in responses) == [201] + [412] * 11
    assert ok(api.get("parents", document["externalId"]))["version"] == 1


def test_change_and_delete_of_one_version_at_once(api, held):
    responses = at_once(
        [
            lambda: api.post("parents", {**held, "name": "Changed"}, headers=if_match('"2"')),
            lambda: api.delete("parents", held["externalId"], headers=if_match('"2"')),
        ]
        * 3
    )

    assert sorted(response.status_code for response in responses) == [200] + [412] * 5
    assert ok(api.get("parents", held["externalId"]))["version"] == 3


# GET


@pytest.mark.parametrize("tag", ['"2"', 'W/"2"', '"1", "2"', "*"])
def test_document_that_is_held_is_not_sent_again(api, held, tag):
    response = api.get("parents", held["externalId"], headers={"If-None-Match": tag})

    assert response.status_code == 304
    assert not response.content
    assert response.headers["ETag"] == '"2"'


@pytest.mark.parametrize("tag", ['"1"', '"3"', '"x"'])
def test_document_that_has_changed_is_sent(api, held, tag):
    response = api.get("parents", held["externalId"], headers={"If-None-Match": tag})

    assert ok(response)["version"] == 2
    assert response.headers["ETag"] == '"2"'


@pytest.mark.parametrize("entity", ENTITIES)
def test_what_people_change_in_odoo_is_not_taken_for_what_is_held(api, admin, entity):
    """No version counts what is done in Odoo; the tag tells it all the same."""
    document = parent() if entity == "parents" else student()
    answer = ok(api.post(entity, document), 201)
    partner_id = admin.read_one(answer["model"], answer["id"], "partner_id")["partner_id"][0]
    admin.write("res.partner", partner_id, name="Changed in Odoo")
    read = api.get(entity, document["externalId"], headers={"If-None-Match": '"1"'})

    assert ok(read)["version"] == 1
    tag = read.headers["ETag"]
    assert tag != '"1"'
    assert api.get(entity, document["externalId"], headers={"If-None-Match": tag}).status_code == 304
    admin.write("res.partner", partner_id, name="Changed Again")
    assert ok(api.get(entity, document["externalId"], headers={"If-None-Match": tag}))
    # Who has seen the first change only may not write over the second.
    assert_failed(api.post(entity, {**document, "updatedAt": None}, headers=if_match(tag)), 1)
    tag = api.get(entity, document["externalId"]).headers["ETag"]
    ok(api.post(entity, document, headers=if_match(tag)))


def test_record_that_people_archive_is_told(api, admin, held):
    record = ok(api.get("parents", held["externalId"]))
    admin.call(record["model"], "action_archive", [record["id"]])
    response = api.get("parents", held["externalId"], headers={"If-None-Match": '"2"'})

    assert ok(response)["active"] is False
    assert response.headers["ETag"].startswith('"2-')


def test_head_has_the_tag_and_honours_it(api, held):
    path = f"/api/parents/{held['externalId']}"
    assert api.request("HEAD", path).headers["ETag"] == '"2"'
    assert api.request("HEAD", path, headers={"If-None-Match": '"2"'}).status_code == 304
