"""What schools know of people besides their names: addresses, parts of names, phones, e-mails, programs, languages."""

import pytest
from support import ok, parent, pointers, problem, student, unique

ADDRESS = {
    "permanent": "12 Lake Road",
    "correspondence": "PO Box 12",
    "city": "Bangalore",
    "state": "Karnataka",
    "country": "IN",
    "pin": "560034",
}


def contact_of(admin, answer, *names):
    """Fields ``names`` of the contact behind the person of ``answer``."""
    contact_id = admin.read_one(answer["model"], answer["id"], "partner_id")["partner_id"][0]
    return admin.read_one("res.partner", contact_id, *names)


# Addresses


def test_invoice_carries_the_street_of_the_guardian_who_pays(fresh, admin):
    payer = parent(address=ADDRESS)
    answer = ok(fresh.api.post("parents", payer), 201)
    child = student(parents=[{"externalId": payer["externalId"], "pays": True}], address={"permanent": "1 Other Road"})
    ok(fresh.api.post("students", child), 201)
    billing = {
        "externalId": unique("BIL"),
        "studentExternalId": child["externalId"],
        "issueDate": "2025-06-01",
        "dueDate": "2025-06-30",
        "currency": "USD",
        "status": "sent",
        "lines": [{"code": "TUITION", "amount": 300}],
    }
    billing_id = ok(fresh.api.post("billings", billing), 201)["id"]

    move_id = admin.read_one("school.billing", billing_id, "move_id")["move_id"][0]
    customer_id = admin.read_one("account.move", move_id, "partner_id")["partner_id"][0]
    customer = admin.read_one("res.partner", customer_id, "street", "city", "zip", "state_id", "country_id")
    assert (customer["street"], customer["city"], customer["zip"]) == ("12 Lake Road", "Bangalore", "560034")
    assert customer["state_id"][1].startswith("Karnataka") and customer["country_id"][1] == "India"
    assert customer_id == contact_of(admin, answer, "id")["id"]
    assert fresh.api.read("parents", payer["externalId"])["address"] == ADDRESS


def test_guardian_without_an_address_is_not_given_that_of_the_student(fresh, admin):
    guardian = parent()
    answer = ok(fresh.api.post("parents", guardian), 201)
    ok(fresh.api.post("students", student(parents=[guardian["externalId"]], address=ADDRESS)), 201)

    contact = contact_of(admin, answer, "street", "city")
    assert (contact["street"], contact["city"]) == (False, False)
    assert "address" not in fresh.api.read("parents", guardian["externalId"])


def test_address_of_a_guardian_is_laid_over_what_is_held(fresh):
    guardian = parent(address={**ADDRESS, "state": "Malgudi"})
    warnings = ok(fresh.api.post("parents", guardian), 201)["warnings"]
    assert any("/address/state" in warning for warning in warnings)
    ok(fresh.api.post("parents", {**guardian, "address": {"city": "Mysore", "pin": None}}))

    held = fresh.api.read("parents", guardian["externalId"])["address"]
    assert held == {**ADDRESS, "state": "Malgudi", "city": "Mysore", "pin": None}
    ok(fresh.api.post("parents", {**guardian, "address": None}))
    assert set(fresh.api.read("parents", guardian["externalId"])["address"].values()) == {None}


def test_address_of_staff_is_kept(admin):
    source = admin.new_source(match_rule="email")
    email = f"{unique('asha').lower()}@example.com"
    admin.create("res.users", name="Asha Rao", login=email, email=email)
    answer = ok(source.api.post("parents", parent(email=email, address=ADDRESS)), 201)

    assert "staff" in " ".join(answer["warnings"])
    assert contact_of(admin, answer, "street")["street"] is False


def test_guardian_who_is_a_student_too_has_one_address(admin):
    """Two roles of one contact: a change by either document is seen, and none is undone by a repetition."""
    source = admin.new_source(match_rule="reference")
    external_id = unique("BOTH")
    admin.create("res.partner", name="Ravi Rao", ref=external_id)
    as_student = student(externalId=external_id, address={"permanent": "1 Old Road"})
    as_guardian = parent(externalId=external_id, name="Ravi Rao", address={"permanent": "1 Old Road"})
    ok(source.api.post("students", as_student), 201)
    answer = ok(source.api.post("parents", as_guardian), 201)
    ok(source.api.post("parents", {**as_guardian, "address": {"permanent": "2 New Road"}}))

    assert ok(source.api.post("students", as_student))["status"] == "unchanged"
    assert contact_of(admin, answer, "street")["street"] == "2 New Road"


