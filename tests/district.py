"""A school district as its information system holds it: people who share guardians, move, leave, and are misspelt.

It is made of chance, and the same for the same seed. No two of its documents contradict each other.
"""

import random
from dataclasses import dataclass, field
from datetime import date

from families import NOT_YET_DUE, moment

FIRST = ("Amélie", "Jane", "José", "Noor", "Siobhán", "Wei", "Kwame", "Ana María", "Łukasz", "O'Neil", "Ravi", "Zoë")
LAST = ("García Márquez", "Smith", "Nguyễn", "van den Berg", "O'Brien", "Müller", "Al-Farsi", "Kowalska", "Das", "Li")
CAMPUSES = ("North", "South")
THIS_YEAR, LAST_YEAR = "2025-2026", "2024-2025"
#: what registrars type where it does not belong; what only enriches keeps nobody out
TYPOS = (
    {"phone": "call the office"},
    {"phone": "98765"},
    {"email": "mother at example"},
    {"email": "a@example.org; b@example.org"},
    {"address": {"permanent": "12 Main Street", "country": "Freedonia"}},
    {"occupation": "  "},
)
WORDS = {"gender": ("F", "girl", "female", "FEMALE"), "status": ("active", "Active", "ACTIVE")}


@dataclass
class District:
    """The documents of a district, in no order, and what is to be found of it in the end."""

    documents: list[tuple[str, dict]] = field(default_factory=list)
    #: what the onboarding system, which calls people by ids of its own, knows of some guardians
    onboarding: list[tuple[str, dict]] = field(default_factory=list)
    parents: set[str] = field(default_factory=set)
    students: set[str] = field(default_factory=set)
    #: e-mails of the guardians who are also employees
    staff: list[tuple[str, str]] = field(default_factory=list)


def shuffled(documents: list[tuple[str, dict]], seed: int) -> list[tuple[str, dict]]:
    result = list(documents)
    random.Random(seed).shuffle(result)
    return result


def make(families: int, seed: int = 1) -> District:
    """A district of about four people a family."""
    dice, district = random.Random(seed), District()
    for number, campus in enumerate(CAMPUSES):
        _add(district, "schools", {"externalId": campus, "name": f"{campus} Campus", "code": str(100 + number)})
    known = []
    for number in range(families):
        guardians = [_guardian(dice, district, number, place) for place in range(dice.choice((1, 2, 2, 2)))]
        if known and dice.random() < 0.15:
            # A family of a second marriage, or a grandmother who looks after cousins.
            guardians.append(dice.choice(known))
        known += guardians
        for place in range(dice.choice((1, 1, 2, 2, 3))):
            _student(dice, district, f"{number}-{place}", guardians)
    return district


def _guardian(dice, district: District, number: int, place: int) -> str:
    external_id = f"G-{number}-{place}"
    name = f"{dice.choice(FIRST)} {dice.choice(LAST)} {number}-{place}"
    document = {
        "externalId": external_id,
        "name": name,
        "relation": dice.choice(("Mother", "Father", "Grandmother", "Guardian")),
        "phone": f"+1 415 555 {number % 10000:04}",
        # Some families have one address for all.
        "email": f"family.{number}@example.org" if dice.random() < 0.2 else f"g{number}.{place}@example.org",
        "updatedAt": moment(2 * number + 1),
    }
    if dice.random() < 0.1:
        # What was wrong at first, and put right since; and what is wrong still.
        _add(district, "parents", {**document, **dice.choice(TYPOS), "updatedAt": moment(2 * number)})
        document["address"] = {"permanent": "12 Main Street", "country": "US"}
    elif dice.random() < 0.05:
        document |= dice.choice(TYPOS)
    elif dice.random() < 0.3:
        said = {key: document[key] for key in ("name", "phone", "email")}
        district.onboarding.append(("parents", {"externalId": f"APP-{number}-{place}", **said}))
    elif dice.random() < 0.1:
        # Whether a contact is taken over is decided by the first document: it has the right e-mail here.
        district.staff.append((name, document["email"]))
    district.parents.add(external_id)
    _add(district, "parents", document)
    return external_id


