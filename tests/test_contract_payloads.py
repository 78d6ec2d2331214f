"""The payloads of the data contract, as they are printed and as real systems vary them."""

import json

import pytest
from support import ok, parent, pointers, printed, problem, student, unique, without

STUDENT = json.loads(printed("student"))
PARENTS = json.loads(printed("parents"))


def linked(document, name="parents"):
    return {link["externalId"] for link in document.get(name, ())}


# As printed


@pytest.fixture(scope="module")
def answers(admin):
    """What a source that has sent nothing yet is answered: to each printed payload once, and once again."""
    api = admin.new_source().api
    headers = {"Idempotency-Key": STUDENT["externalId"]}

    def send():
        return api.send("parents", printed("parents")), api.send("students", printed("student"), headers=headers)

    return api, send(), send()


def test_printed_parents_are_taken_as_they_are(answers):
    _api, (parents, _student), _again = answers
    answer = ok(parents)

    assert answer["summary"] == {
        "received": 2,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "parked": 0,
        "stale": 0,
        "conflict": 0,
        "failed": 0,
    }
    assert [item["externalId"] for item in answer["items"]] == [document["externalId"] for document in PARENTS]
    for item in answer["items"]:
        assert isinstance(item["id"], int)
        assert without(item, "id", "externalId") == {"model": "school.parent", "status": "created", "version": 1}


def test_printed_student_is_taken_as_it_is(answers):
    """With the Idempotency-Key header that the contract asks of its senders."""
    _api, (_parents, student), _again = answers
    answer = ok(student, 201)

    assert isinstance(answer["id"], int)
    assert without(answer, "id") == {
        "externalId": "STU-APP-2025-000123",
        "model": "school.student",
        "status": "created",
        "version": 1,
    }


def test_second_post_changes_nothing(answers):
    _api, (parents, student), (parents_again, student_again) = answers

    # Under the key that the contract asks for, the first answer comes again.
    assert (student_again.status_code, student_again.content) == (201, student.content)
    assert student_again.headers["Idempotent-Replayed"] == "true"
    assert ok(parents_again)["summary"]["unchanged"] == 2
    assert parents_again.json()["items"] == [{**item, "status": "unchanged"} for item in parents.json()["items"]]


def test_student_comes_back_as_it_came_in(answers):
    api, (_parents, student), _again = answers
    read = ok(api.get("students", STUDENT["externalId"]))

    assert {name: read[name] for name in STUDENT} == STUDENT
    assert (read["id"], read["model"]) == (student.json()["id"], "school.student")
    assert (read["version"], read["active"]) == (1, True)
    assert read.keys() - STUDENT.keys() <= {"id", "model", "version", "active", "updatedAt", "parents"}


@pytest.mark.parametrize("document", PARENTS, ids=lambda document: document["relation"])
def test_parent_comes_back_as_they_came_in(answers, document):
    api, _first, _again = answers
    read = ok(api.get("parents", document["externalId"]))

    assert {name: read[name] for name in document} == document


def test_contact_in_odoo_holds_what_was_sent(answers, admin):
    _api, (_parents, student), _again = answers
    partner_id = admin.read_one("school.student", student.json()["id"], "partner_id")["partner_id"][0]
    contact = admin.read_one("res.partner", partner_id, "name", "street", "city", "zip", "country_id", "state_id")

    assert contact["name"] == "Rahul Sharma"
    assert contact["street"] == "123 Green Valley, Bangalore, Karnataka - 560034"
    assert (contact["city"], contact["zip"]) == ("Bangalore", "560034")
    assert contact["country_id"][1] == "India"
    assert contact["state_id"][1].startswith("Karnataka")


def test_order_of_keys_and_spaces_do_not_matter(api):
    document = student(dob="2011-01-31", address={"city": "Pune", "pin": "411001"})
    ok(api.post("students", document), 201)
    turned = dict(reversed(document.items()), address={"pin": "411001", "city": "Pune"})

    assert ok(api.send("students", json.dumps(turned, indent=4).encode()))["status"] == "unchanged"


def test_words_for_country_gender_and_state_come_back_as_they_were_said(api):
    document = student(gender="F", address={"country": "IN", "state": "KA"})
    ok(api.post("students", document), 201)

    read = api.read("students", document["externalId"])
    assert (read["gender"], read["address"]) == ("F", {"country": "IN", "state": "KA"})


def test_state_that_odoo_does_not_know_is_kept_with_a_warning(api):
    document = student(address={"country": "India", "state": "Malgudi"})
    answer = ok(api.post("students", document), 201)

    assert any("/address/state" in warning for warning in answer["warnings"])
    assert api.read("students", document["externalId"])["address"]["state"] == "Malgudi"


