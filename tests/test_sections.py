"""Schools, academic years, courses and sections as records of their own, named by code or by reference."""

import itertools

import pytest
from support import enrollment, ok, pointers, problem, student, unique, without

MODELS = {
    "schools": "school.school",
    "academic-years": "school.academic.year",
    "courses": "school.course",
    "sections": "school.section",
}


@pytest.fixture
def pupil(fresh):
    """A student whom the source of the test knows."""
    document = student()
    ok(fresh.api.post("students", document), 201)
    return document["externalId"]


def entry(code=None, **fields):
    return {"externalId": unique("E"), "code": code or unique("C"), **fields}


def placed(student_id, **fields):
    """An enrollment, without the fields of it that are ``...``."""
    document = enrollment(student_id, **fields)
    return without(document, *(name for name, value in document.items() if value is ...))


def roster(student_id, **fields):
    return {
        "externalId": unique("ROS"),
        "event": "roster.assignment.completed",
        "studentExternalId": student_id,
        "classId": "8",
        "start": "2025-06-01",
        **fields,
    }


def send(source, *documents):
    """Send ``documents``, each with its entity, one by one; none may be refused."""
    for entity, document in documents:
        response = source.api.post(entity, document)
        assert response.status_code in (200, 201, 202), response.text


def section_of(source, admin, entity, document):
    """The record of the section that a document of ``entity`` refers to."""
    model = {"enrollments": "school.enrollment", "applications": "school.application"}.get(
        entity, "school.roster.assignment"
    )
    record_id = ok(source.api.get(entity, document["externalId"]))["id"]
    return (admin.read_one(model, record_id, "section_id")["section_id"] or [None])[0]


# Each entity


FULL = {
    "schools": {
        "name": "Lincoln High School",
        "shortName": "LHS",
        "lowestGrade": "9",
        "highestGrade": 12,
        "address": {"street": "1 Main Street", "city": "Springfield", "state": "IL", "country": "US", "pin": "62701"},
        "phone": "+1 217 555 0100",
        "principal": "Ada Park",
    },
    "academic-years": {"name": "2031-2032", "startDate": "2031-08-15", "endDate": "2032-06-10", "current": True},
    "courses": {"name": "Algebra I", "department": "Mathematics", "credits": 0.5},
    "sections": {"name": "Period 3", "term": "S1", "room": "204", "period": "3(A-E)", "capacity": 28},
}


@pytest.mark.parametrize("entity", MODELS)
def test_made_told_changed_archived_and_restored(fresh, admin, entity):
    document = entry(**FULL[entity])
    created = ok(fresh.api.post(entity, document), 201)
    assert (created["model"], created["version"]) == (MODELS[entity], 1)
    assert fresh.api.read(entity, document["externalId"]) == {**document, "updatedAt": None}
    response = fresh.api.post(entity, document)
    assert (ok(response)["status"], response.headers["ETag"]) == ("unchanged", '"1"')

    changed = {**document, "name": "Another Name"}
    assert ok(fresh.api.post(entity, changed))["status"] == "updated"
    assert admin.read_one(created["model"], created["id"], "name")["name"] == "Another Name"
    assert fresh.api.listed(entity) == [document["externalId"]]

    assert ok(fresh.api.delete(entity, document["externalId"]))["status"] == "archived"
    assert fresh.api.listed(entity) == []
    assert ok(fresh.api.post(entity, changed))["status"] == "updated"
    assert admin.read_one(created["model"], created["id"], "active")["active"]


@pytest.mark.parametrize("entity", MODELS)
def test_name_or_code_alone_will_do(fresh, admin, entity):
    by_name = {"externalId": unique(), "name": unique("Name")}
    by_code = entry()
    ok(fresh.api.post(entity, [by_name, by_code]))
    told = [fresh.api.read(entity, one["externalId"]) for one in (by_name, by_code)]
    assert (told[0]["code"], told[1]["name"]) == (by_name["name"], by_code["code"])
    for document in (by_name, by_code, *told):
        assert ok(fresh.api.post(entity, document))["status"] == "unchanged"
    assert ok(fresh.api.post(entity, {**by_code, "name": "Named Later"}))["status"] == "updated"
    assert ok(fresh.api.post(entity, {**by_name, "code": unique("C")}))["status"] == "updated"

    body = problem(fresh.api.post(entity, {"externalId": unique()}), 422)
    assert "code or name is required" in body["detail"]


