"""A family that two systems know: each person is one record, and each system calls it by its own name."""

import itertools

import pytest
from support import OdooRefuses, ok, parent, problem, student, unique, without


@pytest.fixture
def email():
    return f"{unique('jane').lower()}@example.com"


@pytest.fixture(scope="module")
def onboarding(admin):
    return admin.new_source(name=unique("Onboarding"), match_rule="email")


@pytest.fixture(scope="module")
def powerschool(admin):
    return admin.new_source(name=unique("PowerSchool"), match_rule="email")


def send(source, entity, document, status=200):
    return ok(source.api.post(entity, document), status)


def warnings(answer):
    return " ".join(answer.get("warnings", ()))


def contacts(admin, email):
    return admin.call("res.partner", "search", [("email_normalized", "=", email), ("active", "in", [True, False])])


def people(admin, email):
    """Names and sources of all that has this address, whatever ids they got: what two histories are compared by."""
    result = []
    for model in ("school.parent", "school.student"):
        for role in admin.read(model, [("email", "=", email), ("active", "in", [True, False])], ["name", "active"]):
            bound = admin.read(
                "school.sync.binding",
                [("res_model", "=", model), ("res_id", "=", role["id"])],
                ["source_id", "external_id", "deleted_at"],
            )
            names = sorted((one["source_id"][0], one["external_id"], bool(one["deleted_at"])) for one in bound)
            result.append((model, role["name"], role["active"], tuple(names)))
    return sorted(result)


def open_duplicates(admin, source, external_ids):
    """The pairs of names that somebody is asked about."""
    rows = admin.read(
        "school.sync.duplicate",
        [("state", "=", "open"), ("source_id", "=", source.id), ("external_id", "in", external_ids)],
        ["partner_id", "other_id"],
    )
    return sorted(tuple(sorted((row["partner_id"][1], row["other_id"][1]))) for row in rows)


# ----------------------------------------------------------------------
# One record, two bindings
# ----------------------------------------------------------------------


def test_the_same_guardian_from_two_systems_is_one_record(admin, onboarding, powerschool, email):
    first, second = parent(name="Jane Doe", email=email), parent(name="DOE, Jane", email=email, occupation="Pilot")
    there = send(onboarding, "parents", first, 201)
    answer = send(powerschool, "parents", second)

    assert (answer["id"], answer["status"], answer["version"]) == (there["id"], "updated", 1)
    assert first["externalId"] in warnings(answer) and onboarding.name in warnings(answer)
    assert len(contacts(admin, email)) == 1
    assert powerschool.api.read("parents", second["externalId"])["occupation"] == "Pilot"
    assert onboarding.api.read("parents", first["externalId"])["occupation"] == "Pilot"
    problem(powerschool.api.get("parents", first["externalId"]), 404)
    for source, document in ((onboarding, first), (powerschool, second)) * 2:
        assert send(source, "parents", document)["status"] == "unchanged"
    (line,) = admin.read(
        "school.sync.log.line",
        [("external_id", "=", second["externalId"]), ("status", "=", "updated")],
        ["res_id", "message"],
    )
    assert line["res_id"] == there["id"] and first["externalId"] in line["message"]


@pytest.mark.parametrize(
    ("rule", "expected"), [("source", "Pilot"), ("odoo", "Farmer"), ("ask", "Farmer"), ("newest", "Pilot")]
)
def test_what_differs_is_decided_by_the_rule_of_the_second(admin, onboarding, email, rule, expected):
    second = admin.new_source(match_rule="email", conflict_policy=rule)
    there = parent(name="Jane Doe", email=email, occupation="Farmer", relation="Mother")
    record_id = send(onboarding, "parents", there, 201)["id"]
    document = parent(name="Jane Doe", email=email, occupation="Pilot", phone="+1 650 555 0111")
    answer = send(second, "parents", document)

    held = admin.read_one("school.parent", record_id, "function", "relation", "phone")
    assert (held["function"], held["relation"], held["phone"]) == (expected, "Mother", "+1 650 555 0111")
    assert "/occupation" in warnings(answer) and onboarding.name in warnings(answer)
    (conflict,) = admin.read("school.sync.conflict", [("external_id", "=", document["externalId"])], ["summary"])
    assert conflict["summary"] == "occupation"
    # Neither takes back what the other did by repeating itself.
    for source, sent in ((onboarding, there), (second, document)) * 2:
        assert send(source, "parents", sent)["status"] == "unchanged"
    assert admin.read_one("school.parent", record_id, "function")["function"] == expected