def test_phone_that_is_none_is_kept_with_a_warning(api):
    document = parent(phone="ask the neighbour")
    answer = ok(api.post("parents", document), 201)

    assert any("/phone" in warning for warning in answer["warnings"])
    assert api.read("parents", document["externalId"])["phone"] == "ask the neighbour"


# Parents and students know each other


@pytest.fixture
def family(api):
    father, mother = parent(relation="Father"), parent(relation="Mother")
    ok(api.post("parents", [father, mother]))
    return father["externalId"], mother["externalId"]


@pytest.mark.parametrize("name", ["parents", "guardians"])
def test_student_names_parents_by_their_ids(api, family, name):
    document = student(**{name: list(family)})
    ok(api.post("students", document), 201)

    assert linked(api.read("students", document["externalId"])) == set(family)
    assert linked(api.read("parents", family[0]), "students") == {document["externalId"]}


@pytest.mark.parametrize("name", ["parents", "guardians"])
def test_student_names_parents_with_what_they_are_to_them(api, family, name):
    link = {
        "externalId": family[0],
        "relation": "Uncle",
        "priority": 2,
        "custodial": True,
        "emergency": True,
        "livesWith": True,
        "pickup": True,
        "receivesMail": True,
        "pays": True,
        "start": "2024-06-01",
        "end": "2026-05-31",
    }
    document = student(**{name: [link, family[1]]})
    ok(api.post("students", document), 201)

    links = {link["externalId"]: link for link in api.read("students", document["externalId"])["parents"]}
    assert links[family[0]] == link
    assert links.keys() == set(family)
    (seen_from_parent,) = api.read("parents", family[0])["students"]
    assert seen_from_parent == {**link, "externalId": document["externalId"]}


def test_parent_names_students(api):
    children = [student(), student()]
    ok(api.post("students", children))
    document = parent(students=[children[0]["externalId"], {"externalId": children[1]["externalId"], "pickup": True}])
    ok(api.post("parents", document), 201)

    assert linked(api.read("parents", document["externalId"]), "students") == {c["externalId"] for c in children}
    assert linked(api.read("students", children[1]["externalId"])) == {document["externalId"]}


def test_list_of_parents_is_the_whole_list(api, family):
    document = student(parents=list(family))
    ok(api.post("students", document), 201)
    ok(api.post("students", {**document, "parents": [family[1]]}))

    assert linked(api.read("students", document["externalId"])) == {family[1]}
    assert linked(api.read("parents", family[0]), "students") == set()


@pytest.mark.parametrize("nobody", [[], None])
def test_empty_list_of_parents_takes_them_all_away(api, family, nobody):
    document = student(parents=list(family))
    ok(api.post("students", document), 201)
    ok(api.post("students", {**document, "parents": nobody}))

    assert not api.read("students", document["externalId"]).get("parents")


def test_document_without_parents_keeps_them(api, family):
    document = student(parents=list(family))
    ok(api.post("students", document), 201)
    ok(api.post("students", {**without(document, "parents"), "religion": "Jain"}))

    assert linked(api.read("students", document["externalId"])) == set(family)


def test_link_that_the_parent_took_away_is_made_again_by_the_student(api, family):
    """Whoever speaks last is right, whichever end of the link they hold."""
    document = student(parents=[family[0]])
    ok(api.post("students", document), 201)
    ok(api.post("parents", parent(externalId=family[0], relation="Father", students=[])))
    assert linked(api.read("students", document["externalId"])) == set()
    ok(api.post("students", document))

    assert linked(api.read("students", document["externalId"])) == {family[0]}


def test_flag_of_a_link_that_is_not_sent_is_kept(api, family):
    document = student(parents=[{"externalId": family[0], "pickup": True, "pays": True}])
    ok(api.post("students", document), 201)
    ok(api.post("students", {**document, "parents": [{"externalId": family[0], "pickup": False}]}))

    (link,) = api.read("parents", family[0])["students"]
    assert (link.get("pays"), link.get("pickup", False)) == (True, False)
    (link,) = api.read("students", document["externalId"])["parents"]
    assert (link.get("pays"), link.get("pickup", False)) == (True, False)


def test_link_edited_in_odoo_shows_in_get(api, admin, family):
    document = student(parents=[family[0]])
    created = ok(api.post("students", document), 201)
    (link,) = admin.read("school.parent.link", [("student_id", "=", created["id"])], ["parent_id"])
    admin.write("school.parent.link", link["id"], relation="Guardian", pays=True)

    (link,) = api.read("students", document["externalId"])["parents"]
    assert (link.get("relation"), link.get("pays")) == ("Guardian", True)


def test_parent_that_is_not_known_is_named(api, family, tables):
    document = student(parents=[family[0], "PAR-nobody"])
    body = problem(api.post("students", document, onMissing="error"), 409)

    assert pointers(body) == {"/parents/1": "reference_missing"}
    assert "PAR-nobody" in body["detail"]
    problem(api.get("students", document["externalId"]), 404)