@pytest.mark.parametrize("entity", ["schools", "academic-years", "courses"])
def test_one_code_is_one_entry(fresh, admin, entity):
    document = entry()
    ok(fresh.api.post(entity, document), 201)
    other = {**document, "externalId": unique()}
    body = problem(fresh.api.post(entity, other), 422)
    assert pointers(body) == {"/code": "code_taken"} and document["externalId"] in body["detail"]
    body = ok(fresh.api.post(entity, [entry("DOUBLE" + document["code"]), entry("double" + document["code"])]), 207)
    assert [item["status"] for item in body["items"]] == ["created", "failed"]
    third = entry()
    ok(fresh.api.post(entity, third), 201)
    problem(fresh.api.post(entity, {**third, "code": document["code"]}), 422)
    # An entry that the source has deleted may come back under another name.
    ok(fresh.api.delete(entity, document["externalId"]))
    assert ok(fresh.api.post(entity, other), 201)["id"] == ok(fresh.api.get(entity, document["externalId"]))["id"]
    # And another source describes the same one.
    elsewhere = admin.new_source()
    assert ok(elsewhere.api.post(entity, other), 201)["id"] == ok(fresh.api.get(entity, other["externalId"]))["id"]


def test_dates_of_a_year_are_checked(fresh):
    year = {"externalId": unique(), "name": unique("Y"), "startDate": "2031-08-15", "endDate": "2031-06-10"}
    assert "2031-06-10" in problem(fresh.api.post("academic-years", year), 422)["detail"]


# References


def district():
    """Two schools with a section of the same code each, of a course of the same code."""
    code, course_code = unique("A"), unique("MATH")
    year = {"externalId": unique("Y"), "name": unique("Y")}
    result = {"year": ("academic-years", year)}
    for name in ("north", "south"):
        school = entry(name=name)
        course = entry(course_code, schoolExternalId=school["externalId"])
        section = entry(
            code,
            schoolExternalId=school["externalId"],
            courseExternalId=course["externalId"],
            academicYearExternalId=year["externalId"],
        )
        result.update(
            {
                name: ("schools", school),
                f"{name} course": ("courses", course),
                f"{name} section": ("sections", section),
            }
        )
    return result


def test_section_of_one_code_in_two_schools_is_two(fresh, admin, pupil):
    known = district()
    send(fresh, *known.values())
    sections = [known[f"{name} section"][1] for name in ("north", "south")]
    ids = [ok(fresh.api.get("sections", one["externalId"]))["id"] for one in sections]
    assert len(set(ids)) == 2
    places = [
        placed(
            pupil,
            academicYear=...,
            academicYearExternalId=known["year"][1]["externalId"],
            sectionExternalId=one["externalId"],
        )
        for one in sections
    ]
    send(fresh, *(("enrollments", one) for one in places))
    assert [section_of(fresh, admin, "enrollments", one) for one in places] == ids
    for one, section in zip(places, sections, strict=True):
        told = fresh.api.read("enrollments", one["externalId"])
        assert told["sectionExternalId"] == section["externalId"]
        assert told["sectionId"] == section["code"]
        # What the section says of itself is true of the enrollment as well.
        assert (told["schoolExternalId"], told["courseExternalId"]) == (
            section["schoolExternalId"],
            section["courseExternalId"],
        )
        assert ok(fresh.api.post("enrollments", told))["status"] == "unchanged"
        listed = fresh.api.listed("enrollments", sectionExternalId=section["externalId"])
        assert listed == fresh.api.listed("enrollments", schoolExternalId=section["schoolExternalId"])
        assert listed == [one["externalId"]]


def test_code_at_a_school_is_of_that_school(fresh, admin, pupil):
    """As text: the letter A of two schools is two sections, without any document about them."""
    schools = [entry(), entry()]
    ok(fresh.api.post("schools", schools))
    code, course = unique("A"), unique("MATH")
    places = [placed(pupil, schoolExternalId=school["externalId"], sectionId=code, course=course) for school in schools]
    ok(fresh.api.post("enrollments", places))
    ids = [section_of(fresh, admin, "enrollments", one) for one in places]
    assert len(set(ids)) == 2
    # The same again, in another school: another section of the same code.
    moved = {**places[0], "schoolExternalId": schools[1]["externalId"]}
    assert ok(fresh.api.post("enrollments", moved))["status"] == "updated"
    assert section_of(fresh, admin, "enrollments", moved) == ids[1]
    assert ok(fresh.api.post("enrollments", moved))["status"] == "unchanged"
    # Without a school, as ever: the one of the company.
    of_nobody = placed(pupil, sectionId=code)
    ok(fresh.api.post("enrollments", of_nobody), 201)
    assert section_of(fresh, admin, "enrollments", of_nobody) not in ids