def _student(dice, district: District, name: str, guardians: list[str]) -> None:
    external_id, campus, grade = f"S-{name}", dice.choice(CAMPUSES), dice.randrange(13)
    first, *others = dice.sample(guardians, len(guardians))
    student = {
        "externalId": external_id,
        "fullName": f"{dice.choice(FIRST)} {dice.choice(LAST)} {name}",
        "dob": date(2020 - grade, 1 + dice.randrange(12), 1 + dice.randrange(28)).isoformat(),
        "gender": dice.choice(WORDS["gender"]),
        "languages": dice.sample(("English", "Spanish", "Tagalog"), dice.randrange(1, 3)),
        "address": {"permanent": f"{name} Main Street", "city": campus, "state": "California", "country": "USA"},
        "parents": [
            {"externalId": first, "pays": True, "livesWith": True, "pickup": True},
            *({"externalId": other, "priority": 2 + place} for place, other in enumerate(others)),
        ],
        "updatedAt": moment(1),
    }
    district.students.add(external_id)
    _add(district, "students", student)
    leaves = dice.random() < 0.1
    for year, in_grade, is_over in ((LAST_YEAR, grade - 1, True), (THIS_YEAR, grade, False)):
        if in_grade < 0:
            continue
        ended = "graduated" if is_over else "withdrawn" if leaves else ""
        _year(dice, district, external_id, campus, year, in_grade, ended)
    if dice.random() < 0.3:
        _add(
            district,
            "applications",
            {
                "externalId": f"A-{name}",
                "status": dice.choice(("submitted", "approved")),
                "academicYear": THIS_YEAR,
                "gradeApplied": f"Grade {grade}" if grade else "KG",
                "studentExternalId": external_id,
            },
        )
    if dice.random() < 0.3:
        _fees(dice, district, external_id, paid=leaves or dice.random() < 0.5)


def _year(dice, district: District, student: str, campus: str, year: str, grade: int, ended: str) -> None:
    start = int(year[:4])
    _add(
        district,
        "enrollments",
        {
            "externalId": f"E-{student}-{year}",
            "studentExternalId": student,
            "schoolExternalId": campus,
            "academicYear": year,
            "gradeLevel": grade,
            "startDate": f"{start}-08-15",
            "endDate": f"{start}-11-01" if ended == "withdrawn" else f"{start + 1}-06-15",
            "status": ended or dice.choice(WORDS["status"]),
        },
    )
    _add(
        district,
        "roster-assignments",
        {
            "externalId": f"R-{student}-{year}",
            "event": "roster.assignment.completed",
            "studentExternalId": student,
            "schoolExternalId": campus,
            "classId": f"GRADE{grade}",
            "sectionId": dice.choice("AB"),
            "rollNo": f"{dice.randrange(1, 40):03}",
            "start": f"{start}-08-15",
        },
    )


def _fees(dice, district: District, student: str, *, paid: bool) -> None:
    bus = dice.choice((0, 100))
    heads = [{"code": "TUITION", "amount": 900}, *([{"code": "BUS", "amount": bus}] if bus else [])]
    _add(
        district,
        "fee-schedules",
        {
            "externalId": f"F-{student}",
            "studentExternalId": student,
            "heads": heads,
            "discounts": [{"code": "SIBLING", "amount": 50}],
            "total": 850 + bus,
        },
    )
    billing = {
        "externalId": f"B-{student}",
        "studentExternalId": student,
        "issueDate": "2025-09-01",
        "dueDate": NOT_YET_DUE,
        "currency": "USD",
        "status": "sent",
        "lines": [{"code": head["code"], "amount": head["amount"]} for head in heads],
        "updatedAt": moment(1),
    }
    _add(district, "billings", billing)
    if paid:
        payments = [{"externalId": f"P-{student}", "date": "2025-10-01", "amount": 900 + bus}]
        _add(district, "billings", {**billing, "status": "paid", "payments": payments, "updatedAt": moment(2)})


def _add(district: District, entity: str, document: dict) -> None:
    district.documents.append((entity, document))
