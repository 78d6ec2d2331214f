"""Contacts that are in Odoo already: taken over by the rule of the source, and never by guessing."""

import pytest
from support import OdooRefuses, ok, parent, problem, student, unique


@pytest.fixture(scope="module")
def by(admin):
    """A source for each rule of taking over contacts."""
    return {rule: admin.new_source(match_rule=rule) for rule in ("never", "email", "email_name", "reference")}


@pytest.fixture
def email():
    return f"{unique('asha').lower()}@example.com"


@pytest.fixture
def contact(admin):
    """Makes contacts."""

    def make(**values):
        return admin.create("res.partner", **{"name": "Asha Rao", **values})

    return make


def contact_of(admin, answer):
    return admin.read_one(answer["model"], answer["id"], "partner_id")["partner_id"][0]


def send(admin, source, document, entity="parents"):
    """The contact behind ``document``, and what the answer warns of."""
    response = source.api.post(entity, document)
    answer = ok(response, 201)
    return contact_of(admin, answer), " ".join(answer.get("warnings", ())), response


def test_never(admin, by, contact, email):
    there = contact(email=email, ref=email)
    taken, warnings, _response = send(admin, by["never"], parent(externalId=email, email=email))

    assert taken != there
    assert "was taken over" not in warnings


def test_by_email(admin, by, contact, email):
    there = contact(email=email.upper(), name="RAO, Asha", city="Pune")
    document = parent(email=email, phone="+91 9876501234")
    taken, warnings, response = send(admin, by["email"], document)

    assert taken == there
    assert "was taken over" in warnings and str(there) in warnings
    held = admin.read_one("res.partner", there, "name", "phone", "city", "email")
    assert (held["name"], held["phone"], held["city"]) == ("Asha Rao", "+91 9876501234", "Pune")
    (line,) = admin.lines_of(response)
    assert (line["status"], line["external_id"]) == ("created", document["externalId"])
    assert "was taken over" in line["message"] and str(there) in line["message"]


def test_by_email_what_has_no_email_is_made_anew(admin, by, contact):
    there = contact(email=False)
    taken, _warnings, _response = send(admin, by["email"], parent())

    assert taken != there


def test_by_email_and_name(admin, by, contact, email):
    other, there = contact(email=email, name="Rohan Rao"), contact(email=email, name="ASHA rao")
    taken, _warnings, _response = send(admin, by["email_name"], parent(email=email))

    assert taken == there != other


def test_by_email_and_name_another_name_is_another_person(admin, by, contact, email):
    there = contact(email=email, name="Rohan Rao")
    taken, _warnings, _response = send(admin, by["email_name"], parent(email=email))

    assert taken != there


@pytest.mark.parametrize("entity", ["parents", "students"])
def test_by_reference(admin, by, contact, entity):
    document = parent() if entity == "parents" else student()
    there = contact(ref=document["externalId"], name="Somebody Else")
    taken, warnings, _response = send(admin, by["reference"], document, entity)

    assert taken == there
    assert "was taken over" in warnings
    assert admin.read_one("res.partner", there, "name")["name"] in ("Asha Rao", "Ravi Rao")


@pytest.mark.parametrize("rule", ["email", "reference"])
def test_two_that_match_are_not_guessed(admin, by, contact, email, rule):
    document = parent(externalId=email, email=email)
    there = {contact(email=email, ref=email), contact(email=email, ref=email)}
    taken, warnings, response = send(admin, by[rule], document)

    assert taken not in there
    assert "not clear" in warnings
    (line,) = admin.lines_of(response)
    assert "not clear" in line["message"]


def test_of_two_documents_with_the_email_of_a_family_one_has_the_name(admin, by, contact, email):
    there = contact(email=email)
    father, mother = parent(email=email, name="Rohan Rao"), parent(email=email)
    body = ok(by["email"].api.post("parents", [father, mother]))

    contacts = [contact_of(admin, item) for item in body["items"]]
    assert contacts[0] != there == contacts[1]
    assert admin.read_one("res.partner", there, "name")["name"] == "Asha Rao"


def test_second_document_with_the_email_of_a_family_is_not_merged_into_the_first(admin, by, email):
    father, _warnings, _response = send(admin, by["email"], parent(email=email, name="Rohan Rao"))
    mother, _warnings, _response = send(admin, by["email"], parent(email=email))

    assert father != mother
    assert admin.read_one("res.partner", father, "name")["name"] == "Rohan Rao"