def test_what_one_system_changes_is_the_other_side_of_the_other(admin, onboarding, email):
    second = admin.new_source(match_rule="email", conflict_policy="odoo")
    first = parent(name="Jane Doe", email=email, phone="+1 650 555 0111")
    other = {**first, "externalId": unique("PS")}
    send(onboarding, "parents", first, 201)
    send(second, "parents", other)
    send(onboarding, "parents", {**first, "phone": "+1 650 555 0122"})
    answer = send(second, "parents", {**other, "phone": "+1 650 555 0133", "occupation": "Pilot"})

    assert onboarding.name in warnings(answer) and "/phone" in warnings(answer)
    held = second.api.read("parents", other["externalId"])
    assert (held["phone"], held["occupation"]) == ("+1 650 555 0122", "Pilot")


@pytest.mark.parametrize("entity", ["parents", "students"])
def test_a_person_made_by_hand_is_bound(admin, powerschool, entity):
    model = f"school.{entity[:-1]}"
    source = admin.new_source(match_rule="reference")
    reference = unique("REF")
    there = admin.create(model, name="Jane Doe", ref=reference)
    document = {"externalId": reference, "name": "Jane Doe"}
    if entity == "students":
        document = {"externalId": reference, "fullName": "Jane Doe", "dob": "2012-03-15"}
    answer = send(source, entity, document)

    assert (answer["id"], answer["status"]) == (there, "updated")
    assert "Jane Doe" in warnings(answer)


def test_archived_people_are_found_and_brought_back(admin, onboarding, powerschool, email):
    first, second = parent(name="Jane Doe", email=email), parent(name="Jane Doe", email=email)
    there = send(onboarding, "parents", first, 201)["id"]
    ok(onboarding.api.delete("parents", first["externalId"]))
    assert not admin.read_one("school.parent", there, "active")["active"]
    assert send(powerschool, "parents", second)["id"] == there

    contact = admin.read_one("school.parent", there, "active", "partner_id")
    assert contact["active"] and admin.read_one("res.partner", contact["partner_id"][0], "active")["active"]


def test_each_names_the_family_in_its_own_words(admin, onboarding, powerschool, email):
    mother, theirs = parent(name="Jane Doe", email=email), parent(name="Jane Doe", email=email)
    send(onboarding, "parents", mother, 201)
    child = student(parents=[{"externalId": mother["externalId"], "pickup": True}])
    child_id = send(onboarding, "students", child, 201)["id"]
    send(powerschool, "parents", theirs)
    reference = admin.read_one("school.student", child_id, "partner_id")["partner_id"][0]
    same_child = student(parents=[{"externalId": theirs["externalId"], "pays": True}])
    admin.write("res.partner", reference, ref=same_child["externalId"])
    admin.write("school.sync.source", powerschool.id, match_rule="reference")
    answer = send(powerschool, "students", same_child)
    admin.write("school.sync.source", powerschool.id, match_rule="email")

    assert answer["id"] == child_id
    (link,) = onboarding.api.read("students", child["externalId"])["parents"]
    assert (link["externalId"], link["pickup"], link["pays"]) == (mother["externalId"], True, True)
    (link,) = powerschool.api.read("students", same_child["externalId"])["parents"]
    assert (link["externalId"], link["pickup"], link["pays"]) == (theirs["externalId"], True, True)
    for source, document in ((onboarding, child), (powerschool, same_child)):
        given_back = without(source.api.read("students", document["externalId"]), "updatedAt")
        assert send(source, "students", given_back)["status"] == "unchanged"
        application = {"externalId": unique("APP"), "status": "approved", "studentExternalId": document["externalId"]}
        application_id = send(source, "applications", application, 201)["id"]
        assert admin.read_one("school.application", application_id, "student_id")["student_id"][0] == child_id


