"""What Odoo remembers of each exchange, and who may read it."""

import json
import threading

import pytest
from support import OdooRefuses, ok, parent, pointers, problem, student, unique

COUNTS = ("received", "created", "updated", "unchanged", "parked", "stale", "conflict", "failed")


def test_batch_is_logged_with_counts_and_lines(api, admin):
    held = parent(updatedAt="2025-02-01T00:00:00Z")
    same = parent()
    ok(api.post("parents", [held, same]))
    new, bad = parent(), parent(name="")
    old = {**held, "name": "Old", "updatedAt": "2025-01-01T00:00:00Z"}
    response = api.post("parents", [same, new, bad, old])

    entry = admin.log_of(response, *COUNTS, "state", "http_status", "method", "path", "entity", "duration", "source_id")
    assert [entry[name] for name in COUNTS] == [4, 1, 0, 1, 0, 1, 0, 1]
    assert (entry["state"], entry["http_status"], entry["method"]) == ("partial", 207, "POST")
    assert (entry["path"], entry["entity"], entry["source_id"][1]) == ("/api/parents", "parents", "PowerSchool")
    assert entry["duration"] >= 0

    created, failed, stale = admin.lines_of(response)
    assert [line["position"] for line in (created, failed, stale)] == [1, 2, 3]
    assert [line["external_id"] for line in (created, failed, stale)] == [d["externalId"] for d in (new, bad, old)]
    assert [line["status"] for line in (created, failed, stale)] == ["created", "failed", "stale"]
    assert (created["res_model"], created["res_id"]) == ("school.parent", response.json()["items"][1]["id"])
    assert "/name" in failed["message"] and "/updatedAt" in stale["message"]
    assert json.loads(failed["document"]) == bad
    assert json.loads(stale["document"]) == old
    assert not created["document"]


def test_request_and_response_are_kept(api, admin):
    document = parent()
    response = api.post("parents", document)
    entry = admin.log_of(response, "request", "response", "state")

    assert entry["state"] == "success"
    assert json.loads(entry["request"]) == document
    assert json.loads(entry["response"]) == response.json()


def test_unchanged_is_counted_and_makes_no_line(api, admin):
    document = parent()
    ok(api.post("parents", document), 201)
    response = api.post("parents", document)

    assert admin.log_of(response, "unchanged")["unchanged"] == 1
    assert admin.lines_of(response) == []


def test_update_says_what_changed(api, admin):
    document = student(religion="Jain", address={"city": "Pune"})
    ok(api.post("students", document), 201)
    (line,) = admin.lines_of(api.post("students", {**document, "religion": "Hindu", "address": {"city": "Mysore"}}))

    assert "religion" in line["message"] and "address.city" in line["message"]
    assert "fullName" not in line["message"]


def test_warnings_are_in_the_line(api, admin):
    (line,) = admin.lines_of(api.post("parents", parent(phone="none", house="Gryffindor")))

    assert "/phone" in line["message"] and "/house" in line["message"]


def test_failed_document_is_kept_whole_however_large(api, admin):
    document = parent(name="", notes=["x" * 1000] * 200)
    response = api.post("parents", document)
    problem(response, 422)

    assert admin.log_of(response, "state")["state"] == "error"
    (line,) = admin.lines_of(response)
    assert json.loads(line["document"]) == document
    assert len(admin.log_of(response, "request")["request"]) < 100_000


def test_failed_document_with_odd_characters_can_be_kept(api, admin):
    document = parent(name="", **{"a\0b": "c\0d", "e": "\u202e\uffff🎓"})
    response = api.post("parents", document)
    problem(response, 422)

    (line,) = admin.lines_of(response)
    assert "🎓" in line["document"]


def test_body_that_is_no_json_is_logged_as_it_came(api, admin):
    response = api.send("parents", b'{"externalId": "\xff\x00 oops')
    problem(response, 400)
    entry = admin.log_of(response, "state", "http_status", "request", "message", "response", *COUNTS)

    assert (entry["state"], entry["http_status"]) == ("error", 400)
    assert entry["request"].startswith('{"externalId": "') and entry["request"].endswith(" oops")
    assert "JSON" in entry["message"]
    assert json.loads(entry["response"])["requestId"] == response.headers["X-Request-Id"]
    assert not any(entry[name] for name in COUNTS)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [(b" " * 9_000_000, {}, 413), (b"{}", {"Content-Type": "text/plain"}, 415), (b"[{},{}]", {}, 422)],
)
def test_every_refusal_is_logged(api, admin, body, headers, status):
    response = api.send("parents", body, headers=headers)
    problem(response, status)

    assert admin.log_of(response, "http_status")["http_status"] == status


