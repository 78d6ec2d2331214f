"""Employees, over HTTP: fetched in pages, reported as taken over or refused, and never lost on the way."""

import threading
import time

import pytest
from support import OdooRefuses, check_envelope, ok, pointers, problem, unique


class School:
    """A school with a source of its own, so that no other test's employees are in its pages."""

    def __init__(self, admin):
        self.admin = admin
        self.company_id = admin.new_company()
        self.source = admin.new_source(company_id=self.company_id)
        self.api = self.source.api

    def hire(self, **values):
        """:return: the id of a new employee"""
        return self.admin.create("hr.employee", **{"name": unique("Teacher"), "company_id": self.company_id, **values})

    def edit(self, employee_id, **values):
        self.admin.write("hr.employee", employee_id, **values)

    def get(self, **params):
        return self.api.request("GET", "/api/employees", params=params)

    def listed(self, **params):
        return [item for page in self.api.pages("employees", **params) for item in page]

    def pending(self):
        return {item["id"] for item in self.listed()}

    def one(self, employee_id):
        (item,) = [item for item in self.listed(syncState="all") if item["id"] == employee_id]
        return item

    def say(self, body, **options):
        return self.api.request("POST", "/api/teacher/status", json=body, **options)

    def success(self, employee_id, **values):
        item = self.one(employee_id)
        return {"externalId": item["externalId"], "version": item["version"], "status": "success", **values}

    def error(self, employee_id, **values):
        return {**self.success(employee_id), "status": "error", "code": "taken", "message": "E-mail is taken", **values}

    def state(self, employee_id):
        return self.admin.read_one("hr.employee", employee_id, "school_sync_state")["school_sync_state"]


@pytest.fixture(scope="module")
def school(admin):
    return School(admin)


@pytest.fixture
def new_school(admin):
    return School(admin)


# Fetching


def test_what_an_employee_is(school, admin):
    boss = school.hire(name="Meera Iyer")
    employee_id = school.hire(
        name="Asha K Rao", work_email="asha@example.com", parent_id=boss, barcode=unique("B")[:18].replace("-", "")
    )
    item = school.one(employee_id)

    assert (item["name"], item["firstName"], item["middleName"], item["lastName"]) == ("Asha K Rao", "Asha", "K", "Rao")
    assert (item["workEmail"], item["active"], item["deleted"]) == ("asha@example.com", True, False)
    assert (item["version"], item["syncState"], item["teacherId"]) == (1, "pending", None)
    assert item["manager"] == school.one(boss)["externalId"]
    assert ok(school.api.get("employees", item["externalId"])) == item


def test_pages_hold_everybody_once_while_they_are_taken_over_and_edited(new_school):
    ids = [new_school.hire() for _number in range(7)]
    seen = []
    for page in new_school.api.pages("employees", limit=3):
        seen += [item["id"] for item in page]
        ok(new_school.say([{"employeeId": i["id"], "version": i["version"], "status": "success"} for i in page]))
        new_school.edit(ids[0], mobile_phone=unique("+"))

    assert seen == ids
    assert new_school.pending() == {ids[0]}


def test_filters(new_school, admin):
    department = admin.create("hr.department", name=unique("Dept"), company_id=new_school.company_id)
    name = admin.read_one("hr.department", department, "name")["name"]
    here = new_school.hire(department_id=department, job_title="Physics Teacher")
    # Odoo searches times by the second.
    time.sleep(1.1)
    gone = new_school.hire()
    new_school.edit(gone, active=False)

    assert [item["id"] for item in new_school.listed(department=name)] == [here]
    assert [item["id"] for item in new_school.listed(jobTitle="Physics Teacher")] == [here]
    assert [item["id"] for item in new_school.listed(active="false")] == [gone]
    assert [item["id"] for item in new_school.listed(active="true")] == [here]
    assert {item["id"] for item in new_school.listed(syncState="all")} == {here, gone}
    since = new_school.one(gone)["updatedAt"]
    assert [item["id"] for item in new_school.listed(updatedSince=since)] == [gone]
    assert new_school.listed(syncState="synced") == new_school.listed(syncState="error") == []


@pytest.mark.parametrize(
    "query",
    [
        "syncState=",
        "syncState=none",
        "limit=0",
        "limit=1001",
        "active=yes",
        "updatedSince=now",
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "department=",
        "department=%00",
        "jobTitle=",
        "jobTitle=%00",
        "page=2",
    ],
)
def test_misspelt_options(school, query):
    (error,) = problem(school.api.request("GET", f"/api/employees?{query}"), 400)["errors"]

    assert query.split("=")[0] in error["detail"]


def test_odd_ids_are_404(school):
    for odd in ("nobody", "%00", "a/b", "x" * 3000, "..%2f.."):
        problem(school.api.request("GET", f"/api/employees/{odd}"), 404)


@pytest.mark.parametrize("name", ["department", "jobTitle"])
@pytest.mark.parametrize("value", ["%F0%9F%8E%93", "x" * 3000, "%25"])
def test_odd_filters_find_nobody(school, name, value):
    school.hire()

    assert ok(school.api.request("GET", f"/api/employees?{name}={value}"))["items"] == []