# Names in parts, and what else a student has of their own

NAME = {
    "title": "Dr.",
    "givenName": "Maria",
    "middleName": "Elena",
    "familyName": "De La Cruz",
    "suffix": "Jr.",
    "preferredName": "Mari",
}


@pytest.mark.parametrize(("entity", "path"), [("parents", "name"), ("students", "fullName")])
def test_whole_name_is_made_of_its_parts(fresh, admin, entity, path):
    document = {"externalId": unique(), **NAME}
    answer = ok(fresh.api.post(entity, document), 201)
    assert contact_of(admin, answer, "name")["name"] == "Maria Elena De La Cruz Jr."
    read = fresh.api.read(entity, document["externalId"])
    assert {key: read[key] for key in (*NAME, path)} == {**NAME, path: "Maria Elena De La Cruz Jr."}
    assert admin.call(answer["model"], "name_search", "Mari")

    ok(fresh.api.post(entity, {"externalId": document["externalId"], "givenName": "Maria", "familyName": "Cruz"}))
    assert contact_of(admin, answer, "name")["name"] == "Maria Elena Cruz Jr."
    ok(fresh.api.post(entity, {**document, "middleName": None, "suffix": "", "familyName": "Cruz"}))
    assert contact_of(admin, answer, "name")["name"] == "Maria Cruz"


@pytest.mark.parametrize(("entity", "path"), [("parents", "name"), ("students", "fullName")])
def test_whole_name_that_is_sent_is_what_odoo_shows(fresh, admin, entity, path):
    document = {"externalId": unique(), **NAME, path: "Cruz, Maria"}
    answer = ok(fresh.api.post(entity, document), 201)
    assert contact_of(admin, answer, "name")["name"] == "Cruz, Maria"
    assert admin.read_one(answer["model"], answer["id"], "family_name")["family_name"] == "De La Cruz"

    again = {name: value for name, value in document.items() if name != path}
    assert ok(fresh.api.post(entity, again))["status"] == "unchanged"
    assert contact_of(admin, answer, "name")["name"] == "Cruz, Maria"


def test_name_is_needed_whole_or_in_parts(fresh):
    for fields in ({}, {"middleName": "E"}, {"preferredName": "M"}, {"givenName": "", "familyName": None}):
        body = problem(fresh.api.post("parents", {"externalId": unique(), **fields}), 422)
        assert pointers(body) == {"/name": "required"}
    ok(fresh.api.post("parents", {"externalId": unique(), "name": "", "familyName": "Rao"}), 201)
    ok(fresh.api.post("students", {"externalId": unique(), "fullName": None, "givenName": "Ravi"}), 201)


def test_name_that_people_changed_is_a_conflict_with_its_parts(admin):
    source = admin.new_source(conflict_policy="ask")
    document = {"externalId": unique(), "givenName": "Asha", "familyName": "Rao"}
    answer = ok(source.api.post("parents", document), 201)
    admin.write("school.parent", answer["id"], name="Asha Rao-Das")

    body = problem(source.api.post("parents", {**document, "familyName": "Das"}), 409)
    assert pointers(body) == {"/name": "conflict"}
    assert contact_of(admin, answer, "name")["name"] == "Asha Rao-Das"


def test_guardian_is_found_by_email_and_a_name_in_parts(admin):
    source = admin.new_source(match_rule="email_name")
    email = f"{unique('asha').lower()}@example.com"
    there = admin.create("res.partner", name="Asha Rao", email=email)
    document = {"externalId": unique(), "givenName": "Asha", "familyName": "Rao", "email": email}
    assert contact_of(admin, ok(source.api.post("parents", document), 201), "id")["id"] == there


def test_student_has_a_number_an_email_and_a_phone(fresh, admin):
    number = unique("N")
    document = student(studentNumber=number, email="ravi@example.com", phone="+91 98765 01234")
    answer = ok(fresh.api.post("students", document), 201)

    assert admin.read_one("school.student", answer["id"], "student_number")["student_number"] == number
    contact = contact_of(admin, answer, "email", "phone")
    assert (contact["email"], contact["phone"]) == ("ravi@example.com", "+91 98765 01234")
    read = fresh.api.read("students", document["externalId"])
    assert {name: read[name] for name in document} == document
    assert admin.call("school.student", "name_search", number)
    ok(fresh.api.post("students", {**document, "studentNumber": None, "email": "", "phone": None}))
    assert contact_of(admin, answer, "email", "phone") == {"id": contact["id"], "email": False, "phone": False}
    assert any("/phone" in w for w in ok(fresh.api.post("students", {**document, "phone": "none"}))["warnings"])