def test_companies_are_not_people(admin, by, contact, email):
    there = contact(email=email, is_company=True, name="Rao & Sons")
    taken, _warnings, _response = send(admin, by["email"], parent(email=email))

    assert taken != there
    assert admin.read_one("res.partner", there, "name")["name"] == "Rao & Sons"


def test_contact_of_another_company_is_not_taken(admin, by, contact, email):
    there = contact(email=email, company_id=admin.new_company())
    taken, _warnings, _response = send(admin, by["email"], parent(email=email))

    assert taken != there


@pytest.mark.parametrize("later", [False, True], ids=["first document", "later document"])
def test_contact_of_staff_with_a_login_is_not_overwritten(admin, by, email, later):
    """Whoever may change a colleague's e-mail may take over the account."""
    user = admin.create("res.users", name="Asha Rao", login=email, email=email)
    there = admin.read_one("res.users", user, "partner_id")["partner_id"][0]
    document = parent(email=email, name="Asha Rao", phone="+91 9876501234")
    response = by["email"].api.post("parents", document)
    answer = ok(response, 201)
    if later:
        changes = {"name": "Evil Rao", "email": f"evil-{email}", "phone": "+91 9999999999", "relation": "Aunt"}
        answer = ok(by["email"].api.post("parents", {**document, **changes}))

    assert contact_of(admin, answer) == there
    assert "staff" in " ".join(answer["warnings"])
    held = admin.read_one("res.partner", there, "name", "email", "phone")
    assert (held["name"], held["email"], held["phone"]) == ("Asha Rao", email, False)
    if later:
        assert admin.read_one("school.parent", answer["id"], "relation")["relation"] == "Aunt"


@pytest.mark.parametrize("rule", ["email", "reference"])
def test_administrator_cannot_be_renamed_through_the_api(admin, by, rule):
    before = admin.read_one("res.partner", 3, "name", "email", "ref")
    assert admin.read_one("res.users", 2, "partner_id")["partner_id"][0] == 3
    document = parent(externalId=before["ref"] or unique(), email=before["email"] or "admin@example.com", name="Evil")
    by[rule].api.post("parents", document)

    assert admin.read_one("res.partner", 3, "name", "email", "ref") == before


def test_parent_who_is_a_student_too_is_one_contact(admin, by):
    """Two roles, one person: the reference says so."""
    external_id = unique("BOTH")
    admin.create("res.partner", name="Ravi Rao", ref=external_id)
    as_student, _warnings, _response = send(admin, by["reference"], student(externalId=external_id), "students")
    as_parent, _warnings, _response = send(admin, by["reference"], parent(externalId=external_id, name="Ravi Rao"))

    assert as_student == as_parent


def test_contact_that_was_taken_over_outlives_one_of_its_roles(admin, by):
    external_id = unique("BOTH")
    contact_id = admin.create("res.partner", name="Ravi Rao", ref=external_id)
    ok(by["reference"].api.post("students", student(externalId=external_id)), 201)
    ok(by["reference"].api.post("parents", parent(externalId=external_id, name="Ravi Rao")), 201)
    ok(by["reference"].api.delete("students", external_id))

    assert admin.read_one("res.partner", contact_id, "active")["active"]


def test_archived_contact_is_taken_and_restored(admin, by, contact, email):
    there = contact(email=email, active=False)
    taken, warnings, _response = send(admin, by["email"], parent(email=email))

    assert taken == there and "was taken over" in warnings
    assert admin.read_one("res.partner", there, "active")["active"]


def test_active_contact_goes_before_an_archived_one(admin, by, contact, email):
    contact(email=email, active=False)
    there = contact(email=email)
    taken, _warnings, _response = send(admin, by["email"], parent(email=email))

    assert taken == there