def test_what_is_held_already_is_not_sent_again(school):
    employee_id = school.hire()
    path = f"/api/employees/{school.one(employee_id)['externalId']}"
    for url in (path, "/api/employees?syncState=all", "/api/employees"):
        first = school.api.request("GET", url)
        tag = first.headers["ETag"]
        for held in (tag, f'W/{tag}, "other"', "*"):
            again = school.api.request("GET", url, headers={"If-None-Match": held}, envelope=False)
            assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
    school.edit(employee_id, mobile_phone=unique("+"))
    for url in (path, "/api/employees"):
        assert ok(school.api.request("GET", url, headers={"If-None-Match": tag}))


def test_one_school_does_not_see_another(school, new_school):
    employee_id = school.hire()
    external_id = school.one(employee_id)["externalId"]

    problem(new_school.api.get("employees", external_id), 404)
    status = {"externalId": external_id, "version": 1, "status": "success"}
    assert ok(new_school.say(status))["status"] == "unknown"
    assert school.state(employee_id) == "pending"


def test_source_that_is_given_none(admin):
    source = admin.new_source(sends_employees=False)

    assert "Send Employees" in problem(source.api.get("employees"), 403)["detail"]


# Rights and methods


def test_readers_fetch_and_do_not_answer(admin):
    reader = admin.new_source(group="group_sync_reader").api

    ok(reader.get("employees"))
    problem(reader.request("POST", "/api/teacher/status", json=[]), 403)


def test_nothing_without_a_key(nobody):
    for method, path in (("GET", "/api/employees"), ("GET", "/api/employees/x"), ("POST", "/api/teacher/status")):
        problem(nobody.request(method, path, json={}), 401)


def test_fetching_writes_nothing(school, nothing_written):
    school.listed(syncState="all")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/api/employees", "/api/employees/x"])
def test_employees_are_only_read(api, method, path):
    response = api.request(method, path, json={})

    problem(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "BREW"])
def test_status_is_only_posted(api, method):
    response = api.request(method, "/api/teacher/status", json={})

    problem(response, 405)
    assert response.headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("path", ["/api/teacher", "/api/teacher/", "/api/teacher/status/x", "/api/teacher/other"])
def test_other_paths_are_404(api, path):
    assert "employees" in problem(api.request("GET", path), 404)["detail"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/employees", {"GET", "HEAD", "OPTIONS"}),
        ("/api/employees/x", {"GET", "HEAD", "OPTIONS"}),
        ("/api/teacher/status", {"POST", "OPTIONS"}),
    ],
)
def test_options_name_the_methods(nobody, path, methods):
    response = nobody.request("OPTIONS", path, envelope=False)

    assert {method.strip() for method in response.headers["Allow"].split(",")} == methods


# Answers


def test_answer_to_one_and_to_many(school):
    first, second = school.hire(), school.hire()
    one = ok(school.say(school.success(first, teacherId="T-1")))
    many = ok(school.say([school.error(second)]))

    assert (one["status"], one["employeeId"], one["version"], one["syncState"]) == ("synced", first, 1, "synced")
    assert many["summary"] == {
        "received": 1,
        "synced": 0,
        "error": 1,
        "stale": 0,
        "repeated": 0,
        "unknown": 0,
        "invalid": 0,
    }
    assert (school.state(first), school.state(second)) == ("synced", "error")
    assert school.one(first)["teacherId"] == "T-1"
    assert school.pending().isdisjoint({first, second})


def test_edited_between_get_and_answer_stays_pending(school):
    employee_id = school.hire()
    status = school.success(employee_id)
    school.edit(employee_id, name="Edited Meanwhile")
    answer = ok(school.say(status))

    assert (answer["status"], answer["version"], answer["syncState"]) == ("stale", 2, "pending")
    assert pointers(answer) == {"/version": "stale_version"}
    assert employee_id in school.pending()


def test_every_other_answer(school):
    employee_id = school.hire()
    success, error = school.success(employee_id), school.error(employee_id)
    told = [ok(school.say(status))["status"] for status in (error, error, success, success, error)]

    assert told == ["error", "repeated", "synced", "repeated", "error"]
    assert ok(school.say({**success, "version": 9}))["status"] == "unknown"
    assert ok(school.say({**success, "externalId": "nobody"}))["status"] == "unknown"


def test_mixed_array_is_200_with_a_result_each(school):
    employee_id = school.hire()
    body = ok(school.say([5, {}, school.success(employee_id), {"version": "x", "status": "maybe", "employeeId": "y"}]))

    assert [item["status"] for item in body["items"]] == ["invalid", "invalid", "synced", "invalid"]
    assert set(pointers(body["items"][3])) == {"/3/version", "/3/status", "/3/employeeId"}


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"7", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_bad_requests_are_not_200(school, data, headers, status):
    headers = {"Content-Type": "application/json", **headers}

    problem(school.api.request("POST", "/api/teacher/status", data=data, headers=headers), status)


