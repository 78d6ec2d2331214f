"""Applications, enrollments and roster assignments: the school year of a student, in any order of arrival."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import ok, pointers, printed, problem, student, unique, without

APPLICATION = json.loads(printed("application"))
ROSTER = json.loads(printed("roster_assignment"))
ROSTER_ID = "STU-APP-2025-000123/GRADE8/2025-06-01"


@pytest.fixture
def pupil(api):
    """A student who is known."""
    document = student()
    ok(api.post("students", document), 201)
    return document["externalId"]


def application(**fields):
    return {"externalId": unique("APP"), "status": "submitted", **fields}


def enrollment(student_id, **fields):
    document = {
        "externalId": unique("ENR"),
        "studentExternalId": student_id,
        "academicYear": "2025-2026",
        "gradeLevel": 8,
        "sectionId": "B",
        "startDate": "2025-06-01",
        "endDate": "2026-04-01",
        "status": "active",
    }
    return without({**document, **fields}, *(name for name, value in fields.items() if value is ...))


def roster(student_id, **fields):
    return {**ROSTER, "studentExternalId": student_id, **fields}


def at_once(*tasks):
    """Run ``tasks`` as nearly at the same moment as can be; their results."""
    barrier = threading.Barrier(len(tasks))

    def start(task):
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(start, tasks))


# Why a student came and left


def test_reasons_of_entry_and_exit_are_stored_and_given_back(api, admin, pupil):
    document = enrollment(pupil, entryCode="E1", entryReason="New to the district")
    created = ok(api.post("enrollments", document), 201)
    left = {**document, "status": "transferred", "exitCode": "W21", "exitReason": "Moved out of the state"}
    assert ok(api.post("enrollments", left))["status"] == "updated"

    told = api.read("enrollments", document["externalId"])
    for name in ("entryCode", "entryReason", "exitCode", "exitReason"):
        assert told[name] == left[name]
    record = admin.read_one("school.enrollment", created["id"], "entry_code", "exit_reason")
    assert (record["entry_code"], record["exit_reason"]) == ("E1", "Moved out of the state")
    assert ok(api.post("enrollments", left))["status"] == "unchanged"
    assert ok(api.post("enrollments", {**left, "exitCode": None}))["status"] == "updated"
    told = api.read("enrollments", document["externalId"])
    assert (told.get("exitCode"), told["exitReason"]) == (None, "Moved out of the state")


# As printed


def test_printed_application(fresh):
    first = ok(
        fresh.api.send("applications", printed("application"), headers={"Idempotency-Key": "APP-2025-000123"}), 201
    )
    again = ok(fresh.api.send("applications", printed("application")))

    assert without(first, "id") == {
        "externalId": "APP-2025-000123",
        "model": "school.application",
        "status": "created",
        "version": 1,
    }
    assert again == {**first, "status": "unchanged"}
    assert without(fresh.api.read("applications", "APP-2025-000123"), "updatedAt") == APPLICATION


def test_printed_roster_assignment(fresh):
    ok(fresh.api.send("students", printed("student")), 201)
    first = ok(fresh.api.send("roster-assignments", printed("roster_assignment")), 201)
    again = ok(fresh.api.send("roster-assignments", printed("roster_assignment")))

    assert (first["externalId"], first["model"]) == (ROSTER_ID, "school.roster.assignment")
    assert "is applied when one arrives" in first["warnings"][0]
    assert (again["id"], again["status"], again["version"]) == (first["id"], "unchanged", 1)
    read = fresh.api.read("roster-assignments", ROSTER_ID)
    assert without(read, "updatedAt") == {"externalId": ROSTER_ID, **ROSTER}


def test_location_of_a_roster_assignment_leads_to_it(api, pupil):
    response = api.post("roster-assignments", roster(pupil))
    ok(response, 201)

    assert ok(api.request("GET", response.headers["Location"]))["rollNo"] == "8A-023"
    assert ok(api.delete("roster-assignments", response.json()["externalId"]))["status"] == "archived"


# Applications


@pytest.mark.parametrize("students_first", [True, False])
def test_application_is_linked_to_the_student_that_its_id_names(api, students_first):
    document = application()
    pupil = student(externalId=f"STU-{document['externalId']}")
    steps = [("students", pupil), ("applications", document)]
    for entity, sent in steps if students_first else reversed(steps):
        ok(api.post(entity, sent), 201)

    assert api.read("applications", document["externalId"])["studentExternalId"] == pupil["externalId"]


def test_applications_and_students_that_arrive_at_once_find_each_other(api):
    documents = [application() for _ in range(12)]
    tasks = []
    for document in documents:
        pupil = student(externalId=f"STU-{document['externalId']}")
        tasks.append(lambda document=document: api.post("applications", document))
        tasks.append(lambda pupil=pupil: api.post("students", pupil))
    for response in at_once(*tasks):
        ok(response, 201)

    for document in documents:
        read = api.read("applications", document["externalId"])
        assert read["studentExternalId"] == f"STU-{document['externalId']}"


def test_batches_that_arrive_at_once_find_each_other(api):
    documents = [application() for _ in range(100)]
    pupils = [student(externalId=f"STU-{document['externalId']}") for document in documents]
    for response in at_once(lambda: api.post("applications", documents), lambda: api.post("students", pupils)):
        ok(response)

    for document in documents[::10]:
        assert "studentExternalId" in api.read("applications", document["externalId"])


def test_application_names_its_student(api, pupil):
    document = application(studentExternalId=pupil)
    ok(api.post("applications", document), 201)

    assert api.read("applications", document["externalId"])["studentExternalId"] == pupil
    assert ok(api.post("applications", application(studentExternalId="nobody")), 202)["status"] == "parked"


@pytest.mark.parametrize("word", ["under review", "Under-Review", "IN_REVIEW", "accepted", "Withdrawn", "wait-listed"])
def test_words_for_the_status_of_an_application(api, word):
    document = application(status=word)
    ok(api.post("applications", document), 201)

    assert api.read("applications", document["externalId"])["status"] == word


@pytest.mark.parametrize("status", ["maybe", "", 3, None, ["approved"], {"is": "approved"}])
def test_unknown_status_of_an_application_is_told_what_is_known(api, nothing_written, status):
    body = problem(api.post("applications", application(status=status)), 422)

    assert list(pointers(body)) == ["/status"]
    assert "draft, submitted, under_review, waitlisted, approved, rejected, withdrawn, enrolled" in body["detail"]


# Enrollments


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": -1, "gradeLevel": 0},
        {"status": "-1", "gradeLevel": -2},
        {"status": "transferred", "endDate": "2025-06-02"},
        {"gradeLevel": ..., "classId": "GRADE8", "school": "100", "course": "MATH"},
        {"endDate": None, "sectionId": None},
        {"updatedAt": "2025-05-05T09:00:00Z"},
    ],
)
def test_enrollment_comes_back_as_it_came_in(api, pupil, fields):
    document = enrollment(pupil, **fields)
    ok(api.post("enrollments", document), 201)
    read = api.read("enrollments", document["externalId"])

    assert {name: read[name] for name in document} == document
    assert read.keys() - document.keys() <= {"gradeLevel", "classId", "updatedAt"}
    assert ok(api.post("enrollments", document))["status"] == "unchanged"


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"endDate": "2025-06-01"}, {"/endDate": "end_before_start"}),
        ({"endDate": "2025-05-31"}, {"/endDate": "end_before_start"}),
        ({"startDate": "2025-02-30"}, {"/startDate": "invalid_date"}),
        ({"startDate": ...}, {"/startDate": "required"}),
        ({"academicYear": ""}, {"/academicYear": "required"}),
        ({"status": 1}, {"/status": "unknown_word"}),
        ({"status": "maybe"}, {"/status": "unknown_word"}),
        ({"status": True}, {"/status": "wrong_type"}),
        ({"classId": "GRADE9"}, {"/classId": "two_grades"}),
        ({"gradeLevel": 8.5}, {"/gradeLevel": "wrong_type"}),
        ({"gradeLevel": 10**18}, {"/gradeLevel": "out_of_range"}),
        ({"sectionId": 8}, {"/sectionId": "wrong_type"}),
    ],
)
def test_bad_enrollment(api, pupil, nothing_written, fields, errors):
    body = problem(api.post("enrollments", enrollment(pupil, **fields)), 422)

    assert pointers(body) == errors


def test_overlap_is_a_warning_that_names_the_other_enrollment(api, pupil):
    held = enrollment(pupil)
    ok(api.post("enrollments", held), 201)
    answer = ok(api.post("enrollments", enrollment(pupil, startDate="2026-03-31", endDate=None)), 201)

    assert f"{held['externalId']}, 2025-06-01 to 2026-04-01" in answer["warnings"][0]
    for fields in ({"startDate": "2027-04-01", "status": "pre-registered"}, {"course": "MATH"}, {"school": "200"}):
        assert "warnings" not in ok(api.post("enrollments", enrollment(pupil, **{"endDate": None, **fields})), 201)


def test_overlap_stands_in_the_line_of_the_log(api, admin, pupil):
    ok(api.post("enrollments", enrollment(pupil)), 201)
    response = api.post("enrollments", enrollment(pupil))
    ok(response, 201)

    (line,) = admin.lines_of(response)
    assert "overlaps" in line["message"]


@pytest.mark.parametrize("drop_first", [False, True])
def test_section_change_goes_through_in_either_order(api, pupil, drop_first):
    old = enrollment(pupil, endDate=None)
    ok(api.post("enrollments", old), 201)
    added = enrollment(pupil, startDate="2025-09-01", endDate=None, sectionId="C")
    steps = [added, {**old, "endDate": "2025-09-01", "status": "transferred"}]
    answers = [api.post("enrollments", step) for step in (reversed(steps) if drop_first else steps)]

    assert {answer.status_code for answer in answers} == {200, 201}
    assert api.read("enrollments", old["externalId"])["endDate"] == "2025-09-01"
    assert api.read("enrollments", added["externalId"])["sectionId"] == "C"


def test_two_sections_of_one_course_at_once(api, pupil):
    batch = [enrollment(pupil, course="CHEM", sectionId=section) for section in ("CHEM-1", "CHEM-LAB")]
    body = ok(api.post("enrollments", batch))

    assert [item["status"] for item in body["items"]] == ["created", "created"]
    assert not any(item.get("warnings") for item in body["items"])


@pytest.mark.parametrize("turned", [False, True])
def test_transfer_in_one_batch_in_any_order(api, pupil, turned):
    old = enrollment(pupil)
    ok(api.post("enrollments", old), 201)
    batch = [{**old, "endDate": "2025-09-01"}, enrollment(pupil, startDate="2025-09-01", sectionId="C")]
    body = ok(api.post("enrollments", batch[::-1] if turned else batch, atomic="true"))

    assert sorted(item["status"] for item in body["items"]) == ["created", "updated"]


def test_overlapping_enrollments_that_arrive_at_once_are_all_taken(api, pupil):
    responses = at_once(*[lambda: api.post("enrollments", enrollment(pupil))] * 8)
    bodies = [ok(response, 201) for response in responses]

    assert sorted(bool(body.get("warnings")) for body in bodies) == [False] + [True] * 7


def test_batches_that_make_the_same_grade_at_once_make_one(api, tables):
    pupils = [student() for _ in range(8)]
    ok(api.post("students", pupils))
    grade, section = unique("Grade"), unique("Section")
    codes = [grade, grade.upper(), f" {grade} ", grade.lower()] * 2
    documents = [
        enrollment(pupil["externalId"], gradeLevel=code, sectionId=section)
        for pupil, code in zip(pupils, codes, strict=True)
    ]
    responses = at_once(*[lambda document=document: api.post("enrollments", document) for document in documents])

    assert [response.status_code for response in responses] == [201] * 8
    assert tables.one("SELECT count(*) FROM school_grade WHERE lower(code) = %s", grade.lower()) == 1
    assert tables.one("SELECT count(*) FROM school_section WHERE code = %s", section) == 1


def test_archived_enrollment_overlaps_with_nothing(api, pupil):
    old = enrollment(pupil)
    ok(api.post("enrollments", old), 201)
    ok(api.delete("enrollments", old["externalId"]))
    assert ok(api.get("enrollments", old["externalId"]))["active"] is False
    assert "warnings" not in ok(api.post("enrollments", enrollment(pupil)), 201)

    assert "overlaps" in ok(api.post("enrollments", old))["warnings"][0]


def test_overlap_with_an_enrollment_made_in_odoo(api, admin, pupil):
    held = enrollment(pupil)
    made = ok(api.post("enrollments", held), 201)
    row = admin.read_one("school.enrollment", made["id"], "student_id", "academic_year_id")
    admin.create(
        "school.enrollment",
        student_id=row["student_id"][0],
        academic_year_id=row["academic_year_id"][0],
        date_start="2026-04-01",
    )
    answer = ok(api.post("enrollments", {**held, "endDate": None}))

    assert "made in Odoo" in answer["warnings"][0]


@pytest.mark.parametrize(
    ("entity", "document"),
    [
        ("enrollments", enrollment),
        ("roster-assignments", lambda pupil: roster(pupil)),
        ("applications", lambda pupil: application(studentExternalId=pupil)),
        (
            "fee-schedules",
            lambda pupil: {
                "externalId": unique("FEE"),
                "studentExternalId": pupil,
                "heads": [{"code": "SCHOOL_FEE", "amount": 100}],
                "total": 100,
            },
        ),
    ],
)
def test_documents_for_a_leaver_are_applied_with_a_warning(api, pupil, entity, document):
    ok(api.delete("students", pupil))
    answer = ok(api.post(entity, document(pupil)), 201)

    assert any(pupil in warning and "archived" in warning for warning in answer["warnings"])


def test_thousand_enrollments(api):
    pupils = [student() for _ in range(1000)]
    ok(api.post("students", pupils))
    documents = [
        enrollment(pupil["externalId"], gradeLevel=n % 13, sectionId=f"S{n % 7}") for n, pupil in enumerate(pupils)
    ]

    assert ok(api.post("enrollments", documents))["summary"]["created"] == 1000
    assert ok(api.post("enrollments", documents))["summary"]["unchanged"] == 1000


# Roster assignments


def test_roster_assignment_sets_class_section_and_roll_number(api, admin, pupil):
    document = enrollment(pupil, gradeLevel=7)
    made = ok(api.post("enrollments", document), 201)
    answer = ok(api.post("roster-assignments", roster(pupil)), 201)

    assert "warnings" not in answer
    read = api.read("enrollments", document["externalId"])
    # The code as the first source of this school to name grade 8 wrote it.
    assert read["gradeLevel"] in ("8", "GRADE8", "Grade 8")
    assert read["sectionId"] == "A"
    assert admin.read_one("school.enrollment", made["id"], "roll_number")["roll_number"] == "8A-023"


def test_requested_is_shown_as_waiting_and_completed_assigns(api, admin, pupil):
    ok(api.post("enrollments", enrollment(pupil)), 201)
    asked = ok(api.post("roster-assignments", roster(pupil, event="roster.assignment.requested")), 201)
    assert admin.read_one("school.roster.assignment", asked["id"], "state")["state"] == "requested"
    given = ok(api.post("roster-assignments", roster(pupil)))

    assert (given["id"], given["status"]) == (asked["id"], "updated")
    assert admin.read_one("school.roster.assignment", asked["id"], "state")["state"] == "assigned"


def test_roster_assignment_waits_for_its_enrollment(api, admin, pupil):
    asked = ok(api.post("roster-assignments", roster(pupil)), 201)
    assert admin.read_one("school.roster.assignment", asked["id"], "state")["state"] == "waiting"
    document = enrollment(pupil)
    ok(api.post("enrollments", document), 201)

    assert admin.read_one("school.roster.assignment", asked["id"], "state")["state"] == "assigned"
    assert api.read("enrollments", document["externalId"])["sectionId"] == "A"
    assert ok(api.post("enrollments", document))["status"] == "unchanged"


@pytest.mark.parametrize("roster_first", [False, True])
@pytest.mark.parametrize("status", ["historical", "graduated", "transferred", "withdrawn"])
def test_last_year_is_loaded_in_any_order(api, pupil, status, roster_first):
    document = enrollment(pupil, status=status, startDate="2024-06-01", endDate="2025-04-01")
    steps = [("enrollments", document), ("roster-assignments", roster(pupil, start="2024-06-01"))]
    for entity, sent in reversed(steps) if roster_first else steps:
        ok(api.post(entity, sent), 201)

    assert api.read("enrollments", document["externalId"])["sectionId"] == "A"


def test_what_one_document_changed_another_does_not_undo(api, pupil):
    document = enrollment(pupil, gradeLevel="G5")
    place = roster(pupil, externalId=unique("R"), classId="G5")

    def send(**fields):
        return ok(api.post("enrollments", {**document, **fields}))["status"]

    def grade():
        return api.read("enrollments", document["externalId"])["gradeLevel"]

    ok(api.post("enrollments", document), 201)
    ok(api.post("roster-assignments", place), 201)
    assert send(gradeLevel="G6") == "updated"
    ok(api.post("roster-assignments", {**place, "rollNo": "99"}))
    assert (grade(), send(gradeLevel="G6")) == ("G6", "unchanged")
    ok(api.post("roster-assignments", {**place, "rollNo": "99", "classId": "G7"}))
    assert grade() == "G7"
    assert (send(gradeLevel="G6"), grade(), send(gradeLevel="G6")) == ("updated", "G6", "unchanged")


def test_roster_assignments_and_enrollments_that_arrive_at_once_find_each_other(api, tables):
    pupils = [student()["externalId"] for _ in range(10)]
    ok(api.post("students", [student(externalId=pupil) for pupil in pupils]))
    tasks = []
    for pupil in pupils:
        tasks.append(lambda pupil=pupil: api.post("roster-assignments", roster(pupil)))
        tasks.append(lambda pupil=pupil: api.post("enrollments", enrollment(pupil)))
    for response in at_once(*tasks):
        ok(response, 201)

    states = tables.rows(
        "SELECT DISTINCT r.state FROM school_roster_assignment r JOIN school_sync_binding b ON b.res_id = r.student_id"
        " WHERE b.entity = 'students' AND b.external_id = ANY(%s)",
        pupils,
    )
    assert states == [("assigned",)]


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"event": "roster.assignment.cancelled"}, {"/event": "unknown_word"}),
        ({"event": None}, {"/event": "wrong_type"}),
        ({"studentExternalId": ""}, {"/studentExternalId": "required"}),
        ({"classId": None}, {"/classId": "wrong_type"}),
        ({"start": "01/06/2025"}, {"/start": "invalid_date"}),
        ({"rollNo": 23}, {"/rollNo": "wrong_type"}),
    ],
)
def test_bad_roster_assignment(api, pupil, nothing_written, fields, errors):
    body = problem(api.post("roster-assignments", {**roster(pupil), **fields}), 422)

    assert pointers(body) == errors