# Several phones and e-mails

PHONES = [
    {"number": "+91 98765 01234", "type": "mobile", "primary": True},
    {"number": "+91 80 2222 3333", "type": "home"},
    {"number": "+91 80 4444 5555"},
]
EMAILS = [
    {"address": "asha@home.example", "type": "home"},
    {"address": "asha@work.example", "type": "work", "primary": True},
]


def reach_of(source, external_id, entity="parents"):
    """How a person is reached, as GET tells it: phone, the other numbers, e-mail, the other addresses."""
    read = source.api.read(entity, external_id)
    phones = sorted(entry["number"] for entry in read.get("phones") or () if not entry.get("primary"))
    emails = sorted(entry["address"] for entry in read.get("emails") or () if not entry.get("primary"))
    return read.get("phone"), phones, read.get("email"), emails


@pytest.mark.parametrize("entity", ["parents", "students"])
def test_several_phones_and_emails(fresh, admin, entity):
    document = {"externalId": unique(), "givenName": "Asha", "phones": PHONES, "emails": EMAILS}
    answer = ok(fresh.api.post(entity, document), 201)

    contact = contact_of(admin, answer, "phone", "phone_type", "email", "email_type")
    assert (contact["phone"], contact["phone_type"]) == ("+91 98765 01234", "mobile")
    assert (contact["email"], contact["email_type"]) == ("asha@work.example", "work")
    others = admin.read("school.contact.point", [("partner_id", "=", contact["id"])], ["kind", "type", "value"])
    assert {(one["kind"], one["type"], one["value"]) for one in others} == {
        ("phone", "home", "+91 80 2222 3333"),
        ("phone", "other", "+91 80 4444 5555"),
        ("email", "home", "asha@home.example"),
    }
    read = fresh.api.read(entity, document["externalId"])
    assert (read["phones"], read["emails"]) == (PHONES, EMAILS)
    assert (read["phone"], read["email"]) == ("+91 98765 01234", "asha@work.example")


def test_phone_that_is_not_listed_first_finds_the_person(fresh, admin):
    digits = str(abs(hash(unique())))[:8].ljust(8, "7")
    document = parent(phones=["+91 98765 01234", f"+91 80 {digits[:4]} {digits[4:]}"])
    answer = ok(fresh.api.post("parents", document), 201)
    for typed in (f"{digits[:4]}-{digits[4:]}", digits, f"+9180{digits}"):
        assert admin.read("school.parent", [("any_phone", "ilike", typed)], ["id"]) == [{"id": answer["id"]}]


def test_single_phone_decides_which_is_the_primary_one(fresh):
    document = parent(phone="+91 80 2222 3333", phones=PHONES)
    answer = ok(fresh.api.post("parents", document), 201)
    assert any("/phone" in warning and "primary" in warning for warning in answer["warnings"])
    external_id = document["externalId"]
    assert reach_of(fresh, external_id)[:2] == ("+91 80 2222 3333", ["+91 80 4444 5555", "+91 98765 01234"])

    ok(fresh.api.post("parents", parent(externalId=external_id, phone="+91 1111111111")))
    assert reach_of(fresh, external_id)[:2] == ("+91 1111111111", ["+91 80 4444 5555", "+91 98765 01234"])
    ok(fresh.api.post("parents", parent(externalId=external_id, phones=["+91 3333333333"])))
    assert reach_of(fresh, external_id)[:2] == ("+91 3333333333", [])
    ok(fresh.api.post("parents", parent(externalId=external_id, phones=[])))
    assert reach_of(fresh, external_id)[:2] == (None, [])


def test_list_without_a_primary_entry_keeps_the_phone_that_is_there(fresh):
    document = parent(phone="+91 80 2222 3333")
    ok(fresh.api.post("parents", document), 201)
    numbers = ["+91 98765 01234", "+918022223333"]
    ok(fresh.api.post("parents", parent(externalId=document["externalId"], phones=numbers)))
    assert reach_of(fresh, document["externalId"])[:2] == ("+91 80 2222 3333", ["+91 98765 01234"])