def test_refusals_at_once_are_all_logged(fresh, admin):
    """They open the same problem, and PostgreSQL lets one of them; the log of the others is written all the same."""
    barrier, answers = threading.Barrier(6), []

    def send():
        barrier.wait()
        answers.append(fresh.api.send("parents", b"{"))

    threads = [threading.Thread(target=send) for _number in range(barrier.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [problem(answer, 400) and admin.log_of(answer, "http_status")["http_status"] for answer in answers] == [
        400
    ] * 6
    (incident,) = admin.read("school.sync.incident", [("source_id", "=", fresh.id)], ["code", "failure_count"])
    assert (incident["code"], incident["failure_count"]) == ("http_400", 1)


def test_atomic_batch_that_failed_is_logged(api, admin):
    response = api.post("parents", [parent(), parent(name="")], atomic="true")
    problem(response, 422)

    entry = admin.log_of(response, "state", "received", "created", "failed", "path")
    assert (entry["state"], entry["received"], entry["created"], entry["failed"]) == ("error", 2, 0, 1)
    assert entry["path"] == "/api/parents?atomic=true"
    assert [line["status"] for line in admin.lines_of(response)] == ["rolledBack", "failed"]


def test_delete_is_logged(api, admin):
    document = parent()
    created = ok(api.post("parents", document), 201)
    response = api.delete("parents", document["externalId"])

    entry = admin.log_of(response, "method", "path", "state", "entity")
    assert (entry["method"], entry["state"], entry["entity"]) == ("DELETE", "success", "parents")
    assert entry["path"].endswith(document["externalId"])
    (line,) = admin.lines_of(response)
    assert (line["status"], line["res_id"], line["external_id"]) == ("archived", created["id"], document["externalId"])


def test_reading_is_not_logged(api, admin):
    for response in (api.get("parents"), api.get("parents", unique()), api.request("HEAD", "/api/parents")):
        assert admin.log_of(response) is None


def test_unauthenticated_is_not_logged(nobody, admin):
    for key in (None, "wrong"):
        response = nobody.post("parents", parent(), headers={"X-API-Key": key})
        problem(response, 401)
        assert admin.log_of(response) is None


def test_each_request_is_logged_once(api, admin, tables):
    before = tables.one("SELECT count(*) FROM school_sync_log")
    for _ in range(3):
        api.post("parents", [parent(), parent(name=None)])
        api.post("parents", parent(name=None))
        api.send("parents", b"{")

    assert tables.one("SELECT count(*) FROM school_sync_log") == before + 9


def test_key_is_in_no_log_entry(api, admin, tables):
    api.post("parents", parent())
    like = f"%{api.key[:12]}%"

    assert not tables.one("SELECT count(*) FROM school_sync_log l WHERE l::text LIKE %s", like)
    assert not tables.one("SELECT count(*) FROM mail_message m WHERE m.body LIKE %s", like)


# Who may read it

SECRETS = [
    ("school.sync.log", "request"),
    ("school.sync.log", "response"),
    ("school.sync.log.line", "document"),
    ("school.sync.binding", "document"),
    ("school.sync.binding", "document_text"),
    ("school.sync.binding", "digest"),
]


@pytest.fixture(scope="module")
def reader(admin):
    return admin.new_user("group_sync_reader")


@pytest.fixture(scope="module")
def failed(api):
    response = api.post("parents", [parent(), parent(name="")])
    return ok(response, 207)


def test_reader_sees_what_was_synced(reader, failed):
    (entry,) = reader.read("school.sync.log", [], ["state", "failed", "path"], limit=1, order="id desc")
    assert (entry["state"], entry["failed"]) == ("partial", 1)
    assert reader.read("school.sync.log.line", [], ["status", "message"], limit=1)
    assert reader.read("school.sync.binding", [], ["external_id", "res_id"], limit=1)


@pytest.mark.parametrize(("model", "field"), SECRETS)
def test_reader_cannot_read_payloads(reader, failed, model, field):
    (record_id,) = reader.call(model, "search", [], limit=1)
    attempts = [
        ("read", [record_id], [field]),
        ("search_read", [], [field]),
        ("web_read", [record_id], {field: {}}),
        ("search", [(field, "ilike", "a")]),
        ("search_count", [(field, "!=", False)]),
        ("read_group", [], [field], [field]),
        ("formatted_read_group", [], [field]),
        ("web_read_group", [], [field]),
        ("search", [], 0, 1, field),
    ]
    for method, *arguments in attempts:
        with pytest.raises(OdooRefuses):
            reader.call(model, method, *arguments)
    assert field not in reader.call(model, "read", [record_id])[0]
    assert field not in reader.call(model, "fields_get")


def test_reader_cannot_reach_payloads_through_other_models(reader, failed):
    with pytest.raises(OdooRefuses):
        reader.call("school.sync.log", "search", [("line_ids.document", "ilike", "a")])
    with pytest.raises(OdooRefuses):
        reader.call("school.sync.source", "search", [("log_ids.request", "ilike", "a")])
    (log_id,) = reader.call("school.sync.log", "search", [], limit=1)
    with pytest.raises(OdooRefuses):
        reader.call("school.sync.log", "export_data", [log_id], ["line_ids/document"])


@pytest.mark.parametrize(
    "model", ["school.sync.log", "school.sync.log.line", "school.sync.binding", "school.sync.source"]
)
def test_reader_cannot_change_or_delete(reader, failed, model):
    (record_id,) = reader.call(model, "search", [], limit=1)
    for method, *arguments in (("write", [record_id], {"active": False}), ("unlink", [record_id]), ("create", {})):
        with pytest.raises(OdooRefuses):
            reader.call(model, method, *arguments)


def test_nobody_can_change_the_log(admin, failed):
    """Not even an administrator: what was logged is evidence."""
    for model in ("school.sync.log", "school.sync.log.line"):
        (record_id,) = admin.call(model, "search", [], limit=1)
        with pytest.raises(OdooRefuses):
            admin.write(model, record_id, message="nothing happened")


def test_reader_cannot_make_a_key(reader):
    (source_id,) = reader.call("school.sync.source", "search", [], limit=1)

    with pytest.raises(OdooRefuses):
        reader.call("school.sync.source", "action_generate_key", [source_id])


def test_user_without_the_group_sees_nothing(admin):
    user = admin.new_user("base.group_user")

    for model in (
        "school.sync.log",
        "school.sync.log.line",
        "school.sync.binding",
        "school.sync.source",
        "school.student",
    ):
        with pytest.raises(OdooRefuses):
            user.call(model, "search", [])


@pytest.fixture
def untaxed(fresh, admin):
    """The name of a tax that Odoo does not have, and a billing that was refused for it."""
    company = admin.read_one("res.company", fresh.company_id, "chart_template")
    assert company["chart_template"]
    pupil, tax = student(), unique("Tax")
    ok(fresh.api.post("students", pupil), 201)
    billing = {
        "externalId": unique("BIL"),
        "studentExternalId": pupil["externalId"],
        "issueDate": "2025-06-01",
        "dueDate": "2025-06-30",
        "currency": "USD",
        "status": "draft",
        "lines": [{"code": "SCHOOL_FEE", "amount": 300, "taxes": [tax]}],
    }
    response = fresh.api.post("billings", billing)
    assert pointers(problem(response, 422)) == {"/lines/0/taxes/0": "unknown_tax"}
    (line,) = admin.lines_of(response)
    return tax, billing, line["id"]


def test_what_was_refused_is_sent_again_once_it_is_mended(fresh, admin, untaxed):
    tax, billing, line_id = untaxed
    manager = admin.new_user("group_sync_manager", "base.group_user")
    answer = manager.call("school.sync.log.line", "action_send_again", [line_id])
    assert "0 applied, 1 refused again" in answer["params"]["message"]

    admin.create("account.tax", name=tax, amount=10, type_tax_use="sale")
    answer = manager.call("school.sync.log.line", "action_send_again", [line_id])
    assert "1 applied, 0 refused again" in answer["params"]["message"]
    assert fresh.api.read("billings", billing["externalId"])["status"] == "draft"
    (entry,) = admin.read("school.sync.log", [("source_id", "=", fresh.id)], ["path", "created", "entity"], limit=1)
    assert (entry["path"], entry["created"], entry["entity"]) == ("log/send-again", 1, "billings")


def test_what_was_overtaken_is_not_sent_again(fresh, admin, untaxed):
    tax, billing, line_id = untaxed
    admin.create("account.tax", name=tax, amount=10, type_tax_use="sale")
    ok(fresh.api.post("billings", {**billing, "dueDate": "2025-07-15"}), 201)

    with pytest.raises(OdooRefuses):
        admin.call("school.sync.log.line", "action_send_again", [line_id])
    assert fresh.api.read("billings", billing["externalId"])["dueDate"] == "2025-07-15"


def test_only_managers_send_again(admin, untaxed):
    _tax, _billing, line_id = untaxed

    with pytest.raises(OdooRefuses):
        admin.new_user("group_sync_writer", "base.group_user").call(
            "school.sync.log.line", "action_send_again", [line_id]
        )