@pytest.fixture
def shared_child(admin, onboarding, email):
    """A child with a mother and a father, from onboarding, and a second system that knows the child and the mother."""
    second = admin.new_source(match_rule="email")
    mother, father = parent(name="Jane Doe", email=email), parent(name="John Doe")
    ok(onboarding.api.post("parents", [mother, father]))
    links = [{"externalId": mother["externalId"]}, {"externalId": father["externalId"], "pickup": False}]
    child = student(parents=links)
    child_id = send(onboarding, "students", child, 201)["id"]
    theirs, their_child = parent(name="Jane Doe", email=email), student()
    send(second, "parents", theirs)
    contact = admin.read_one("school.student", child_id, "partner_id")["partner_id"][0]
    admin.write("res.partner", contact, ref=their_child["externalId"])
    admin.write("school.sync.source", second.id, match_rule="reference")
    return second, child_id, child, their_child, theirs, father


def guardians(admin, child_id):
    links = admin.read("school.parent.link", [("student_id", "=", child_id)], ["parent_id", "pickup"])
    return {link["parent_id"][1]: link["pickup"] for link in links}


def test_guardians_of_the_other_system_are_not_removed(admin, onboarding, shared_child):
    second, child_id, _child, their_child, theirs, _father = shared_child
    send(second, "students", {**their_child, "parents": [theirs["externalId"]]})
    assert guardians(admin, child_id) == {"Jane Doe": False, "John Doe": False}
    send(second, "students", {**their_child, "parents": []})
    # What the system itself has said, it takes back; the father it has never named.
    assert guardians(admin, child_id) == {"John Doe": False}


def test_a_guardian_whom_one_system_takes_away_does_not_come_back(admin, onboarding, shared_child):
    second, child_id, child, their_child, theirs, _father = shared_child
    send(second, "students", {**their_child, "parents": [{"externalId": theirs["externalId"], "pickup": True}]})
    answer = send(second, "students", {**their_child, "parents": []})

    assert onboarding.name in warnings(answer) and theirs["externalId"] in warnings(answer)
    assert "Jane Doe" not in guardians(admin, child_id)
    assert send(onboarding, "students", child)["status"] == "unchanged"
    send(onboarding, "students", {**child, "dob": "2012-03-15"})
    assert "Jane Doe" not in guardians(admin, child_id)


def test_what_one_system_denies_is_a_side_of_its_own(admin, onboarding, shared_child):
    """Onboarding says that the father may not pick up the child; the other system says, for the first time, he may."""
    second, child_id, _child, their_child, _theirs, father = shared_child
    admin.write("school.sync.source", second.id, conflict_policy="odoo")
    contact = admin.read("school.parent.link", [("student_id", "=", child_id)], ["parent_id"])
    father_id = next(link["parent_id"][0] for link in contact if link["parent_id"][1] == "John Doe")
    partner = admin.read_one("school.parent", father_id, "partner_id")["partner_id"][0]
    their_father = parent(name="John Doe")
    admin.write("res.partner", partner, ref=their_father["externalId"])
    assert send(second, "parents", their_father)["id"] == father_id
    document = {**their_child, "parents": [{"externalId": their_father["externalId"], "pickup": True}]}
    answer = send(second, "students", document)

    assert "/parents" in warnings(answer)
    assert guardians(admin, child_id)["John Doe"] is False


# ----------------------------------------------------------------------
# What one system deletes
# ----------------------------------------------------------------------


def test_what_one_system_deletes_the_other_keeps(admin, onboarding, powerschool, email):
    first, second = parent(name="Jane Doe", email=email), parent(name="Jane Doe", email=email)
    there = send(onboarding, "parents", first, 201)["id"]
    send(powerschool, "parents", second)
    answer = ok(powerschool.api.delete("parents", second["externalId"]))

    assert answer["status"] == "archived"
    assert onboarding.name in warnings(answer)
    assert admin.read_one("school.parent", there, "active")["active"]
    assert send(onboarding, "parents", first)["status"] == "unchanged"
    assert ok(powerschool.api.delete("parents", second["externalId"]))["status"] == "unchanged"
    ok(onboarding.api.delete("parents", first["externalId"]))
    assert not admin.read_one("school.parent", there, "active")["active"]
    assert send(powerschool, "parents", second)["id"] == there
    assert admin.read_one("school.parent", there, "active")["active"]


def test_a_system_that_is_switched_off_holds_nobody(admin, powerschool, email):
    gone = admin.new_source(match_rule="email")
    there = send(gone, "parents", parent(name="Jane Doe", email=email), 201)["id"]
    second = parent(name="Jane Doe", email=email)
    send(powerschool, "parents", second)
    admin.write("school.sync.source", gone.id, active=False)
    ok(powerschool.api.delete("parents", second["externalId"]))
    assert not admin.read_one("school.parent", there, "active")["active"]