@pytest.mark.parametrize("order", itertools.permutations(("section", "roster", "enrollment")))
def test_section_comes_before_or_after_what_names_it(fresh, admin, pupil, order):
    known = district()
    section = without(known["north section"][1], "courseExternalId")
    place = placed(pupil)
    assigned = roster(pupil, sectionExternalId=section["externalId"])
    documents = {
        "section": ("sections", section),
        "roster": ("roster-assignments", assigned),
        "enrollment": ("enrollments", place),
    }
    send(fresh, *(documents[name] for name in order), known["north"], known["year"])
    assert ok(fresh.api.get("sync/parked"))["items"] == []
    section_id = ok(fresh.api.get("sections", section["externalId"]))["id"]
    for entity, document in (documents["roster"], documents["enrollment"]):
        assert section_of(fresh, admin, entity, document) == section_id
        assert fresh.api.read(entity, document["externalId"])["sectionExternalId"] == section["externalId"]


def test_roster_of_a_course_is_put_on_the_enrollment_in_it(fresh, admin, pupil):
    known = district()
    send(fresh, *known.values())
    section = known["south section"][1]
    school, course = (
        placed(pupil, sectionId=unique("H")),
        placed(pupil, courseExternalId=section["courseExternalId"]),
    )
    ok(fresh.api.post("enrollments", [school, course]))
    ok(fresh.api.post("roster-assignments", roster(pupil, sectionExternalId=section["externalId"])), 201)

    section_id = ok(fresh.api.get("sections", section["externalId"]))["id"]
    assert section_of(fresh, admin, "enrollments", course) == section_id
    assert section_of(fresh, admin, "enrollments", school) != section_id


@pytest.mark.parametrize("entity", ["enrollments", "roster-assignments", "applications"])
def test_code_and_reference_agree_or_contradict(fresh, admin, pupil, entity):
    section, other = entry(), entry()
    ok(fresh.api.post("sections", [section, other]))
    name = "section" if entity == "applications" else "sectionId"
    document = {
        "enrollments": placed(pupil),
        "roster-assignments": roster(pupil),
        "applications": {"externalId": unique(), "status": "submitted", "studentExternalId": pupil},
    }[entity]
    both = {**document, name: section["code"].lower(), "sectionExternalId": section["externalId"]}
    ok(fresh.api.post(entity, both), 201)
    for one in (without(both, name), without(both, "sectionExternalId"), {**both, name: None}, both):
        assert ok(fresh.api.post(entity, one))["status"] == "unchanged", one

    body = problem(fresh.api.post(entity, {**both, name: other["code"]}), 422)
    assert pointers(body) == {f"/{name}": "contradiction"}
    assert section["code"] in body["detail"] and other["code"] in body["detail"]
    # What is said last counts.
    assert ok(fresh.api.post(entity, {**document, "sectionExternalId": other["externalId"]}))["status"] == "updated"
    assert fresh.api.read(entity, document["externalId"])[name] == other["code"]
    third = {**document, name: unique("T")}
    for one in (third, without(both, name)):
        body = ok(fresh.api.post(entity, one))
        assert body["status"] == "updated"
        assert "changed in Odoo" not in "".join(body.get("warnings", ()))
    assert ok(fresh.api.post(entity, {**document, "sectionExternalId": None}))["status"] == "updated"
    assert section_of(fresh, admin, entity, document) is None
    assert admin.read("school.sync.conflict", [("source_id", "=", fresh.id)], ["state"]) == []


def test_section_of_another_school_or_course_is_a_contradiction(fresh, pupil):
    known = district()
    send(fresh, *known.values())
    document = placed(
        pupil,
        sectionExternalId=known["north section"][1]["externalId"],
        schoolExternalId=known["south"][1]["externalId"],
        courseExternalId=known["south course"][1]["externalId"],
    )
    body = problem(fresh.api.post("enrollments", document), 422)
    assert pointers(body) == {"/schoolExternalId": "contradiction", "/courseExternalId": "contradiction"}
    document = placed(pupil, school=unique(), schoolExternalId=known["south"][1]["externalId"])
    assert pointers(problem(fresh.api.post("enrollments", document), 422)) == {"/school": "contradiction"}
    agreeing = {**document, "school": known["south"][1]["code"].lower()}
    ok(fresh.api.post("enrollments", agreeing), 201)


def test_year_is_required_as_text_or_by_reference(fresh, pupil):
    body = problem(fresh.api.post("enrollments", placed(pupil, academicYear=...)), 422)
    assert pointers(body) == {"/academicYear": "required"}
    year = {"externalId": unique(), "name": unique("Y")}
    ok(fresh.api.post("academic-years", year), 201)
    document = placed(pupil, academicYear=..., academicYearExternalId=year["externalId"])
    ok(fresh.api.post("enrollments", document), 201)
    assert fresh.api.read("enrollments", document["externalId"])["academicYear"] == year["name"]
    assert fresh.api.listed("enrollments", academicYear=year["name"]) == [document["externalId"]]
    fees = {
        "externalId": unique(),
        "studentExternalId": pupil,
        "academicYearExternalId": year["externalId"],
        "heads": [{"code": "FEE", "amount": 10}],
        "total": 10,
    }
    ok(fresh.api.post("fee-schedules", fees), 201)
    assert fresh.api.listed("fee-schedules", academicYearExternalId=year["externalId"]) == [fees["externalId"]]