@pytest.mark.parametrize(
    ("rule", "document", "expected"),
    [
        ("source", {}, "sent"),
        ("odoo", {}, "held"),
        ("ask", {}, "held"),
        ("newest", {"updatedAt": "2020-01-01T00:00:00Z"}, "held"),
        ("newest", {"updatedAt": "2099-01-01T00:00:00Z"}, "sent"),
        ("newest", {}, "sent"),
    ],
)
def test_what_the_contact_holds_is_a_side_of_its_own(admin, contact, email, rule, document, expected):
    """Who wins is the source's rule; the other value is kept, and put in with a click."""
    source = admin.new_source(match_rule="email", conflict_policy=rule)
    phones = {"held": "+91 1111111111", "sent": "+91 2222222222"}
    there = contact(email=email, phone=phones["held"], function="Farmer")
    document = parent(email=email, phone=phones["sent"], **document)
    taken, warnings, _response = send(admin, source, document)

    def held():
        return admin.read_one("res.partner", there, "phone", "function", "name")

    assert taken == there
    assert (held()["phone"], held()["function"], held()["name"]) == (phones[expected], "Farmer", "Asha Rao")
    assert "/phone differs in the existing contact" in warnings
    assert ok(source.api.post("parents", document))["status"] == "unchanged"
    (conflict,) = admin.read(
        "school.sync.conflict", [("external_id", "=", document["externalId"])], ["summary", "state"]
    )
    assert (conflict["summary"], conflict["state"]) == ("phone", "settled")
    admin.call("school.sync.conflict", "action_restore_all", [conflict["id"]])
    assert held()["phone"] == phones["held" if expected == "sent" else "sent"]


def test_in_a_batch_each_finds_its_own_contact(admin, contact):
    source = admin.new_source(match_rule="email", conflict_policy="odoo")
    emails = [f"{unique('asha').lower()}@example.com" for _ in range(4)]
    there = [contact(email=email, phone="+91 1111111111") for email in emails]
    documents = [parent(email=email, phone="+91 2222222222") for email in emails]
    body = ok(source.api.post("parents", [*documents, parent(name="")]), 207)

    assert [item["status"] for item in body["items"]] == ["created"] * 4 + ["failed"]
    assert [contact_of(admin, item) for item in body["items"][:4]] == there
    assert {row["phone"] for row in admin.read("res.partner", [("id", "in", there)], ["phone"])} == {"+91 1111111111"}


# ----------------------------------------------------------------------
# Two schools, and the contact of a family that has children in both
# ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_school(admin):
    """A second company, in which the administrator, too, may look."""
    company_id = admin.new_company()
    admin.write("res.users", admin.uid, company_ids=[(4, company_id)])
    return company_id


@pytest.mark.parametrize("rule", ["email", "email_name", "reference"])
def test_two_schools_never_share_a_contact(admin, contact, email, other_school, rule):
    here = admin.new_source(match_rule=rule)
    there = admin.new_source(match_rule=rule, company_id=other_school)
    shared = contact(email=email, ref=email)
    document = parent(externalId=email, email=email, name="Asha Rao")
    taken, warnings, _response = send(admin, here, {**document, "phone": "+91 1111111111"})
    assert taken == shared and "was taken over" in warnings

    answer = ok(there.api.post("parents", {**document, "phone": "+91 2222222222"}), 201)
    # Not even that another school knows the address is told.
    assert "warnings" not in answer
    assert there.api.read("parents", email)["phone"] == "+91 2222222222"
    assert here.api.read("parents", email)["phone"] == "+91 1111111111"
    ok(there.api.post("parents", {"externalId": email, "name": "Asha Rao", "phone": "+91 3333333333"}))
    assert admin.read_one("res.partner", shared, "phone")["phone"] == "+91 1111111111"


def test_contact_of_a_student_of_another_school_is_not_taken_over_as_a_guardian(admin, contact, email, other_school):
    here = admin.new_source(match_rule="email")
    there = admin.new_source(match_rule="reference", company_id=other_school)
    shared = contact(email=email, ref=email, street="1 Secret Lane")
    ok(there.api.post("students", student(externalId=email, address={"permanent": "1 Secret Lane"})), 201)
    taken, _warnings, _response = send(admin, here, parent(email=email))

    assert taken != shared


def test_both_schools_take_over_at_the_same_moment(admin, contact, email, other_school, tables):
    """Neither sees the other's role yet, and still only one gets the contact."""
    sources = [admin.new_source(match_rule="email"), admin.new_source(match_rule="email", company_id=other_school)]
    shared = contact(email=email)
    document = parent(email=email)
    with tables.hold("SELECT FROM res_partner WHERE id = %s FOR UPDATE", shared) as blocker:
        with (
            tables.meanwhile(sources[0].api.post, "parents", document) as first,
            tables.meanwhile(sources[1].api.post, "parents", document) as second,
        ):
            tables.wait_for_a_lock(2)
            blocker.rollback()
    for answer in (first.result(), second.result()):
        ok(answer, 201)
    assert tables.one("SELECT count(DISTINCT company_id) FROM school_parent WHERE partner_id = %s", shared) == 1