# ----------------------------------------------------------------------
# Races and batches
# ----------------------------------------------------------------------


def test_two_systems_at_the_same_moment_make_one_record(admin, onboarding, powerschool, email, tables):
    """Neither sees the contact that the other is making."""
    documents = [parent(name="Jane Doe", email=email), parent(name="Jane Doe", email=email)]
    with tables.hold("LOCK TABLE school_parent IN SHARE MODE") as blocker:
        with (
            tables.meanwhile(onboarding.api.post, "parents", documents[0]) as first,
            tables.meanwhile(powerschool.api.post, "parents", documents[1]) as second,
        ):
            tables.wait_for_a_lock(2)
            blocker.rollback()
    answers = [first.result().json(), second.result().json()]
    assert len({answer["id"] for answer in answers}) == 1, answers
    assert sorted(answer["status"] for answer in answers) == ["created", "updated"]
    assert len(contacts(admin, email)) == 1


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "in a batch"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_family_address_ends_the_same_however_it_is_sent(admin, onboarding, powerschool, email, order, batched):
    """Onboarding knows Jane; PowerSchool sends Jane, John and Jim, all with one e-mail."""
    there = parent(name="Jane Doe", email=email)
    send(onboarding, "parents", there, 201)
    family = [parent(name=name, email=email) for name in ("DOE, Jane", "John Doe", "Jim Doe")]
    documents = [family[place] for place in order]
    if batched:
        ok(powerschool.api.post("parents", documents))
    else:
        for document in documents:
            powerschool.api.post("parents", document)

    jane, john, jim = (document["externalId"] for document in family)
    sources = [(onboarding.id, there["externalId"], False), (powerschool.id, jane, False)]
    assert people(admin, email) == sorted(
        [
            ("school.parent", "DOE, Jane", True, tuple(sorted(sources))),
            ("school.parent", "John Doe", True, ((powerschool.id, john, False),)),
            ("school.parent", "Jim Doe", True, ((powerschool.id, jim, False),)),
        ]
    )
    # One system tells all three apart: there is nothing to ask.
    assert open_duplicates(admin, powerschool, [jane, john, jim]) == []


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "in a batch"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_documents_with_one_email_and_a_contact(admin, powerschool, email, order, batched):
    """The contact is Jane's: Jane gets it, and John does not, whoever comes first."""
    contact = admin.create("res.partner", name="Jane Doe", email=email)
    family = [parent(name="Jane Doe", email=email), parent(name="John Doe", email=email)]
    documents = [family[place] for place in order]
    for request in [documents] if batched else [[document] for document in documents]:
        ok(powerschool.api.post("parents", request))

    roles = admin.read("school.parent", [("email", "=", email)], ["name", "partner_id"])
    assert len(roles) == 2
    assert {role["name"]: role["partner_id"][0] == contact for role in roles} == {"Jane Doe": True, "John Doe": False}
    assert open_duplicates(admin, powerschool, [one["externalId"] for one in family]) == []


# ----------------------------------------------------------------------
# A family address, and people who decide
# ----------------------------------------------------------------------


def test_another_name_is_another_person_and_somebody_decides(admin, powerschool, email):
    contact = admin.create("res.partner", name="Jane Doe", email=email, phone="+1 650 555 0111")
    document = parent(name="John Doe", email=email, phone="+1 650 555 0199")
    answer = send(powerschool, "parents", document, 201)

    assert "Possible Duplicates" in warnings(answer) and str(contact) in warnings(answer)
    held = admin.read_one("res.partner", contact, "name", "phone")
    assert (held["name"], held["phone"]) == ("Jane Doe", "+1 650 555 0111")
    assert open_duplicates(admin, powerschool, [document["externalId"]]) == [("Jane Doe", "John Doe")]


def duplicate_of(admin, document):
    (duplicate,) = admin.read("school.sync.duplicate", [("external_id", "=", document["externalId"])], ["state"])
    return duplicate["id"]