def test_list_without_a_primary_entry_begins_with_the_mobile(fresh):
    phones = [{"number": "+91 80 2222 3333", "type": "Home"}, {"number": "+91 98765 01234", "type": "Cell"}]
    for listed in (phones, phones[::-1]):
        document = parent(phones=listed)
        ok(fresh.api.post("parents", document), 201)
        assert reach_of(fresh, document["externalId"])[:2] == ("+91 98765 01234", ["+91 80 2222 3333"])


def test_empty_list_beside_a_single_phone_changes_nothing(fresh):
    document = parent(phone="+91 98765 01234", email="asha@example.com")
    ok(fresh.api.post("parents", document), 201)
    silent = parent(externalId=document["externalId"], phones=[], emails=None)
    assert ok(fresh.api.post("parents", silent))["status"] == "unchanged"
    assert reach_of(fresh, document["externalId"]) == ("+91 98765 01234", [], "asha@example.com", [])


def test_phone_that_people_changed_is_kept_beside_the_list(fresh, admin):
    document = parent(phones=PHONES)
    answer = ok(fresh.api.post("parents", document), 201)
    admin.write("school.parent", answer["id"], phone="+91 7777777777")
    assert reach_of(fresh, document["externalId"])[:2] == ("+91 7777777777", ["+91 80 2222 3333", "+91 80 4444 5555"])

    more = [*PHONES, {"number": "+91 6666666666", "type": "work"}]
    ok(fresh.api.post("parents", {**document, "phones": more}))
    phone, others, _email, _emails = reach_of(fresh, document["externalId"])
    assert (phone, others) == ("+91 7777777777", ["+91 6666666666", "+91 80 2222 3333", "+91 80 4444 5555"])


def test_phones_that_people_added_are_a_side_of_their_own(admin):
    source = admin.new_source(conflict_policy="odoo")
    document = parent(phones=PHONES)
    answer = ok(source.api.post("parents", document), 201)
    contact = contact_of(admin, answer, "id")["id"]
    admin.create("school.contact.point", partner_id=contact, kind="phone", value="+91 5555555555")
    changed = ok(source.api.post("parents", {**document, "phones": PHONES[:1]}))
    assert any("phones" in warning for warning in changed["warnings"])
    assert "+91 5555555555" in reach_of(source, document["externalId"])[1]


def test_odd_phones_and_emails(fresh):
    body = problem(fresh.api.post("parents", parent(phones=[{"number": "1", "primary": True}] * 2)), 422)
    assert pointers(body) == {"/phones": "several_primary"}
    assert pointers(problem(fresh.api.post("parents", parent(phones=[{"type": "home"}])), 422)) == {
        "/phones/0/number": "required"
    }
    answer = ok(fresh.api.post("parents", parent(phones=["+91 98765 01234", "ask the mother"])), 201)
    assert any(warning.startswith('/phones/1/number "ask the mother"') for warning in answer["warnings"])


def test_email_that_is_none_refuses_nobody(fresh, admin):
    emails = [{"address": "nobody", "primary": True}, "ask the mother", "asha@example.com, rao@example.com"]
    document = parent(emails=emails)
    answer = ok(fresh.api.post("parents", document), 201)

    warnings = "\n".join(answer["warnings"])
    for where in ('/email "nobody"', '/emails/1/address "ask the mother"', "/emails/2/address is not one"):
        assert where in warnings
    assert contact_of(admin, answer, "email")["email"] is False
    read = fresh.api.read("parents", document["externalId"])
    assert [entry["address"] for entry in read["emails"]] == ["nobody", "ask the mother", emails[2]]
    again = ok(fresh.api.post("parents", {name: value for name, value in read.items() if name in ("email", *document)}))
    assert again["status"] == "unchanged"


def test_phones_and_emails_of_staff_are_kept(admin):
    source = admin.new_source(match_rule="email")
    email = f"{unique('asha').lower()}@example.com"
    admin.create("res.users", name="Asha Rao", login=email, email=email)
    document = parent(emails=[{"address": email, "primary": True}, "evil@example.com"], phones=PHONES)
    answer = ok(source.api.post("parents", document), 201)

    assert "staff" in " ".join(answer["warnings"])
    contact = contact_of(admin, answer, "phone", "email", "phone_point_ids", "email_point_ids")
    assert (contact["phone"], contact["email"]) == (False, email)
    assert (contact["phone_point_ids"], contact["email_point_ids"]) == ([], [])


