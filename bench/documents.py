"""What is sent: families as a district has them, each with a number of its own so that no two are the same."""

import random
from itertools import count

_number = count(1)
FIRST_NAMES = ("Asha", "Ramesh", "Suman", "Kiran", "Meera", "Arjun", "Priya", "Vikram")
LAST_NAMES = ("Sharma", "Rao", "Iyer", "Khan", "Fernandes", "Singh", "Das")
JOBS = ("Software Engineer", "Teacher", "Physician", "Farmer", "Driver")
LANGUAGES = ("English", "Hindi", "Kannada", "Tamil")
# A billing of four lines.
FEES = {"SCHOOL_FEE": 1500, "LIBRARY_FEE": 75, "SKILL_FEE": "125.50", "TRANSPORT_FEE": "300.25"}
FEE_TOTAL = "2000.75"


def parents(amount: int) -> list[dict]:
    """``amount`` new parents, with every field of the contract but links."""
    return [_parent(next(_number)) for _position in range(amount)]


def _parent(number: int) -> dict:
    first, last = FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[number % len(LAST_NAMES)]
    return {
        "externalId": f"PAR-{number:07}",
        "relation": "Father" if number % 2 else "Mother",
        "name": f"{first} {last} {number}",
        "occupation": JOBS[number % len(JOBS)],
        "phone": f"+91 98{number % 10**8:08}",
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "portalUserId": f"user_{number}",
    }


def changed(documents: list[dict]) -> list[dict]:
    """The parents ``documents`` with another occupation, phone and e-mail."""
    number = next(_number)
    return [
        {
            **document,
            "occupation": JOBS[(JOBS.index(document["occupation"]) + 1) % len(JOBS)],
            "phone": f"{document['phone'][:6]}{(int(document['phone'][6:]) + 50_000_000) % 10**8:08}",
            "email": f"{number}.{document['email'].split('.', 1)[1]}",
        }
        for document in documents
    ]


def students(parents_by_two: list[tuple[dict, dict]]) -> list[dict]:
    """A new student of each couple of parents, with every field of the contract."""
    return [_student(next(_number), couple) for couple in parents_by_two]


def _student(number: int, couple: tuple[dict, dict]) -> dict:
    return {
        "externalId": f"STU-{number:07}",
        "fullName": f"{FIRST_NAMES[number % len(FIRST_NAMES)]} {LAST_NAMES[number % len(LAST_NAMES)]} {number}",
        "dob": f"{2008 + number % 10}-{1 + number % 12:02}-{1 + number % 28:02}",
        "gender": "Male" if number % 2 else "Female",
        "nationality": "Indian",
        "religion": "Hindu",
        "casteCommunity": "General",
        "languages": [LANGUAGES[number % 4], LANGUAGES[(number + 1) % 4]],
        "photoUrl": f"https://files.example/students/{number}.jpg",
        "health": {"bloodGroup": "B+ve", "allergies": ["Peanuts"], "medicalConditions": []},
        "emergency": {"name": f"Ravi {number}", "phone": "+91 9998887776", "relation": "Uncle"},
        "address": {
            "permanent": f"{number} Green Valley",
            "correspondence": "Same as above",
            "city": "Bangalore",
            "state": "Karnataka",
            "country": "India",
            "pin": "560034",
        },
        "previousSchool": {
            "schoolName": "Green Valley School",
            "board": "CBSE",
            "lastGrade": "7",
            "yearOfCompletion": 2024,
            "reasonForTransfer": "Relocation",
        },
        "transport": {"mode": "School Bus", "route": f"Stop {number % 40}"},
        "parents": [
            {"externalId": parent["externalId"], "priority": priority, "livesWith": True, "pays": priority == 1}
            for priority, parent in enumerate(couple, 1)
        ],
    }


def billings(students_: list[dict], currency: str) -> list[dict]:
    """A posted billing of four lines for each student, paid by the first parent."""
    return [
        {
            "externalId": f"BIL-{student['externalId']}-{next(_number)}",
            "studentExternalId": student["externalId"],
            "payerExternalId": student["parents"][0]["externalId"],
            "invoiceNumber": f"INV-{student['externalId']}",
            "issueDate": "2025-08-18",
            "dueDate": "2025-09-30",
            "currency": currency,
            "status": "sent",
            "lines": [{"code": code, "label": code.title(), "amount": amount} for code, amount in FEES.items()],
            "total": FEE_TOTAL,
        }
        for student in students_
    ]