# Taken over


@pytest.mark.parametrize("entity", ["academic-years", "courses", "sections"])
@pytest.mark.parametrize("of_a_school", [False, True])
@pytest.mark.parametrize("first", ["named", "described"])
def test_what_was_named_first_is_taken_over(fresh, admin, pupil, entity, of_a_school, first):
    """Named by its code, and described: one entry, whichever comes first, also where only one school has it."""
    name, field = {
        "academic-years": ("academicYear", "academic_year_id"),
        "courses": ("course", "course_id"),
        "sections": ("sectionId", "section_id"),
    }[entity]
    described = entry(name="Described")
    if of_a_school and entity != "academic-years":
        school = entry()
        ok(fresh.api.post("schools", school), 201)
        described["schoolExternalId"] = school["externalId"]
    naming = placed(pupil, **{name: described["code"].lower()})
    documents = [("enrollments", naming), (entity, described)]
    send(fresh, *(documents if first == "named" else reversed(documents)))

    described_id = ok(fresh.api.get(entity, described["externalId"]))["id"]
    record_id = ok(fresh.api.get("enrollments", naming["externalId"]))["id"]
    assert admin.read_one("school.enrollment", record_id, field)[field][0] == described_id
    assert ok(fresh.api.post("enrollments", naming))["status"] == "unchanged"
    assert ok(fresh.api.post(entity, described))["status"] == "unchanged"
    found = admin.read(MODELS[entity], [("code", "=ilike", described["code"])], ["name"])
    assert [one["name"] for one in found] == ["Described"]


def test_what_other_documents_mean_is_not_taken_over(fresh, admin, pupil):
    """The letter A is used in another course, another campus, another year: a section of its own is made."""
    known = district()
    send(fresh, *(one for name, one in known.items() if "section" not in name))
    section = known["north section"][1]
    code = section["code"]
    course = known["north course"][1]["code"]
    year = known["year"][1]["name"]
    for fields in (
        {"academicYear": year},
        {"academicYear": year, "course": unique()},
        {"academicYear": year, "course": course, "school": unique()},
        {"course": course, "schoolExternalId": known["north"][1]["externalId"]},
    ):
        named = unique("A")
        described = {**section, "externalId": unique(), "code": named}
        place = placed(pupil, sectionId=named, **fields)
        send(fresh, ("enrollments", place), ("sections", described))
        described_id = ok(fresh.api.get("sections", described["externalId"]))["id"]
        assert section_of(fresh, admin, "enrollments", place) != described_id, fields
    fitting = placed(
        pupil, academicYear=year, course=course, schoolExternalId=known["north"][1]["externalId"], sectionId=code
    )
    send(fresh, ("enrollments", fitting), ("sections", section))
    section_id = ok(fresh.api.get("sections", section["externalId"]))["id"]
    assert section_of(fresh, admin, "enrollments", fitting) == section_id


def test_many_sections_of_one_code(fresh):
    """Each course has its section 1, and a course has it in each period."""
    known = district()
    send(fresh, *known.values())
    code = unique("1")
    sections = [
        entry(code),
        entry(code),
        entry(code, courseExternalId=known["north course"][1]["externalId"]),
        *(entry(code, courseExternalId=known["south course"][1]["externalId"], period=str(n)) for n in range(3)),
    ]
    body = ok(fresh.api.post("sections", sections))
    assert len({item["id"] for item in body["items"]}) == 6


def test_teacher_is_the_employee_whom_the_source_is_given(admin):
    source = admin.new_source(sends_employees=True)
    employee_id = admin.create("hr.employee", name="Barry Tanner", company_id=source.company_id)
    (given,) = [one for page in source.api.pages("employees", limit=1000) for one in page if one["id"] == employee_id]
    section = entry(teacherExternalId=given["externalId"])
    created = ok(source.api.post("sections", section), 201)
    assert "warnings" not in created
    assert admin.read_one("school.section", created["id"], "teacher_id")["teacher_id"][1] == "Barry Tanner"
    changed = ok(source.api.post("sections", {**section, "teacherExternalId": "T-9"}))
    assert '"T-9"' in changed["warnings"][0]
    assert source.api.read("sections", section["externalId"])["teacherExternalId"] == "T-9"
    assert admin.read_one("school.section", created["id"], "teacher_id")["teacher_id"] is False
