"""What schools know of people besides their names: addresses, parts of names, phones, e-mails, programs, languages."""

from support import ok, parent, student, unique

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
