"""What only enriches never blocks: what people mistyped is kept, told and shown, and refuses nothing."""

import pytest
from support import enrollment, ok, parent, pointers, problem, student, unique, without


def warned(source, external_id, admin):
    """The warnings that Odoo shows of what ``source`` calls ``external_id``."""
    domain = [("source_id", "=", source.id), ("external_id", "=", external_id), ("has_warnings", "=", True)]
    found = admin.read("school.sync.binding", domain, ["remarks_text"])
    return found[0]["remarks_text"].splitlines() if found else []


def given_back(source, entity, document):
    return without(source.api.read(entity, document["externalId"]), "updatedAt")


def country(admin, record_id, model="school.student"):
    return admin.read_one(model, record_id, "country_id")["country_id"]


# (where, what was mistyped, what the warning says, the field that stays empty)
ODD = {
    "an e-mail address that is none": ("parents", {"email": "ramesh.sharma"}, "ramesh.sharma", "email"),
    "a country that nobody knows": ("students", {"address": {"country": "Freedonia"}}, "Freedonia", "country_id"),
    "a country that resembles another": ("students", {"address": {"country": "Ruritania"}}, "Mauritania", "country_id"),
    "a guardian's country": ("parents", {"address": {"country": "Freedonia"}}, "Freedonia", "country_id"),
    "a state that nobody knows": (
        "students",
        {"address": {"country": "IN", "state": "Karnatka"}},
        "Karnatka",
        "state_id",
    ),
    "a gender that nobody knows": ("students", {"gender": "n/a"}, "n/a", "gender"),
    "a link that is none": ("students", {"photoUrl": "javascript:alert(1)"}, "javascript:alert(1)", "photo_url"),
    "a year that is none": ("students", {"previousSchool": {"yearOfCompletion": "last year"}}, "last year", ""),
    "a year out of range": ("students", {"previousSchool": {"yearOfCompletion": 20199}}, "20199", "previous_year"),
    "a grade that is none": ("applications", {"status": "draft", "gradeApplied": 2012}, "2012", "grade_id"),
    "a day that is none": ("applications", {"status": "draft", "submittedAt": "in May"}, "in May", "submitted_at"),
    "a day without a zone": (
        "applications",
        {"status": "draft", "decidedAt": "2025-05-03T10:12:44"},
        "2025-05-03T10:12:44",
        "decided_at",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_mistyped_is_kept_and_told(fresh, admin, case):
    entity, odd, word, field = ODD[case]
    kept = {"parents": parent, "students": student}.get(entity, lambda: {"externalId": unique("APP")})()
    document = {**kept, **odd}

    created = ok(fresh.api.post(entity, document), 201)
    (warning,) = created["warnings"]
    assert word in warning
    if field:
        assert not admin.read_one(created["model"], created["id"], field)[field]
    assert given_back(fresh, entity, document) == document
    assert warned(fresh, document["externalId"], admin) == [warning]

    again = ok(fresh.api.post(entity, document))
    assert (again["status"], again["version"], again["warnings"]) == ("unchanged", 1, [warning])

    # Corrected by the sender, or left out by it.
    cleared = {**document, **{name: None for name in odd if name != "status"}}
    body = ok(fresh.api.post(entity, cleared))
    assert "warnings" not in body
    assert warned(fresh, document["externalId"], admin) == []


def test_enrollment_with_a_grade_that_is_none(fresh, admin):
    pupil = student()
    ok(fresh.api.post("students", pupil), 201)
    document = enrollment(pupil["externalId"], gradeLevel=2012)
    created = ok(fresh.api.post("enrollments", document), 201)

    assert len(created["warnings"]) == 1 and "2012" in created["warnings"][0]
    assert not admin.read_one("school.enrollment", created["id"], "grade_id")["grade_id"]
    assert fresh.api.read("enrollments", document["externalId"])["gradeLevel"] == 2012
    assert ok(fresh.api.post("enrollments", document))["status"] == "unchanged"
    ok(fresh.api.post("enrollments", {**document, "gradeLevel": "Grade 7"}))
    assert admin.read_one("school.enrollment", created["id"], "grade_id")["grade_id"][1] == "Grade 7"


def test_payment_link_that_is_none(fresh):
    pupil = student()
    ok(fresh.api.post("students", pupil), 201)
    document = {
        "externalId": unique("FEE"),
        "studentExternalId": pupil["externalId"],
        "heads": [{"code": "TUITION", "amount": 900}],
        "total": 900,
        "firstPaymentLink": {"url": "pay at the office"},
    }
    created = ok(fresh.api.post("fee-schedules", document), 201)

    assert "pay at the office" in created["warnings"][0]
    assert ok(fresh.api.post("fee-schedules", document))["status"] == "unchanged"


def test_one_bad_email_in_a_family_of_eight(fresh):
    """All eight are synced, and there is one warning."""
    father, mother = parent(email="ramesh.sharma"), parent(email="suman@example.com")
    children = [student(parents=[father["externalId"], mother["externalId"]]) for _ in range(3)]
    enrollments = [enrollment(child["externalId"]) for child in children]
    bundle = {"enrollments": enrollments, "students": children, "parents": [father, mother]}

    body = ok(fresh.api.post("sync", bundle))
    assert (body["summary"]["received"], body["summary"]["created"]) == (8, 8)
    items = [item for entity in bundle for item in body[entity]["items"]]
    (warning,) = [warning for item in items for warning in item.get("warnings", [])]
    assert "ramesh.sharma" in warning

    body = ok(fresh.api.post("sync", bundle))
    assert body["summary"]["unchanged"] == 8


@pytest.mark.parametrize("between", [", ", ";", "\n", " ; ", " "])
def test_several_emails_in_one_text(fresh, admin, between):
    document = parent(email=between.join(("asha@example.com", "rao@example.com")))
    created = ok(fresh.api.post("parents", document), 201)

    (warning,) = created["warnings"]
    assert "asha@example.com is used" in warning and "rao@example.com" in warning
    assert admin.read_one("school.parent", created["id"], "email")["email"] == "asha@example.com"
    assert given_back(fresh, "parents", document) == document
    again = ok(fresh.api.post("parents", document))
    assert (again["status"], again["warnings"]) == ("unchanged", [warning])
    assert warned(fresh, document["externalId"], admin) == [warning]

    # The one that is used, alone: nothing changes but what is told.
    body = ok(fresh.api.post("parents", {**document, "email": "asha@example.com"}))
    assert (body["status"], "warnings" in body) == ("unchanged", False)
    assert warned(fresh, document["externalId"], admin) == []
    body = ok(fresh.api.post("parents", document))
    assert (body["status"], body["warnings"]) == ("unchanged", [warning])


def test_first_good_email_is_used(fresh, admin):
    created = ok(fresh.api.post("parents", parent(email="ask the mother, Asha <asha@example.com>")), 201)

    assert admin.read_one("school.parent", created["id"], "email")["email"] == "asha@example.com"


def test_country_that_odoo_learns_later(fresh, admin):
    name = unique("Freedonia")
    document = student(address={"country": name, "state": "Glory"})
    created = ok(fresh.api.post("students", document), 201)
    assert len(created["warnings"]) == 2
    assert not country(admin, created["id"])

    country_id = admin.create("res.country", name=name, code=free_code(admin))
    state = {"name": "Glory", "code": "GL", "country_id": country_id}
    admin.create("res.country.state", **state)
    body = ok(fresh.api.post("students", document))
    assert (body["status"], "warnings" in body) == ("updated", False)
    assert country(admin, created["id"])[0] == country_id
    assert admin.read_one("school.student", created["id"], "state_id")["state_id"]
    assert warned(fresh, document["externalId"], admin) == []
    assert ok(fresh.api.post("students", document))["status"] == "unchanged"
    assert given_back(fresh, "students", document) == document


def free_code(admin):
    taken = {one["code"] for one in admin.read("res.country", [], ["code"])}
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return next(code for one in letters for two in letters if (code := "X" + one + two)[:2] and code[1:] not in taken)[
        1:
    ]


def test_what_people_entered_in_odoo_is_not_undone_by_what_is_mistyped(fresh, admin):
    document = student(address={"country": "Freedonia"})
    created = ok(fresh.api.post("students", document), 201)
    (india,) = admin.read("res.country", [("code", "=", "IN")], ["id"])
    admin.write("school.student", created["id"], country_id=india["id"])

    assert ok(fresh.api.post("students", document))["status"] == "unchanged"
    assert ok(fresh.api.post("students", {**document, "address": {"country": "Sylvania"}}))["warnings"]
    assert country(admin, created["id"])[0] == india["id"]
    assert fresh.api.read("students", document["externalId"])["address"]["country"] == "India"

    body = ok(fresh.api.post("students", {**document, "address": {"country": "IN"}}))
    assert (body["status"], "warnings" in body) == ("unchanged", False)
    assert warned(fresh, document["externalId"], admin) == []


def test_what_is_mistyped_replaces_what_the_source_said(fresh, admin):
    document = student(address={"country": "India"}, gender="F")
    created = ok(fresh.api.post("students", document), 201)

    body = ok(fresh.api.post("students", {**document, "address": {"country": "Freedonia"}}))
    assert (body["status"], len(body["warnings"])) == ("updated", 1)
    assert not country(admin, created["id"])
    body = ok(fresh.api.post("students", {**document, "address": {"country": "Sylvania"}}))
    assert body["status"] == "updated"
    assert fresh.api.read("students", document["externalId"])["address"]["country"] == "Sylvania"
    body = ok(fresh.api.post("students", {**document, "fullName": "Ravi R."}))
    assert (body["status"], "warnings" in body) == ("updated", False)
    assert country(admin, created["id"])


def test_warning_stays_while_other_fields_change(fresh, admin):
    document = parent(email="nobody", phone="ask the mother", address={"country": "IN", "state": "Karnatka"})
    state, email, phone = sorted(ok(fresh.api.post("parents", document), 201)["warnings"])
    body = ok(fresh.api.post("parents", {"externalId": document["externalId"], "name": "Asha Sen"}))

    assert body["status"] == "updated"
    assert sorted(body["warnings"]) == sorted((email, state, phone))
    assert sorted(warned(fresh, document["externalId"], admin)) == sorted((email, state, phone))
    body = ok(fresh.api.post("parents", {**document, "name": "Asha Sen", "phone": "+1 650 555 0111"}))
    assert sorted(warned(fresh, document["externalId"], admin)) == sorted((email, state)) == sorted(body["warnings"])


def test_what_is_no_email_finds_no_contact(admin):
    source = admin.new_source(match_rule="email")
    admin.create("res.partner", name="Asha Rao", email="office")
    body = ok(source.api.post("parents", parent(email="office")), 201)

    assert len(body["warnings"]) == 1 and "office" in body["warnings"][0]


def test_first_of_several_emails_finds_the_contact(admin):
    source = admin.new_source(match_rule="email")
    email = f"{unique('asha')}@example.com"
    contact_id = admin.create("res.partner", name="Asha Rao", email=email)
    body = ok(source.api.post("parents", parent(email=f"{email}; rao@example.com")), 201)

    assert admin.read_one("school.parent", body["id"], "partner_id")["partner_id"][0] == contact_id


def test_what_one_source_mistyped_leaves_what_another_said(admin):
    email = f"{unique('asha')}@example.com"
    first, second = admin.new_source(), admin.new_source(match_rule="email")
    known = parent(email=email, address={"country": "India"})
    created = ok(first.api.post("parents", known), 201)
    document = parent(email=email, address={"country": "Freedonia"})
    body = ok(second.api.post("parents", document))

    assert body["id"] == created["id"]
    assert any("Freedonia" in warning for warning in body["warnings"])
    assert country(admin, created["id"], "school.parent")[1] == "India"
    assert ok(second.api.post("parents", document))["status"] == "unchanged"
    assert ok(first.api.post("parents", known))["status"] == "unchanged"
    assert first.api.read("parents", known["externalId"])["address"]["country"] == "India"


def test_what_decides_is_refused(fresh):
    refused = {
        "/dob": student(dob="2010-02-30"),
        "/updatedAt": student(updatedAt="yesterday"),
        "/parents/0/pickup": student(parents=[{"externalId": "P", "pickup": "perhaps"}]),
        "/parents/0/start": student(parents=[{"externalId": "P", "start": "soon"}]),
        "/photoUrl": student(photoUrl={"href": "https://example.com"}),
        "/address/country": student(address={"country": ["IN"]}),
    }
    for pointer, document in refused.items():
        assert list(pointers(problem(fresh.api.post("students", document), 422))) == [pointer]


def test_no_problem_and_no_mail_for_a_warning(fresh, admin):
    response = fresh.api.post("parents", parent(email="nobody"))
    ok(response, 201)

    assert admin.log_of(response, "state")["state"] == "success"
    assert "nobody" in admin.lines_of(response)[0]["message"]
    assert admin.read("school.sync.incident", [("source_id", "=", fresh.id)], ["id"]) == []


def test_warnings_are_listed_where_people_look(fresh, admin):
    document = student(address={"country": "Freedonia"})
    student_id = ok(fresh.api.post("students", document), 201)["id"]
    guardian_id = ok(fresh.api.post("parents", parent(email="nobody")), 201)["id"]
    ok(fresh.api.post("students", student()), 201)

    assert "Freedonia" in admin.read_one("school.student", student_id, "sync_warnings")["sync_warnings"]
    assert "nobody" in admin.read_one("school.parent", guardian_id, "sync_warnings")["sync_warnings"]
    assert admin.read_one("school.sync.source", fresh.id, "warning_count")["warning_count"] == 2
    action = admin.call("school.sync.source", "action_open_warnings", [fresh.id])
    assert admin.call("school.sync.binding", "search_count", action["domain"]) == 2
    mine = [("sync_binding_ids.source_id", "=", fresh.id), ("has_sync_warnings", "=", True)]
    assert [one["id"] for one in admin.read("school.student", mine, ["id"])] == [student_id]
    reader = admin.new_user("group_sync_reader", company_id=fresh.company_id, company_ids=[(6, 0, [fresh.company_id])])
    assert "Freedonia" in reader.read_one("school.student", student_id, "sync_warnings")["sync_warnings"]

    ok(fresh.api.delete("students", document["externalId"]))
    assert admin.read_one("school.sync.source", fresh.id, "warning_count")["warning_count"] == 1


def test_given_back_says_nothing_new(fresh):
    document = student(
        gender="unknown",
        photoUrl="none",
        address={"country": "Freedonia", "state": "Glory"},
        previousSchool={"yearOfCompletion": "2019/20"},
    )
    ok(fresh.api.post("students", document), 201)
    body = fresh.api.read("students", document["externalId"])

    assert without(body, "updatedAt") == document
    assert ok(fresh.api.post("students", body))["status"] == "unchanged"


# What waits for something that was refused


def test_what_waits_is_told_that_it_was_refused(fresh, admin):
    guardian, other = parent(name=""), parent()
    problem(fresh.api.post("parents", guardian), 422)
    pupil = student(parents=[guardian["externalId"], other["externalId"]])
    body = ok(fresh.api.post("students", pupil), 202)

    refused, missing = body["missing"]
    assert (refused["externalId"], missing["externalId"]) == (guardian["externalId"], other["externalId"])
    assert "refused" not in missing
    assert refused["refused"]["externalId"] == guardian["externalId"]
    assert "name must not be empty" in refused["refused"]["detail"]
    assert refused["refused"]["at"].endswith("Z")
    about_refused, about_missing = body["warnings"]
    assert "refused on" in about_refused and "name must not be empty" in about_refused
    assert "refused" not in about_missing

    domain = [("source_id", "=", fresh.id), ("external_id", "=", pupil["externalId"])]
    (parked,) = admin.read("school.sync.parked", domain, ["refusal"])
    assert guardian["externalId"] in parked["refusal"] and "name must not be empty" in parked["refusal"]
    (listed,) = ok(fresh.api.get("sync/parked"))["items"]
    assert listed["missing"][0]["refused"] == refused["refused"]

    ok(fresh.api.post("parents", [{**guardian, "name": "Asha Rao"}, other]))
    assert fresh.api.read("students", pupil["externalId"])["fullName"] == pupil["fullName"]
    assert admin.read("school.sync.parked", domain, ["refusal"]) == []


def test_what_waits_for_what_waits_is_told_of_the_refusal_as_well(fresh):
    """A family in one bundle, whose father is refused: everybody who waits is told why."""
    father = parent(name="")
    child = student(parents=[father["externalId"]])
    place = enrollment(child["externalId"])
    bundle = {"enrollments": [place], "students": [child], "parents": [father]}
    body = ok(fresh.api.post("sync", bundle), 207)

    for entity in ("students", "enrollments"):
        (missing,) = body[entity]["items"][0]["missing"]
        assert missing["refused"]["externalId"] == father["externalId"]
        assert missing["refused"]["entity"] == "parents"
        (warning,) = body[entity]["items"][0]["warnings"]
        assert father["externalId"] in warning and "name must not be empty" in warning

    # The same alone, in a later request.
    (missing,) = ok(fresh.api.post("enrollments", enrollment(child["externalId"])), 202)["missing"]
    assert missing["refused"]["externalId"] == father["externalId"]


def test_refused_for_another_reason_since(fresh):
    guardian = parent(name="")
    problem(fresh.api.post("parents", guardian), 422)
    problem(fresh.api.post("parents", {**guardian, "name": "x" * 300}), 422)
    (missing,) = ok(fresh.api.post("students", student(parents=[guardian["externalId"]])), 202)["missing"]

    assert "too long" in missing["refused"]["detail"]