def test_merged_contacts_have_each_phone_once(admin):
    source = admin.new_source()
    documents = [parent(phones=PHONES), parent(phones=[*PHONES[:2], {"number": "+91 6666666666", "type": "work"}])]
    kept, merged = (
        contact_of(admin, ok(source.api.post("parents", document), 201), "id")["id"] for document in documents
    )
    wizard = admin.create("base.partner.merge.automatic.wizard", partner_ids=[(6, 0, [kept, merged])])
    admin.write("base.partner.merge.automatic.wizard", wizard, dst_partner_id=kept)
    admin.call("base.partner.merge.automatic.wizard", "action_merge", [wizard])

    values = [one["value"] for one in admin.read("school.contact.point", [("partner_id", "=", kept)], ["value"])]
    assert sorted(values) == ["+91 6666666666", "+91 80 2222 3333", "+91 80 4444 5555"]
    for document in documents:
        assert ok(source.api.post("parents", document))["status"] == "unchanged"


# Programs


def test_programs_of_a_student(fresh, admin):
    programs = [
        {"type": "sped", "code": "SE-1", "name": "Speech", "status": "active", "startDate": "2025-06-01"},
        {"type": "Lunch", "status": "R", "startDate": "2025-06-01", "endDate": "2026-03-31"},
        {"name": "Chess"},
    ]
    document = student(programs=programs)
    answer = ok(fresh.api.post("students", document), 201)

    assert fresh.api.read("students", document["externalId"])["programs"] == programs
    names = ["type", "code", "status", "date_end"]
    held = admin.read("school.student.program", [("student_id", "=", answer["id"])], names)
    assert {tuple(one[name] for name in names) for one in held} == {
        ("special_education", "SE-1", "active", False),
        ("meal", False, "R", "2026-03-31"),
        ("other", False, False, False),
    }
    ok(fresh.api.post("students", {**document, "programs": programs[:1]}))
    assert fresh.api.read("students", document["externalId"])["programs"] == programs[:1]
    ok(fresh.api.post("students", {**document, "programs": None}))
    assert not admin.read("school.student.program", [("student_id", "=", answer["id"])], ["id"])


def test_program_that_is_none(fresh):
    odd = [{"status": "active"}, {"type": "meal", "startDate": "2026-01-01", "endDate": "2025-01-01"}, "sped"]
    assert pointers(problem(fresh.api.post("students", student(programs=odd)), 422)) == {
        "/programs/0": "required",
        "/programs/1": "end_before_start",
        "/programs/2": "wrong_type",
    }


# Languages


@pytest.fixture
def spanish(admin):
    """Spanish of Mexico is active in Odoo, and no other Spanish."""
    (found,) = admin.read("res.lang", [("code", "=", "es_MX"), ("active", "in", [True, False])], ["id"])
    admin.write("res.lang", found["id"], active=True)
    yield "es_MX"
    for one in admin.read("res.partner", [("lang", "=", "es_MX"), ("active", "in", [True, False])], ["id"]):
        admin.write("res.partner", one["id"], lang=False)
    admin.write("res.lang", found["id"], active=False)


@pytest.mark.parametrize("entity", ["parents", "students"])
@pytest.mark.parametrize("word", ["es", "es-MX", "es_MX", "spa", "ES", "Spanish", "es-ES"])
def test_language_of_a_person(fresh, admin, spanish, entity, word):
    document = {"externalId": unique(), "givenName": "Asha", "language": word}
    answer = ok(fresh.api.post(entity, document), 201)

    assert "warnings" not in answer
    assert contact_of(admin, answer, "lang")["lang"] == spanish
    assert fresh.api.read(entity, document["externalId"])["language"] == word
    assert ok(fresh.api.post(entity, {**document, "language": "spa"}))["status"] == "unchanged"
    ok(fresh.api.post(entity, {**document, "language": None}))
    assert contact_of(admin, answer, "lang")["lang"] is False


def test_language_that_is_not_active_is_kept_as_text(fresh, admin):
    for word in ("eu", "Klingon"):
        document = parent(language=word)
        answer = ok(fresh.api.post("parents", document), 201)
        assert any(warning.startswith(f'/language "{word}"') for warning in answer["warnings"])
        assert contact_of(admin, answer, "lang")["lang"] in (False, "en_US")
        assert fresh.api.read("parents", document["externalId"])["language"] == word
        assert ok(fresh.api.post("parents", document))["status"] == "unchanged"


def test_language_that_nobody_said_is_not_told(fresh):
    document = parent()
    ok(fresh.api.post("parents", document), 201)
    assert "language" not in fresh.api.read("parents", document["externalId"])