def test_guardians_are_parents_so_both_together_are_refused(api, family):
    body = problem(api.post("students", student(parents=[family[0]], guardians=[family[1]])), 422)

    assert "guardians" in body["detail"] and "parents" in body["detail"]


def test_same_parent_twice_is_refused(api, family):
    problem(api.post("students", student(parents=[family[0], {"externalId": family[0]}])), 422)


def test_link_that_ends_before_it_starts_is_refused(api, family):
    link = {"externalId": family[0], "start": "2025-02-01", "end": "2025-01-01"}
    body = problem(api.post("students", student(parents=[link])), 422)

    assert list(pointers(body)) == ["/parents/0"]


def test_link_end_sent_later_is_checked_against_the_start_that_is_held(api, family):
    document = student(parents=[{"externalId": family[0], "start": "2025-02-01"}])
    ok(api.post("students", document), 201)
    link = {"externalId": family[0], "end": "2025-01-01"}

    problem(api.post("students", {**document, "parents": [link]}), 422)


# What a document does not say


def test_absent_fields_are_kept(api):
    document = {**STUDENT, "externalId": unique("STU")}
    ok(api.post("students", document), 201)
    partial = {"externalId": document["externalId"], "fullName": "Rahul K Sharma", "address": {"city": "Mysore"}}
    answer = ok(api.post("students", partial))

    assert (answer["status"], answer["version"]) == ("updated", 2)
    expected = {**document, "fullName": "Rahul K Sharma", "address": {**document["address"], "city": "Mysore"}}
    read = api.read("students", document["externalId"])
    assert {name: read[name] for name in expected} == expected


def test_partial_document_that_says_nothing_new_is_unchanged(api):
    document = {**STUDENT, "externalId": unique("STU")}
    ok(api.post("students", document), 201)
    partial = {"externalId": document["externalId"], "fullName": document["fullName"], "dob": document["dob"]}

    assert ok(api.post("students", partial))["status"] == "unchanged"


def test_null_clears(api, admin):
    document = {**STUDENT, "externalId": unique("STU")}
    created = ok(api.post("students", document), 201)
    names = ["dob", "gender", "religion", "languages", "photoUrl", "health", "emergency", "transport"]
    nulls = {**dict.fromkeys(names), "address": {"pin": None, "country": None, "state": None}}
    ok(api.post("students", {"externalId": document["externalId"], "fullName": "Rahul", **nulls}))

    read = api.read("students", document["externalId"])
    for name in names:
        value = read.get(name)
        assert not (any(value.values()) if isinstance(value, dict) else value), name
    assert read["address"]["city"] == "Bangalore"
    assert not read["address"].get("pin") and not read["address"].get("country")
    fields = ("birth_date", "gender", "language_ids", "photo_url", "zip", "country_id", "state_id", "blood_group")
    record = admin.read_one("school.student", created["id"], *fields)
    assert not any(record[name] for name in fields)


def test_unknown_fields_are_named_and_the_rest_is_taken(api):
    document = student(house="Gryffindor", health={"bloodGroup": "O+ve", "mood": "fine"}, **{"a/b~c": 1})
    answer = ok(api.post("students", document), 201)

    warnings = " ".join(answer["warnings"])
    for where in ("/house", "/health/mood", "/a~1b~0c"):
        assert where in warnings
    assert api.read("students", document["externalId"])["health"] == {"bloodGroup": "O+ve"}


@pytest.mark.parametrize(("entity", "name"), [("students", "fullName"), ("parents", "name")])
@pytest.mark.parametrize("value", ["absent", None, "", "   "])
def test_every_document_needs_its_name(api, entity, name, value):
    document = {"externalId": unique("NONAME"), **({} if value == "absent" else {name: value})}

    assert list(pointers(problem(api.post(entity, document), 422))) == [f"/{name}"]


def test_update_too_needs_the_name(api):
    document = parent(phone="+91 9876501234")
    ok(api.post("parents", document), 201)
    body = problem(api.post("parents", {"externalId": document["externalId"], "phone": "+91 9876501235"}), 422)

    assert pointers(body) == {"/name": "required"}
    assert api.read("parents", document["externalId"])["phone"] == "+91 9876501234"


def test_edit_in_odoo_shows_in_get(api, admin):
    document = parent(phone="+91 9876501234")
    created = ok(api.post("parents", document), 201)
    partner_id = admin.read_one("school.parent", created["id"], "partner_id")["partner_id"][0]
    admin.write("res.partner", partner_id, phone="+91 9876500000")

    assert api.read("parents", document["externalId"])["phone"] == "+91 9876500000"