def faulty(billings_: list[dict], share: float) -> list[dict]:
    """``billings_`` of which ``share``, evenly spread, are refused: for their total, an unknown tax, or what was paid.

    What the total is with taxes is known only when the invoices are made.
    """
    faults = (
        {"total": "1"},
        {"lines": [{"code": code, "amount": amount, "taxes": ["15%"]} for code, amount in FEES.items()]},
        {"lines": [{"code": code, "amount": amount, "taxes": ["No such tax"]} for code, amount in FEES.items()]},
        {"status": "paid", "payments": [{"externalId": "PAY", "date": "2025-08-18", "amount": 1}]},
    )
    places = range(round(len(billings_) * share))
    spread = {int(place / share): faults[place % len(faults)] for place in places}
    return [{**document, **spread.get(index, {})} for index, document in enumerate(billings_)]


def families(amount: int, currency: str) -> dict[str, list[dict]]:
    """A bundle of ``amount`` new families: two parents, a student, an enrollment, a fee schedule and a billing each."""
    people = parents(2 * amount)
    children = students(list(zip(people[::2], people[1::2], strict=True)))
    ids = [child["externalId"] for child in children]
    return {
        "parents": people,
        "students": children,
        "applications": [
            {
                "externalId": f"APP-{external_id}",
                "studentExternalId": external_id,
                "status": "approved",
                "academicYear": "2025-2026",
                "gradeApplied": "Grade 5",
                "submittedAt": "2025-05-03T10:12:44Z",
            }
            for external_id in ids
        ],
        "enrollments": [
            {
                "externalId": f"ENR-{external_id}",
                "studentExternalId": external_id,
                "academicYear": "2025-2026",
                "classId": "Grade 5",
                "startDate": "2025-08-18",
                "endDate": "2026-06-13",
                "status": 0,
            }
            for external_id in ids
        ],
        "fee-schedules": [
            {
                "externalId": f"FEE-{external_id}",
                "studentExternalId": external_id,
                "heads": [{"code": code, "label": code.title(), "amount": amount} for code, amount in FEES.items()],
                "total": FEE_TOTAL,
                "installmentPlan": {"count": 1, "schedule": [{"due": "2025-09-30", "amount": FEE_TOTAL}]},
            }
            for external_id in ids
        ],
        "billings": billings(children, currency),
    }


def shuffled(bundle: dict[str, list[dict]], size: int) -> list[tuple[str, dict]]:
    """The documents of ``bundle`` in no order, the same each time, as requests of ``size`` documents: path and body."""
    alone = [(entity, document) for entity, batch in bundle.items() for document in batch]
    random.Random(1).shuffle(alone)
    if size == 1:
        return alone
    requests = []
    for first in range(0, len(alone), size):
        body = {}
        for entity, document in alone[first : first + size]:
            body.setdefault(entity, []).append(document)
        requests.append(("sync", body))
    return requests


# The same, as somebody would send it to Odoo without the addon.


def contacts(documents: list[dict]) -> list[dict]:
    """Parents as field values of plain contacts. The externalId is kept as the reference."""
    return [
        {
            "ref": document["externalId"],
            "name": document["name"],
            "function": document["occupation"],
            "phone": document["phone"],
            "email": document["email"],
        }
        for document in documents
    ]


CONTACT_COLUMNS = ("id", "name", "function", "phone", "email")


def contact_rows(documents: list[dict]) -> list[list[str]]:
    """Parents as the rows of an import of contacts, with :data:`CONTACT_COLUMNS`."""
    return [
        [f"bench.{contact['ref']}", *(contact[name] for name in CONTACT_COLUMNS[1:])] for contact in contacts(documents)
    ]


EMPLOYEE_COLUMNS = ("id", "name", "work_email", "work_phone", "job_title")


def employee_rows(amount: int) -> list[list[str]]:
    """``amount`` new employees as the rows of an import, with :data:`EMPLOYEE_COLUMNS`."""
    people = parents(amount)
    return [
        [f"bench.EMP-{person['externalId']}", person["name"], person["email"], person["phone"], person["occupation"]]
        for person in people
    ]
