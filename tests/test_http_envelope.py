"""The HTTP side: status codes, headers, routes and options. (`Api` checks the envelope of every answer.)"""

import json

import pytest
from support import ENTITIES, ok, parent, pointers, problem, student, unique


def test_health_needs_no_key(nobody):
    body = ok(nobody.request("GET", "/api/health"))

    assert body["status"] == "ok"
    assert body["version"].startswith("19.0.")


# Status codes of one document


def test_created_then_unchanged_then_updated(api):
    document = parent()
    created = api.post("parents", document)
    unchanged = api.post("parents", document)
    updated = api.post("parents", {**document, "name": "Asha K Rao"})

    assert [r.status_code for r in (created, unchanged, updated)] == [201, 200, 200]
    assert [r.json()["status"] for r in (created, unchanged, updated)] == ["created", "unchanged", "updated"]
    assert [r.json()["version"] for r in (created, unchanged, updated)] == [1, 1, 2]
    assert [r.headers["ETag"] for r in (created, unchanged, updated)] == ['"1"', '"1"', '"2"']
    assert api.get("parents", document["externalId"]).headers["ETag"] == '"2"'


def test_invalid_document_is_422_with_its_id(api):
    body = problem(api.post("parents", parent(externalId="PAR-bad", name=5)), 422)

    assert pointers(body) == {"/name": "wrong_type"}
    assert body["externalId"] == "PAR-bad"


def test_stale_document_is_409(api):
    document = parent(updatedAt="2025-02-01T00:00:00Z")
    ok(api.post("parents", document), 201)
    body = problem(api.post("parents", {**document, "updatedAt": "2025-01-01T00:00:00Z"}), 409)

    assert pointers(body) == {"/updatedAt": "stale"}


# Status codes of arrays


def test_array_of_good_documents_is_200(api):
    assert ok(api.post("parents", [parent(), parent()]))["summary"]["created"] == 2


def test_array_of_good_and_bad_documents_is_207(api):
    body = ok(api.post("parents", [parent(), parent(name=None)]), 207)

    assert [item["status"] for item in body["items"]] == ["created", "failed"]


def test_array_of_bad_documents_is_422_and_a_problem(api):
    body = problem(api.post("parents", [parent(name=None), parent(name="")]), 422)

    assert pointers(body) == {"/0/name": "wrong_type", "/1/name": "required"}
    assert body["summary"]["failed"] == 2
    assert [item["status"] for item in body["items"]] == ["failed", "failed"]


def test_array_of_one_answers_as_an_array(api):
    assert ok(api.post("parents", [parent()]))["summary"]["received"] == 1


# Location


@pytest.mark.parametrize(
    "odd",
    [
        "with space",
        "a/b/c",
        "a//b",
        "/leading",
        "trailing/",
        "ünï-चित्र-学生-🎓",
        "100%",
        "%2F",
        "a%20b",
        "q?x=1&y=2#f",
        "a+b",
        "semi;colon",
        "quote\"'<>",
        "back\\slash",
        "dot.json",
        "re\u0301sume\u0301",
        "{curly}",
    ],
)
def test_location_leads_to_the_document(api, odd):
    """Whatever a source uses as an id, the address that it was given can be opened, and names just that document."""
    # In the middle for the ones whose place matters not; where it does, the unique part stands at the other end.
    external_id = f"{odd}{unique()}" if not odd.endswith("/") else f"{unique()}{odd}"
    document = parent(externalId=external_id)
    location = api.post("parents", document).headers["Location"]
    read = ok(api.request("GET", location))

    assert location.isascii()
    assert read["externalId"] == external_id
    assert ok(api.request("DELETE", location))["status"] == "archived"


@pytest.mark.parametrize("entity", ENTITIES)
def test_odd_ids_that_are_not_known_are_404(api, entity):
    for odd in ("%00", "a%00b", "%ff%fe", "a%0Ab", "a%0D%0Ab", "..%2f..%2fetc", "x" * 5000, "%F0%9F%8E%93"):
        problem(api.request("GET", f"/api/{entity}/{odd}"), 404)
        problem(api.request("DELETE", f"/api/{entity}/{odd}"), 404)


