"""Nothing new changes nothing: what means the same is unchanged, however it is spelled, in every state of the record.

Each part of a document has its spellings here: values of which docs/api.md says that they mean the same. A document
whose parts are spelled anew, at random, must leave no trace, and so must the document that GET gives.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import LONG, ok, parent, student, unique, without

EXAMPLES = settings(
    max_examples=300 if LONG else 12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: The part is left out.
ABSENT = object()
#: The part is an array, in any order.
ANY_ORDER = object()


@pytest.fixture
def family(fresh):
    """Two guardians, of whom one pays, and their child."""
    payer, other = parent(), parent(name="Ravi Rao")
    ok(fresh.api.post("parents", [payer, other]))
    links = [{"externalId": payer["externalId"], "pays": True}, {"externalId": other["externalId"]}]
    child = student(parents=links)
    ok(fresh.api.post("students", child), 201)
    return child["externalId"], payer["externalId"], other["externalId"]


def spelled(document, spellings):
    """``document`` with each part in ``spellings`` spelled in one way or another, and its keys in any order."""

    @st.composite
    def respell(draw):
        result = json.loads(json.dumps(document))
        for path, ways in spellings.items():
            *above, leaf = path.split(".")
            place = result
            for key in above:
                place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
            if ways is ANY_ORDER:
                place[leaf] = draw(st.permutations(place[leaf]))
                continue
            way = draw(st.sampled_from(ways))
            if way is ABSENT:
                place.pop(leaf, None)
            else:
                place[leaf] = way
        return dict(draw(st.permutations(list(result.items()))))

    return respell()


def footprint(tables, source, entity, external_id):
    """All that a document could leave behind: versions, lines of the log, invoices, payments and times of writing."""
    rows = tables.rows(
        "SELECT res_model, res_id, version FROM school_sync_binding WHERE source_id = %s AND entity = %s"
        " AND external_id = %s",
        source.id,
        entity,
        external_id,
    )
    ((model, res_id, version),) = rows
    table = model.replace(".", "_")
    lines = tables.one(
        "SELECT count(*) FROM school_sync_log_line l JOIN school_sync_log o ON o.id = l.log_id"
        " WHERE o.source_id = %s AND l.external_id = %s",
        source.id,
        external_id,
    )
    moves = tables.rows(
        "SELECT id, state, payment_state, amount_total, write_date FROM account_move WHERE school_billing_id = %s"
        " ORDER BY id",
        res_id if entity == "billings" else 0,
    )
    payments = tables.rows(
        "SELECT p.id, p.amount FROM account_payment p JOIN school_billing_payment b ON b.payment_id = p.id"
        " WHERE b.billing_id = %s ORDER BY p.id",
        res_id if entity == "billings" else 0,
    )
    written = tables.one(f"SELECT write_date FROM {table} WHERE id = %s", res_id)
    return version, lines, written, moves, payments


def assert_nothing_new(tables, source, entity, document):
    before = footprint(tables, source, entity, document["externalId"])
    body = ok(source.api.post(entity, document))
    assert body["status"] == "unchanged", body
    assert footprint(tables, source, entity, document["externalId"]) == before
    return body


def assert_given_back_is_unchanged(tables, source, entity, external_id):
    given_back = ok(source.api.get(entity, external_id))
    body = assert_nothing_new(tables, source, entity, given_back)
    ignored = [one for one in body.get("warnings", ()) if "not part of the contract" in one]
    assert ignored == ([] if given_back["active"] else ["/active is not part of the contract and was ignored."])


def check(tables, source, entity, document, spellings):
    """Send ``document`` spelled anew, many times, and then what GET gives of it."""

    @EXAMPLES
    @given(spelled(document, spellings))
    def respelled(other):
        assert_nothing_new(tables, source, entity, {**other, "externalId": document["externalId"]})

    respelled()
    assert_given_back_is_unchanged(tables, source, entity, document["externalId"])


# People


def test_students(fresh, tables, family):
    _child, payer, other = family
    document = student(
        dob="2012-03-15",
        gender="M",
        languages=["Hindi", "English"],
        health={"bloodGroup": "A+", "allergies": ["Nuts", "Dust"]},
        address={"permanent": "12 Lake Road", "country": "IN", "state": "KA"},
        givenName="Ravi",
        familyName="Rao",
        studentNumber="4711",
        programs=[{"type": "ell", "startDate": "2025-06-01"}, {"type": "meal", "status": "free"}],
        email="ravi@example.com",
        parents=[{"externalId": payer, "pickup": True, "relation": "Father"}, {"externalId": other}],
    )
    ok(fresh.api.post("students", document), 201)
    spellings = {
        "gender": ["M", "male", "Boy", " m "],
        "languages": ANY_ORDER,
        "health.allergies": ANY_ORDER,
        "health.medicalConditions": [ABSENT, [], None],
        "address.country": ["IN", "india", "India"],
        "address.state": ["KA", "Karnataka", "karnataka"],
        "address.city": [ABSENT, "", None],
        "transport": [ABSENT, None, {}],
        "religion": [ABSENT, None, ""],
        "fullName": ["Ravi Rao", " Ravi Rao", ABSENT, ""],
        "middleName": [ABSENT, None, ""],
        "preferredName": [ABSENT, None, " "],
        "programs": [
            [{"type": "Lunch", "status": "F"}, {"type": "English learner", "startDate": "2025-06-01", "name": ""}],
            [{"type": "language_learner", "startDate": "2025-06-01"}, {"type": "meal", "status": "Free", "code": None}],
            ABSENT,
        ],
        "studentNumber": ["4711", " 4711 ", ABSENT],
        "phone": [ABSENT, None, ""],
        "parents": [
            [{"externalId": payer, "pickup": True, "relation": "Father"}, {"externalId": other}],
            [other, {"externalId": payer, "pickup": True}],
            [{"externalId": other, "priority": 1, "pays": False}, payer],
            ABSENT,
        ],
    }
    check(tables, fresh, "students", document, spellings)


def test_students_whom_people_have_edited(fresh, tables, family, admin):
    document = student(gender="F", address={"country": "IN", "city": "Pune"}, parents=[family[1]])
    record_id = ok(fresh.api.post("students", document), 201)["id"]
    admin.write("school.student", record_id, city="Mumbai", religion="None", birth_date="2011-01-01")
    spellings = {"gender": ["F", "girl"], "address.country": ["IN", "India"], "religion": [ABSENT]}
    check(tables, fresh, "students", document, spellings)
    admin.write("school.student", record_id, active=False)
    assert_given_back_is_unchanged(tables, fresh, "students", document["externalId"])


def test_people_whose_name_is_in_parts(fresh, tables):
    document = {"externalId": unique("PAR"), "givenName": "Asha", "familyName": "Rao", "title": "Dr."}
    document["language"] = "eng"
    ok(fresh.api.post("parents", document), 201)
    spellings = {
        "name": [ABSENT, "Asha Rao", "", None],
        "givenName": ["Asha", " Asha"],
        "middleName": [ABSENT, None, ""],
        "suffix": [ABSENT, None],
        "title": ["Dr.", ABSENT],
        "language": ["eng", "en-US", "en", "English", ABSENT],
    }
    check(tables, fresh, "parents", document, spellings)


def test_people_with_several_phones_and_emails(fresh, tables, admin):
    document = parent(
        phones=[{"number": "+1 650 555 0111", "type": "mobile", "primary": True}, {"number": "+1 650 555 0122"}],
        emails=[{"address": "asha@example.com", "type": "home"}, {"address": "rao@example.com", "type": "work"}],
    )
    record_id = ok(fresh.api.post("parents", document), 201)["id"]
    mobile = [
        {"number": "+1 650 555 0111", "type": "mobile", "primary": True},
        {"number": "+1 (650) 555-0111", "type": "Cell"},
        {"number": "+16505550111", "type": "mobile", "primary": None},
    ]
    other = [
        "+1 650 555 0122",
        {"number": "+1 650.555.0122", "type": "other"},
        {"number": "+16505550122", "type": "", "primary": False},
    ]
    home = {"address": "Asha@Example.com", "type": "home"}
    spellings = {
        "phones": [pair for one in mobile for two in other for pair in ([one, two], [two, one])] + [ABSENT],
        "phone": ["+1 650 555 0111", "+1 (650) 5550111", ABSENT],
        "emails": [document["emails"], document["emails"][::-1], [{**home, "primary": True}, document["emails"][1]]],
        "email": ["asha@example.com", ABSENT],
    }
    check(tables, fresh, "parents", document, spellings)
    for edit in ({"phone": False}, {"phone": "+1 650 555 0199"}, {"phone_point_ids": [(5,)]}, {"email_type": "work"}):
        admin.write("school.parent", record_id, **edit)
        assert_given_back_is_unchanged(tables, fresh, "parents", document["externalId"])


def test_parents(fresh, tables, family):
    child, payer, _other = family
    document = parent(
        relation="Mother",
        phone="+1 650 555 0111",
        address={"permanent": "12 Lake Road", "country": "IN", "state": "KA"},
        taxNumber="29AAGCB7383J1Z4",
        students=[{"externalId": child, "emergency": True}],
    )
    ok(fresh.api.post("parents", document), 201)
    old, older = document["previousExternalIds"] = [unique("OLD"), unique("OLDER")]
    ok(fresh.api.post("parents", document))
    spellings = {
        "previousExternalIds": [[older, old], [old], [], None, ABSENT],
        "name": [document["name"], f"  {document['name']} "],
        "occupation": [ABSENT, None, ""],
        "taxNumber": ["29AAGCB7383J1Z4", "29 aagcb7383j1z4", "29AAGCB-7383-J1Z4", ABSENT],
        "address.country": ["IN", "india", "India", ABSENT],
        "address.state": ["KA", "Karnataka", "karnataka"],
        "address.city": [ABSENT, "", None],
        "students": [[{"externalId": child, "emergency": True}], [child], [{"externalId": child, "priority": 1}]],
    }
    check(tables, fresh, "parents", document, spellings)


def test_people_with_what_odoo_does_not_understand(fresh, tables, family, admin):
    """It is kept as text, and means the same as the same text."""
    document = student(
        gender="n/a",
        photoUrl="none",
        emergency={"phone": "ask the mother"},
        address={"country": "Freedonia", "state": "Glory", "city": "Fredonia City"},
        previousSchool={"yearOfCompletion": "last year"},
        parents=[family[1]],
    )
    record_id = ok(fresh.api.post("students", document), 201)["id"]
    spellings = {
        "gender": ["n/a", " n/a "],
        "photoUrl": ["none", " none"],
        "address.country": ["Freedonia", "Freedonia "],
        "address.state": ["Glory", " Glory"],
        "previousSchool.yearOfCompletion": ["last year", " last year "],
        "religion": [ABSENT, None, ""],
    }
    check(tables, fresh, "students", document, spellings)
    # Somebody in the office knows better.
    (india,) = admin.read("res.country", [("code", "=", "IN")], ["id"])
    admin.write("school.student", record_id, country_id=india["id"], gender="female", previous_year=2019)
    check(tables, fresh, "students", document, {"religion": [ABSENT, None]})

    guardian = parent(email="asha@example.com, rao@example.com", address={"country": "Freedonia"})
    ok(fresh.api.post("parents", guardian), 201)
    spellings = {
        "email": ["asha@example.com, rao@example.com", "asha@example.com;rao@example.com", "asha@example.com"],
        "address.country": ["Freedonia", " Freedonia "],
    }
    check(tables, fresh, "parents", guardian, spellings)
    guardian = parent(email="none")
    ok(fresh.api.post("parents", guardian), 201)
    check(tables, fresh, "parents", guardian, {"email": ["none", " none "], "phone": [ABSENT, None, ""]})


# Academics


def test_academics(fresh, tables, family):
    child = family[0]
    enrollment = {
        "externalId": unique("ENR"),
        "studentExternalId": child,
        "academicYear": "2025-2026",
        "gradeLevel": 8,
        "sectionId": "B",
        "startDate": "2025-06-01",
        "status": "active",
        "entryCode": "E1",
        "entryReason": "New to the district",
    }
    ok(fresh.api.post("enrollments", enrollment), 201)
    spellings = {
        "gradeLevel": [8, "8", "Grade 8", "8th", "GRADE8", ABSENT],
        "classId": [ABSENT, 8, "Class 8"],
        "sectionId": ["B", "b", " B "],
        "status": ["active", 0, "0", "Enrolled", "current"],
        "endDate": [ABSENT, None],
        "course": [ABSENT, None, ""],
        "entryCode": ["E1", " E1 ", ABSENT],
        "entryReason": ["New to the district", ABSENT],
        "exitCode": [ABSENT, None, ""],
        "exitReason": [ABSENT, None, "  "],
    }
    check(tables, fresh, "enrollments", enrollment, spellings)

    application = {
        "externalId": unique("APP"),
        "status": "approved",
        "gradeApplied": "Grade 8",
        "submittedAt": "2025-05-03T10:12:44Z",
        "studentExternalId": child,
    }
    ok(fresh.api.post("applications", application), 201)
    spellings = {
        "status": ["approved", "Accepted", "ADMITTED"],
        "gradeApplied": [8, "8", "Class 8"],
        "submittedAt": ["2025-05-03T10:12:44Z", "2025-05-03T15:42:44+05:30", "2025-05-03T10:12:44.000Z"],
        "decidedAt": [ABSENT, None],
    }
    check(tables, fresh, "applications", application, spellings)

    application = {**application, "externalId": unique("APP"), "gradeApplied": 2012, "submittedAt": "in May"}
    ok(fresh.api.post("applications", application), 201)
    spellings = {"status": ["approved", "Accepted"], "submittedAt": ["in May", " in May "]}
    check(tables, fresh, "applications", application, spellings)

    roster = {
        "event": "roster.assignment.completed",
        "studentExternalId": child,
        "classId": "8",
        "sectionId": "C",
        "rollNo": "8C-1",
        "start": "2025-06-01",
    }
    external_id = ok(fresh.api.post("roster-assignments", roster), 201)["externalId"]
    roster["externalId"] = external_id
    spellings = {"classId": ["8", 8, "Grade 8"], "sectionId": ["C", "c"]}
    check(tables, fresh, "roster-assignments", roster, spellings)
    assert fresh.api.read("enrollments", enrollment["externalId"])["sectionId"] == "C"
    assert_given_back_is_unchanged(tables, fresh, "enrollments", enrollment["externalId"])


def test_lists_of_a_school(fresh, tables, family):
    """Schools, years, courses and sections, and the enrollment that names them by code, by reference, or both."""
    school = {
        "externalId": unique("SCH"),
        "code": unique("100"),
        "lowestGrade": "K",
        "address": {"city": "Pune"},
    }
    ok(fresh.api.post("schools", school), 201)
    spellings = {
        "code": [school["code"], school["code"].lower(), f" {school['code']} "],
        "name": [ABSENT, None, "", school["code"]],
        "lowestGrade": ["K", "0", 0, "Kindergarten"],
        "address.state": [ABSENT, None, ""],
        "principal": [ABSENT, None],
    }
    check(tables, fresh, "schools", school, spellings)

    year = {"externalId": unique("Y"), "name": unique("2025"), "startDate": "2025-06-01"}
    ok(fresh.api.post("academic-years", year), 201)
    spellings = {
        "code": [ABSENT, None, "", year["name"], year["name"].upper()],
        "current": [ABSENT, None, False],
        "endDate": [ABSENT, None, ""],
    }
    check(tables, fresh, "academic-years", year, spellings)

    of_school = {"schoolExternalId": school["externalId"]}
    course = {"externalId": unique("C"), "code": unique("MATH"), "name": "Algebra", "credits": 0.5, **of_school}
    ok(fresh.api.post("courses", course), 201)
    check(tables, fresh, "courses", course, {"credits": [0.5, "0.5", "0.50"], "department": [ABSENT, None, ""]})

    section = {
        "externalId": unique("SEC"),
        "code": unique("A"),
        "courseExternalId": course["externalId"],
        "academicYearExternalId": year["externalId"],
        **of_school,
    }
    ok(fresh.api.post("sections", section), 201)
    spellings = {
        "capacity": [ABSENT, None],
        "teacherExternalId": [ABSENT, None, ""],
        "courseExternalId": [course["externalId"], ABSENT],
    }
    check(tables, fresh, "sections", section, spellings)

    enrollment = {
        "externalId": unique("ENR"),
        "studentExternalId": family[0],
        "academicYearExternalId": year["externalId"],
        "sectionExternalId": section["externalId"],
        "startDate": "2025-06-01",
        "status": "active",
    }
    ok(fresh.api.post("enrollments", enrollment), 201)
    spellings = {
        "academicYear": [ABSENT, None, year["name"], year["name"].upper()],
        "sectionId": [ABSENT, "", section["code"], section["code"].lower()],
        "course": [ABSENT, None, course["code"]],
        "courseExternalId": [ABSENT, course["externalId"]],
        "schoolExternalId": [ABSENT, school["externalId"]],
    }
    check(tables, fresh, "enrollments", enrollment, spellings)
    by_code = {**enrollment, "externalId": unique("ENR"), "course": course["code"], **of_school}
    by_code.update({"academicYear": year["name"], "sectionId": section["code"]})
    by_code = without(by_code, "academicYearExternalId", "sectionExternalId")
    ok(fresh.api.post("enrollments", by_code), 201)
    spellings = {
        "sectionId": [section["code"], section["code"].lower()],
        "sectionExternalId": [ABSENT, None, section["externalId"]],
        "academicYearExternalId": [ABSENT, None, "", year["externalId"]],
    }
    check(tables, fresh, "enrollments", by_code, spellings)


# Money


def test_fee_schedules(fresh, tables, family, admin):
    document = {
        "externalId": unique("FEE"),
        "studentExternalId": family[0],
        "heads": [{"code": "TUITION", "amount": 900}, {"code": "BUS", "label": "Bus", "amount": 100}],
        "total": 1000,
        "installmentPlan": {"schedule": [{"due": "2025-06-01", "amount": 400}, {"due": "2025-09-01", "amount": 600}]},
    }
    schedule_id = ok(fresh.api.post("fee-schedules", document), 201)["id"]
    spellings = {
        "heads": ANY_ORDER,
        "currency": [ABSENT, "USD", None],
        "discounts": [ABSENT, [], None],
        "total": [1000, "1000.00", 1000.0],
        "installmentPlan.count": [ABSENT, 2, None],
    }
    check(tables, fresh, "fee-schedules", document, spellings)
    admin.call("school.fee.schedule", "action_bill", [schedule_id])
    check(tables, fresh, "fee-schedules", document, spellings)


def billing(student_id, **fields):
    return {
        "externalId": unique("BIL"),
        "studentExternalId": student_id,
        "issueDate": "2025-06-01",
        "dueDate": "2025-06-30",
        "currency": "USD",
        "status": "sent",
        "lines": [{"code": "TUITION", "amount": 300}, {"code": "BUS", "label": "Bus", "quantity": 2, "unitPrice": 50}],
        **fields,
    }


def spellings_of_lines():
    tuition = [
        {"code": "TUITION", "amount": 300},
        {"code": "TUITION", "label": "TUITION", "amount": "300.00", "quantity": 1},
        {"code": "TUITION", "unitPrice": 300, "discount": 0},
        {"code": "TUITION", "quantity": 3, "unitPrice": 100},
    ]
    bus = [
        {"code": "BUS", "label": "Bus", "quantity": 2, "unitPrice": 50},
        {"code": "BUS", "label": "Bus", "amount": 100},
        {"code": "BUS", "label": "Bus", "quantity": 2, "unitPrice": 50, "amount": 100.0, "taxes": None},
    ]
    return [lines for one in tuition for other in bus for lines in ([one, other], [other, one])]


@pytest.mark.parametrize(
    "state",
    [
        {"status": "draft"},
        {"status": "sent"},
        {"status": "paid"},
        {"status": "paid", "payments": [{"externalId": "P-1", "date": "2025-06-10", "amount": 400}]},
        {"status": "partial", "payments": [{"externalId": "P-1", "date": "2025-06-10", "amount": 100}]},
        {
            "status": "partial",
            "credits": [{"externalId": "C-1", "date": "2025-06-10", "lines": [{"code": "BUS", "amount": 40}]}],
        },
        {"status": "cancelled"},
    ],
    ids=lambda state: "-".join(state) + "-" + state["status"],
)
@pytest.mark.parametrize("policy", ["refuse", "reissue"])
def test_billings(fresh, tables, family, admin, state, policy):
    child, payer, _other = family
    admin.write("school.sync.source", fresh.id, posted_policy=policy)
    document = billing(child, **state)
    ok(fresh.api.post("billings", document), 201)
    spellings = {
        "lines": spellings_of_lines(),
        "total": [ABSENT, 400, "400.00", None],
        "notes": [ABSENT, None, ""],
        "invoiceNumber": [ABSENT, None],
        "dueDate": [document["dueDate"], ABSENT, None],
    }
    if state["status"] in ("sent", "partial"):
        spellings["status"] = [state["status"], "overdue"]
    if state["status"] not in ("draft", "cancelled"):
        spellings["payerExternalId"] = [ABSENT, None, payer]
    if "payments" not in state:
        spellings["payments"] = [ABSENT, [], None]
    if "credits" in state:
        (credit,) = state["credits"]
        priced = [{"code": "BUS", "label": "BUS", "quantity": 2, "unitPrice": "20.00"}]
        spellings["credits"] = [[credit], [{**credit, "lines": priced}], [{**credit, "reason": ""}]]
    check(tables, fresh, "billings", document, spellings)


def test_payments(fresh, tables, family, admin):
    child, payer, _other = family
    bills = [billing(child), billing(child)]
    ok(fresh.api.post("billings", bills))
    shares = [{"billingExternalId": one["externalId"], "amount": 100} for one in bills]
    document = {"externalId": unique("RCT"), "date": "2025-06-10", "amount": 250, "currency": "USD"}
    document.update({"payerExternalId": payer, "method": "check", "allocations": shares})
    record_id = ok(fresh.api.post("payments", document), 201)["id"]
    spellings = {
        "amount": [250, "250.00"],
        "status": ["received", None, ABSENT],
        "method": ["check", " check ", ABSENT],
        "journal": [None, ABSENT, ""],
        "reference": [None, ABSENT, ""],
        "returnDate": [None, ABSENT],
        "allocations": [shares, shares[::-1], [{**one, "amount": "100.0"} for one in shares], ABSENT],
    }
    check(tables, fresh, "payments", document, spellings)
    payment_id = admin.read_one("school.payment", record_id, "payment_id")["payment_id"][0]
    for action in ("action_draft", "action_cancel"):
        admin.call("account.payment", action, [payment_id])
        assert_given_back_is_unchanged(tables, fresh, "payments", document["externalId"])


def test_billings_on_which_people_have_worked(fresh, tables, family, admin):
    """Whatever an accountant does to an invoice, the document that GET gives of it afterwards says nothing new."""
    document = billing(family[0], status="draft", total=400)
    billing_id = ok(fresh.api.post("billings", document), 201)["id"]
    move_id = admin.read_one("school.billing", billing_id, "move_id")["move_id"][0]
    lines = admin.read("account.move.line", [("move_id", "=", move_id), ("display_type", "=", "product")], ["id"])
    edits = [
        {"invoice_date_due": "2025-07-31"},
        {"narration": "<p>Please pay</p>"},
        {"invoice_line_ids": [(1, lines[0]["id"], {"price_unit": 310, "name": "Tuition, first term"})]},
        {"invoice_line_ids": [(0, 0, {"display_type": "line_note", "name": "Thank you"})]},
    ]
    for edit in edits:
        admin.write("account.move", move_id, **edit)
        assert_given_back_is_unchanged(tables, fresh, "billings", document["externalId"])
    for action in ("action_post", "button_draft", "button_cancel"):
        admin.call("account.move", action, [move_id])
        assert_given_back_is_unchanged(tables, fresh, "billings", document["externalId"])