def test_same_person_merges_what_both_systems_know(admin, onboarding, powerschool, email):
    first, second = parent(name="Jane Doe", email=email), parent(name="J. Doe", email=email, occupation="Pilot")
    there = send(onboarding, "parents", first, 201)["id"]
    child = student(parents=[{"externalId": second["externalId"], "pays": True}])
    assert send(powerschool, "parents", second, 201)["id"] != there
    child_id = send(powerschool, "students", child, 201)["id"]
    admin.call("school.sync.duplicate", "action_same", [duplicate_of(admin, second)])

    assert len(contacts(admin, email)) == 1
    assert guardians(admin, child_id) == {"Jane Doe": False}
    for source, document in ((onboarding, first), (powerschool, second)):
        assert send(source, "parents", document)["id"] == there
        assert send(source, "parents", document)["status"] == "unchanged"
    assert send(powerschool, "students", child)["status"] == "unchanged"
    assert admin.read("school.sync.duplicate", [("external_id", "=", second["externalId"])], []) == []


def test_different_people_are_not_asked_about_again(admin, powerschool, email):
    admin.create("res.partner", name="Jane Doe", email=email)
    document = parent(name="John Doe", email=email)
    send(powerschool, "parents", document, 201)
    admin.call("school.sync.duplicate", "action_different", [duplicate_of(admin, document)])
    send(powerschool, "parents", {**document, "occupation": "Pilot"})

    assert open_duplicates(admin, powerschool, [document["externalId"]]) == []
    assert len(contacts(admin, email)) == 2


def test_two_of_one_name_in_one_system_are_asked_about(admin, powerschool, email):
    """The source tells them apart, but it may have entered one guardian twice."""
    documents = [parent(name="Jane Doe", email=email) for _ in range(2)]
    for batch in ([documents[0]], [documents[1]]):
        ok(powerschool.api.post("parents", batch))
    assert len(contacts(admin, email)) == 2
    asked = [("Jane Doe", "Jane Doe")]
    assert open_duplicates(admin, powerschool, [one["externalId"] for one in documents]) == asked

    other_email = "x" + email
    documents = [parent(name="Jane Doe", email=other_email) for _ in range(2)]
    ok(powerschool.api.post("parents", documents))
    assert len(contacts(admin, other_email)) == 2
    assert open_duplicates(admin, powerschool, [one["externalId"] for one in documents]) == asked


@pytest.mark.parametrize(("dob", "same"), [("2012-03-15", True), ("2015-01-01", False)])
def test_students_born_on_other_days_are_two(admin, onboarding, powerschool, email, dob, same):
    first = student(fullName="Jane Doe", dob="2012-03-15", email=email)
    there = send(onboarding, "students", first, 201)["id"]
    second = student(fullName="Jane Doe", dob=dob, email=email)
    answer = ok(powerschool.api.post("students", [second]))["items"][0]
    assert (answer["id"] == there) is same
    assert len(open_duplicates(admin, powerschool, [second["externalId"]])) == (not same)


def test_a_child_with_the_address_of_its_mother_is_nobody_else(admin, onboarding, powerschool, email):
    send(onboarding, "parents", parent(name="Jane Doe", email=email), 201)
    child = student(fullName="Tim Doe", email=email)
    assert "warnings" not in send(powerschool, "students", child, 201)
    assert open_duplicates(admin, powerschool, [child["externalId"]]) == []


def test_an_address_of_many_says_nothing(admin, onboarding, powerschool, email):
    ok(onboarding.api.post("parents", [parent(name=f"Jane {letter}oe", email=email) for letter in "ABCDEFG"]))
    document = parent(name="John Doe", email=email)
    assert "warnings" not in send(powerschool, "parents", document, 201)
    assert open_duplicates(admin, powerschool, [document["externalId"]]) == []


def test_only_managers_see_and_decide_possible_duplicates(admin, powerschool, email):
    admin.create("res.partner", name="Jane Doe", email=email)
    document = parent(name="John Doe", email=email)
    send(powerschool, "parents", document, 201)
    duplicate = duplicate_of(admin, document)
    reader = admin.new_user("group_sync_reader")
    for action in ("action_same", "action_different", "read"):
        with pytest.raises(OdooRefuses):
            reader.call("school.sync.duplicate", action, [duplicate])
    manager = admin.new_user("group_sync_manager")
    manager.call("school.sync.duplicate", "action_same", [duplicate])
    assert len(contacts(admin, email)) == 1