@pytest.mark.parametrize("odd", ["a\nb", "a\r\nb", ".", ".."])
def test_ids_that_no_address_can_hold_are_refused(api, odd):
    """A line break or a dot segment in a path is not delivered as sent: such a document could never be asked for."""
    body = problem(api.post("parents", parent(externalId=odd)), 422)

    assert list(pointers(body)) == ["/externalId"]


# Other routes and methods


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/nothing/1", "/api/Students", "/api/%00"])
def test_unknown_paths_are_404_and_name_what_there_is(api, path):
    assert "students" in problem(api.request("GET", path), 404)["detail"]
    problem(api.send(path.removeprefix("/api").strip("/") or "nothing", b"{}"), 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_methods_that_a_collection_does_not_have(api, method):
    response = api.request(method, "/api/students")

    problem(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, POST, OPTIONS"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_methods_that_a_document_does_not_have(api, method):
    response = api.request(method, f"/api/students/{unique()}", json={})

    problem(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, DELETE, OPTIONS"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_methods_that_health_does_not_have(api, method):
    response = api.request(method, "/api/health", json={})

    problem(response, 405)
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/students", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/api/students/anything", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/api/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_options_name_the_methods(nobody, path, methods):
    response = nobody.request("OPTIONS", path, envelope=False)

    assert response.status_code == 204
    assert {method.strip() for method in response.headers["Allow"].split(",")} == methods
    assert "Set-Cookie" not in response.headers


def test_head_is_get_without_a_body(api):
    document = student()
    ok(api.post("students", document), 201)
    for path in ("/api/health", "/api/students", f"/api/students/{document['externalId']}"):
        head, got = api.request("HEAD", path), api.request("GET", path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert head.headers["ETag"] == '"1"'
    assert api.request("HEAD", f"/api/students/{unique()}").status_code == 404


def test_redirects_are_not_needed_for_a_trailing_slash(api):
    ok(api.request("GET", "/api/students/"))
    ok(api.request("POST", "/api/students/", json=student()), 201)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ";;;", "text/json"],
)
def test_other_content_types_are_415(api, content_type):
    response = api.send("students", json.dumps(student()).encode(), content_type=content_type)

    assert "application/json" in problem(response, 415)["detail"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
def test_content_types_that_are_json(api, content_type):
    ok(api.send("students", json.dumps(student()).encode(), content_type=content_type), 201)


# Headers


def test_key_in_either_header(api, nobody):
    for headers in (
        {"Authorization": f"Bearer {api.key}"},
        {"Authorization": f"bearer   {api.key}"},
        {"X-API-Key": api.key},
        {"Authorization": "Basic YWRtaW46YWRtaW4=", "X-API-Key": api.key},
    ):
        ok(nobody.request("GET", "/api/students", headers=headers))


def test_each_answer_has_a_request_id_of_its_own(api):
    answers = [api.get("students"), api.get("students"), api.get("students", unique()), api.post("students", 5)]

    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 4


def test_answers_are_utf8_and_are_read_as_json_only(api):
    document = student(fullName="Zoë Łukasz चित्र")
    ok(api.post("students", document), 201)
    response = api.get("students", document["externalId"])

    assert "Zoë Łukasz चित्र".encode() in response.content
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_bad_key_says_how_to_send_one(nobody):
    response = nobody.get("students")

    assert "Bearer" in problem(response, 401)["detail"]
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize(
    "external_id",
    [5, 1.5, True, None, [], ["A"], {}, {"A": 1}, "", "a\0b", "\0"],
    ids=lambda value: repr(value)[:20],
)
def test_condition_on_a_document_whose_id_is_none(api, nothing_written, header, external_id):
    """The document is refused for its externalId, whatever is to be compared with it."""
    for tag in ('"1"', "*"):
        body = problem(api.post("parents", parent(externalId=external_id), headers={header: tag}), 422)
        assert list(pointers(body)) == ["/externalId"]


def test_database_that_is_not_served_is_named(api, database):
    """To send it again, as where the database is away, would be of no use."""
    for headers in ({"X-Odoo-Database": "nope"}, {"X-Odoo-Database": "n\xf6pe" * 100}):
        body = problem(api.get("parents", headers=headers), 404)
        assert body["type"].endswith(":unknown-database")
        assert headers["X-Odoo-Database"][:4] in body["detail"]
    ok(api.get("parents", headers={"X-Odoo-Database": database}))


def test_failure_is_logged_when_its_own_locks_are_released(admin, api, tables):
    """A trigger on the log locks the record, which the request that failed had locked before."""
    document = parent()
    ok(api.post("parents", document), 201)
    child = student(parents=[{"externalId": document["externalId"], "pays": True}])
    ok(api.post("students", child), 201)
    billing = {
        "externalId": unique("BIL"),
        "studentExternalId": child["externalId"],
        "status": "paid",
        "issueDate": "2025-06-01",
        "dueDate": "2025-06-30",
        "currency": "USD",
        "lines": [{"code": "FEE", "label": "School Fee", "amount": 100}],
        "total": 100,
    }
    ok(api.post("billings", billing), 201)
    tables.rows(
        """
        CREATE FUNCTION look_at_record() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
            BEGIN
                PERFORM 1 FROM school_sync_binding WHERE external_id = TG_ARGV[0] FOR UPDATE;
                RETURN NEW;
            END $$
        """
    )
    try:
        tables.rows(
            "CREATE TRIGGER look_at_record BEFORE INSERT ON school_sync_log FOR EACH ROW EXECUTE FUNCTION "
            "look_at_record(%s)",
            billing["externalId"],
        )
        refused = api.delete("billings", billing["externalId"])
    finally:
        tables.rows("DROP FUNCTION look_at_record CASCADE")

    problem(refused, 409)
    assert admin.log_of(refused, "http_status")["http_status"] == 409


# Options


@pytest.mark.parametrize(
    "query",
    [
        "atomc=true",
        "atomic=yes",
        "atomic=TRUE",
        "atomic=",
        "atomic=1",
        "limit=5",
        "Atomic=true",
        "atomic=true&atomic=false",
        "%00=1",
        "atomic=%00",
        "%ff=%ff",
        "x" * 3000 + "=1",
    ],
)
def test_misspelt_options_of_post_change_nothing(api, nothing_written, query):
    body = problem(api.send(f"students?{query}", json.dumps(student()).encode()), 400)

    assert len(body["errors"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=ten",
        "limit=1.5",
        "limit=",
        "limit=99999999999999999999",
        "limit=%D9%A3",
        "limit=+5",
        "active=maybe",
        "active=",
        "updatedSince=yesterday",
        "updatedSince=2025-01-01T00:00:00",
        "updatedSince=",
        "updatedSince=%00",
        "updatedSince=0001-01-01T00:00:00%2B14:00",
        "updatedSince=9999-12-31T23:59:59-14:00",
        "page=2",
        "limit=5&limit=6",
    ],
)
def test_misspelt_options_of_get_are_named(api, query):
    (error,) = problem(api.request("GET", f"/api/students?{query}"), 400)["errors"]

    assert query.split("=")[0] in error["detail"]


def test_all_misspelt_options_are_named_at_once(api):
    body = problem(api.get("students", limit="0", active="maybe", pge="2", updatedSince="now"), 400)

    assert set(pointers(body)) == {"?limit", "?active", "?pge", "?updatedSince"}


def test_documents_take_no_options(api):
    document = student()
    ok(api.post("students", document), 201)

    problem(api.get("students", document["externalId"], fields="dob"), 400)
    problem(api.request("DELETE", f"/api/students/{document['externalId']}?hard=true"), 400)
    assert ok(api.get("students", document["externalId"]))["active"] is True