def test_people_cannot_give_a_contact_a_role_in_a_second_school(admin, contact, email, other_school):
    there = contact(email=email)
    admin.create("school.parent", partner_id=there)
    for model in ("school.parent", "school.student"):
        with pytest.raises(OdooRefuses, match="school"):
            admin.create(model, partner_id=there, company_id=other_school)


# ----------------------------------------------------------------------
# Employees are staff, with a login or without
# ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["employee", "archived", "of another company"])
@pytest.mark.parametrize("entity", ["parents", "students"])
def test_work_contact_of_an_employee_is_not_overwritten(admin, email, other_school, how, entity):
    source = admin.new_source(match_rule="reference")
    company = {"company_id": other_school} if how == "of another company" else {}
    employee = admin.create("hr.employee", name="Asha Rao", work_email=email, work_phone="+91 1111111111", **company)
    work_contact = admin.read_one("hr.employee", employee, "work_contact_id")["work_contact_id"][0]
    external_id = unique()
    admin.write("res.partner", work_contact, ref=external_id, company_id=False)
    if how == "archived":
        admin.call("hr.employee", "action_archive", [employee])
        admin.write("res.partner", work_contact, active=True)
    name = {"parents": "name", "students": "fullName"}[entity]
    document = {"externalId": external_id, name: "Evil Rao"}
    if entity == "parents":
        document |= {"email": f"evil-{email}", "phone": "+91 9999999999"}
    else:
        document["address"] = {"city": "Pune"}
    answer = ok(source.api.post(entity, document), 201)
    later = ok(source.api.post(entity, {**document, name: "Evil Rani"}))

    assert contact_of(admin, answer) == work_contact
    assert all("staff" in " ".join(one["warnings"]) for one in (answer, later))
    held = admin.read_one("hr.employee", employee, "work_email", "work_phone", "name")
    assert (held["name"], held["work_email"], held["work_phone"]) == ("Asha Rao", email, "+91 1111111111")
    assert admin.read_one("res.partner", work_contact, "name", "city") == {
        "id": work_contact,
        "name": "Asha Rao",
        "city": False,
    }


def test_guardian_who_is_hired_keeps_the_data_of_hr(admin, email):
    source = admin.new_source()
    document = parent(email=email)
    answer = ok(source.api.post("parents", document), 201)
    contact_id = contact_of(admin, answer)
    employee = admin.create("hr.employee", name="Asha Rao", work_contact_id=contact_id)
    answer = ok(source.api.post("parents", {**document, "email": f"private-{email}"}))

    assert "staff" in " ".join(answer["warnings"])
    assert admin.read_one("hr.employee", employee, "work_email")["work_email"] == email


# ----------------------------------------------------------------------
# Contacts that people merge
# ----------------------------------------------------------------------


def test_merged_guardians_answer_under_both_names(admin, email):
    source = admin.new_source()
    documents = [parent(email=email), parent(email=email, phone="+91 2222222222")]
    kept, merged = (contact_of(admin, ok(source.api.post("parents", document), 201)) for document in documents)
    wizard = admin.create("base.partner.merge.automatic.wizard", partner_ids=[(6, 0, [kept, merged])])
    admin.write("base.partner.merge.automatic.wizard", wizard, dst_partner_id=kept)
    admin.call("base.partner.merge.automatic.wizard", "action_merge", [wizard])

    names = [document["externalId"] for document in documents]
    assert source.api.listed("parents") == names
    for name, document in zip(names, documents, strict=True):
        read = source.api.get("parents", name)
        assert ok(read)["phone"] == "+91 2222222222"
        assert ok(source.api.post("parents", document))["status"] == "unchanged"
        newer = {**document, "occupation": f"Pilot {name}"}
        ok(source.api.post("parents", newer, headers={"If-Match": read.headers["ETag"]}))
        problem(source.api.post("parents", document, headers={"If-Match": read.headers["ETag"]}), 412)
    body = ok(source.api.post("parents", [{**document, "relation": "Aunt"} for document in documents]))
    assert {contact_of(admin, item) for item in body["items"]} == {kept}
