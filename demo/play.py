#!/usr/bin/env python3
"""PowerSchool and the onboarding system, against a running Odoo: a school year arrives, and arrives again.

Usage: SCHOOL_SYNC_KEY=… demo/play.py --url http://127.0.0.1:8069 [--families 200]
"""

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import hr
import requests
from faker import Faker

HERE = Path(__file__).parent
BATCH = 100
SEED = 2025
PRINTED = ("applications", "parents", "students", "fee-schedules", "roster-assignments")


class Client:
    """Posts documents and keeps the books: what became of them, and how long it took."""

    def __init__(self, url: str, key: str):
        self.url = url.rstrip("/")
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"
        self.ids: dict[str, tuple[str, int]] = {}

    def post(self, entity: str, documents: list[dict]) -> tuple[Counter, float]:
        """Post ``documents`` in batches; :return: how many went which way, and the seconds it took"""
        counts, started = Counter(), time.monotonic()
        for first in range(0, len(documents), BATCH):
            batch = documents[first : first + BATCH]
            answer = self.session.post(f"{self.url}/api/{entity}", json=batch, timeout=120)
            body = answer.json()
            if "items" not in body:
                sys.exit(f"POST /api/{entity} was answered {answer.status_code}: {body.get('detail')}")
            for item in body["items"]:
                counts[item["status"]] += 1
                if item["id"]:
                    self.ids[item["externalId"]] = (item["model"], item["id"])
        return counts, time.monotonic() - started


def generate_families(count: int) -> tuple[list[dict], list[dict]]:
    """:return: parents and students of ``count`` families, the same ones at every call"""
    Faker.seed(SEED)
    fake = Faker("en_US")
    parents, students = [], []
    for number in range(1, count + 1):
        last_name, address = fake.last_name(), fake.street_address()
        city, state = fake.city(), fake.state_abbr(include_territories=False, include_freely_associated_states=False)
        names = {"Father": fake.first_name_male(), "Mother": fake.first_name_female()}
        family = []
        for relation, first_name in names.items():
            parent = {
                "externalId": f"PS-{number:04}-{relation[0]}",
                "relation": relation,
                "name": f"{first_name} {last_name}",
                "occupation": fake.job(),
                "phone": f"+1 {fake.numerify('2##-555-01##')}",
                "email": f"{first_name}.{last_name}.{number}@example.com".lower().replace(" ", ""),
                "updatedAt": "2025-08-01T06:00:00Z",
            }
            family.append(parent["externalId"])
            parents.append(parent)
        for child in range(1, fake.random_int(1, 3) + 1):
            is_girl = fake.boolean()
            students.append(
                {
                    "externalId": f"PS-{number:04}-{child}",
                    "fullName": f"{fake.first_name_female() if is_girl else fake.first_name_male()} {last_name}",
                    "dob": fake.date_of_birth(minimum_age=6, maximum_age=17).isoformat(),
                    "gender": "Female" if is_girl else "Male",
                    "languages": fake.random_elements(["English", "Spanish", "French", "Hindi"], length=2, unique=True),
                    "health": {"allergies": fake.random_elements(["Peanuts", "Pollen", "Milk"], length=1)},
                    "address": {
                        "permanent": address,
                        "city": city,
                        "state": state,
                        "country": "US",
                        "pin": fake.postcode(),
                    },
                    "transport": {"mode": fake.random_element(["School Bus", "Walks", "Car"])},
                    "parents": [
                        {"externalId": external_id, "priority": priority, "livesWith": True, "pays": priority == 1}
                        for priority, external_id in enumerate(family, 1)
                    ],
                    "updatedAt": "2025-08-01T06:00:00Z",
                }
            )
    return parents, students