def test_exchange_is_logged_and_shows_on_the_employee(school, admin):
    employee_id = school.hire()
    response = school.say(school.error(employee_id))

    log = admin.log_of(response, "state", "entity", "failed")
    assert (log["entity"], log["state"], log["failed"]) == ("employees", "partial", 1)
    (line,) = admin.lines_of(response)
    assert (line["status"], line["res_model"], line["res_id"]) == ("refused", "hr.employee", employee_id)
    assert line["message"] == "E-mail is taken"


def test_deletion_is_received_once(school, admin):
    employee_id = school.hire()
    ok(school.say(school.success(employee_id)))
    admin.call("hr.employee", "unlink", [employee_id])
    item = school.one(employee_id)
    assert (item["deleted"], item["active"], item["name"]) == (True, False, None)

    ok(school.say(school.success(employee_id)))
    assert employee_id not in {item["id"] for item in school.listed(syncState="all")}
    problem(school.api.get("employees", item["externalId"]), 404)


def test_hr_sends_again(school, admin):
    employee_id = school.hire()
    ok(school.say(school.error(employee_id)))
    admin.call("hr.employee", "action_school_sync_again", [employee_id])

    assert employee_id in school.pending()


def test_answers_and_edits_at_once_lose_nothing(school):
    """Whoever edits while the answer to the version before arrives: the employee ends pending, never falsely synced."""
    employee_id = school.hire()
    for _round in range(5):
        status = school.success(employee_id)
        barrier = threading.Barrier(2)
        answers = []

        def answer(status=status, barrier=barrier, answers=answers):
            barrier.wait()
            answers.append(ok(school.say(status)))

        thread = threading.Thread(target=answer)
        thread.start()
        barrier.wait()
        school.edit(employee_id, mobile_phone=unique("+"))
        thread.join()
        assert school.one(employee_id)["version"] == status["version"] + 1
        assert school.state(employee_id) == "pending"
        assert answers[0]["status"] in ("synced", "stale")


def test_same_answers_at_once_have_one_effect(new_school):
    ids = [new_school.hire() for _number in range(3)]
    statuses = [new_school.success(employee_id) for employee_id in ids]
    told = []

    def answer():
        told.append([item["status"] for item in ok(new_school.say(statuses))["items"]])

    threads = [threading.Thread(target=answer) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [["repeated"] * 3] * 3 + [["synced"] * 3]


# Who is told


def test_first_failure_notifies_once_and_success_resolves(new_school, admin):
    admin.write("school.sync.source", new_school.source.id, notify_user_ids=[(6, 0, [admin.uid])])
    ids = [new_school.hire() for _number in range(3)]
    of_source = [("source_id", "=", new_school.source.id)]
    for employee_id in ids:
        ok(new_school.say(new_school.error(employee_id)))

    (incident,) = admin.read("school.sync.incident", of_source, ["state", "failure_count", "message", "activity_ids"])
    assert (incident["state"], incident["failure_count"], incident["message"]) == ("open", 3, "E-mail is taken")
    assert len(incident["activity_ids"]) == 1
    mails = [("model", "=", "school.sync.incident"), ("res_id", "=", incident["id"])]
    assert len(admin.read("mail.mail", mails, ["state"])) == 1

    ok(new_school.say([new_school.success(employee_id) for employee_id in ids]))
    (incident,) = admin.read("school.sync.incident", of_source, ["state", "failure_count", "activity_ids"])
    assert (incident["state"], incident["failure_count"], incident["activity_ids"]) == ("resolved", 0, [])


def test_failures_at_once_notify_once(new_school, admin):
    """Of those who open the same problem at once, PostgreSQL lets one; Odoo runs the others again."""
    admin.write("school.sync.source", new_school.source.id, notify_user_ids=[(6, 0, [admin.uid])])
    statuses = [new_school.error(new_school.hire()) for _number in range(4)]
    barrier = threading.Barrier(len(statuses))

    def answer(status):
        barrier.wait()
        ok(new_school.say(status))

    threads = [threading.Thread(target=answer, args=[status]) for status in statuses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    of_source = [("source_id", "=", new_school.source.id)]
    (incident,) = admin.read("school.sync.incident", of_source, ["failure_count", "activity_ids"])
    assert (incident["failure_count"], len(incident["activity_ids"])) == (4, 1)
    mails = [("model", "=", "school.sync.incident"), ("res_id", "=", incident["id"])]
    assert len(admin.read("mail.mail", mails, ["state"])) == 1


def test_hr_without_technical_rights(school, admin):
    employee_id = school.hire()
    ok(school.say(school.error(employee_id)))
    hr = admin.new_user("hr.group_hr_user")
    with pytest.raises(OdooRefuses):
        hr.read("school.sync.source", [], ["name"])
    with pytest.raises(OdooRefuses):
        hr.read("school.sync.log", [], ["path"])


def test_head(school):
    head = school.api.request("HEAD", "/api/employees")

    check_envelope(head)
    assert (head.status_code, head.content) == (200, b"")