def generate_school_year(students: list[dict]) -> dict[str, list[dict]]:
    """:return: for each entity the documents of a school year of ``students``: from the application to the payment"""
    year = defaultdict(list)
    for number, student in enumerate(students):
        external_id = student["externalId"]
        of_student = {"studentExternalId": external_id, "updatedAt": "2025-08-02T06:00:00Z"}
        grade = f"Grade {2025 - int(student['dob'][:4]) - 5}"
        section = "AB"[number % 2]
        year["applications"].append(
            {
                "externalId": f"APP-{external_id}",
                "status": "approved",
                "academicYear": "2025-2026",
                "gradeApplied": grade,
                "section": section,
                "submittedAt": "2025-05-03T10:12:44Z",
                "decidedAt": "2025-05-05T09:00:00Z",
                **of_student,
            }
        )
        year["enrollments"].append(
            {
                "externalId": f"ENR-{external_id}",
                "academicYear": "2025-2026",
                "classId": grade,
                "startDate": "2025-08-18",
                "endDate": "2026-06-13",
                "status": 0,
                **of_student,
            }
        )
        year["roster-assignments"].append(
            {
                "event": "roster.assignment.completed",
                "classId": grade,
                "sectionId": section,
                "rollNo": f"{grade.split()[1]}{section}-{number:03}",
                "start": "2025-08-18",
                **of_student,
            }
        )
        year["fee-schedules"].append(
            {
                "externalId": f"FEE-{external_id}",
                "heads": [
                    {"code": "SCHOOL_FEE", "label": "School Fee", "amount": 3000},
                    {"code": "TRANSPORT_FEE", "label": "Transport Fee", "amount": "600.50"},
                ],
                "total": "3600.50",
                "installmentPlan": {
                    "count": 2,
                    "schedule": [
                        {"due": "2025-09-01", "amount": "1800.25"},
                        {"due": "2026-02-01", "amount": "1800.25"},
                    ],
                },
                **of_student,
            }
        )
        year["billings"].append(
            {
                "externalId": f"BIL-{external_id}",
                "feeScheduleExternalId": f"FEE-{external_id}",
                "invoiceNumber": f"PS-2025-{number:04}",
                "issueDate": "2025-08-18",
                "dueDate": "2025-09-01",
                "currency": "USD",
                "lines": [
                    {"code": "SCHOOL_FEE", "label": "School Fee", "amount": 1500},
                    {"code": "TRANSPORT_FEE", "label": "Transport Fee", "amount": "300.25"},
                ],
                "total": "1800.25",
                **PAYMENTS[number % len(PAYMENTS)](external_id),
                **of_student,
            }
        )
    return year


def _payment(external_id: str, amount: str) -> dict:
    return {"externalId": f"PAY-{external_id}", "date": "2025-08-30", "amount": amount, "method": "card"}


# One family has not paid yet, the next has paid a part, the next all.
PAYMENTS = (
    lambda _external_id: {"status": "sent"},
    lambda external_id: {"status": "partial", "payments": [_payment(external_id, "800.25")]},
    lambda external_id: {"status": "paid", "payments": [_payment(external_id, "1800.25")]},
)


def read_printed(entity: str) -> list[dict]:
    """The payload of ``entity`` exactly as the onboarding data contract prints it."""
    payload = json.loads((HERE / f"{entity}.json").read_text())
    return payload if isinstance(payload, list) else [payload]


def print_table(rows: list[tuple[str, Counter, float]]) -> None:
    columns = ("created", "updated", "unchanged", "failed")
    print(f"\n{'':34}" + "".join(f"{name:>11}" for name in columns) + f"{'records/s':>12}")
    for label, counts, seconds in rows:
        total = sum(counts.values())
        print(f"{label:34}" + "".join(f"{counts[name]:>11,}" for name in columns) + f"{total / seconds:>12,.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="where Odoo answers")
    parser.add_argument("--database", help="where HR plays its part too, as admin; nothing of it without")
    parser.add_argument("--families", type=int, default=200, help="how many to generate")
    args = parser.parse_args()
    key = os.environ.get("SCHOOL_SYNC_KEY")
    if not key:
        sys.exit("SCHOOL_SYNC_KEY is not set; ./dev key prints one.")
    client = Client(args.url, key)
    printed = {entity: read_printed(entity) for entity in PRINTED}
    parents, students = generate_families(args.families)
    generated = {"parents": parents, "students": students, **generate_school_year(students)}

    rows = []
    for time_label in ("", ", again"):
        for what, families in (("printed", printed), (f"{args.families} families", generated)):
            for entity, documents in families.items():
                rows.append((f"{entity}, {what}{time_label}", *client.post(entity, documents)))
    print_table(rows)

    print("\nThe first family, as PowerSchool now knows it:")
    for external_id, (model, record_id) in list(client.ids.items())[: sum(map(len, printed.values()))]:
        print(f"  {external_id:28} → {model} {record_id}")
    again = sum((counts for label, counts, _seconds in rows if label.endswith("again")), Counter())
    failed = sum(counts["failed"] for _label, counts, _seconds in rows)
    if failed or set(again) != {"unchanged"}:
        print(f"\nNot as it should be: {failed} failed, and the second time gave {dict(again)}.", file=sys.stderr)
        return 1
    print("\nThe second time changed nothing.\n")
    if args.database:
        officer = hr.Hr(client.url, args.database, "admin", "admin")
        if not hr.play(officer, hr.PowerSchool(client.url, key)):
            print("\nHR and PowerSchool did not end as they should.", file=sys.stderr)
            return 1
    print(
        f"\nSee for yourself: {client.url}/odoo (login admin, password admin), app School Sync: "
        "Students, Fees > Billings, Sync > Log."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
