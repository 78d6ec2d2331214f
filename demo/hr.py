#!/usr/bin/env python3
"""The second sequence diagram, both parts played: HR adds teachers in Odoo, PowerSchool fetches them and answers.

Usage: SCHOOL_SYNC_KEY=… demo/hr.py --url http://127.0.0.1:8069 --database school [--teachers 60]
"""

import argparse
import os
import sys
import xmlrpc.client
from collections import Counter

import requests
from faker import Faker

PAGE = 25
SEED = 2026
DEPARTMENTS = {"Science": "Science Teacher", "Mathematics": "Mathematics Teacher", "Languages": "English Teacher"}


class Hr:
    """HR at work in Odoo, as its administrator, over XML-RPC."""

    def __init__(self, url: str, database: str, login: str, password: str):
        self.database, self.password = database, password
        self.uid = xmlrpc.client.ServerProxy(f"{url}/xmlrpc/2/common").authenticate(database, login, password, {})
        if not self.uid:
            sys.exit(f"{login} cannot log in to {database}.")
        self.models = xmlrpc.client.ServerProxy(f"{url}/xmlrpc/2/object", allow_none=True)

    def call(self, model: str, method: str, *args, **kwargs):
        return self.models.execute_kw(self.database, self.uid, self.password, model, method, args, kwargs)

    def find_or_create(self, model: str, name: str) -> int:
        found = self.call(model, "search", [("name", "=", name)], limit=1)
        return found[0] if found else self.call(model, "create", {"name": name})

    def hire(self, count: int) -> list[int]:
        """:return: the ids of ``count`` new teachers"""
        Faker.seed(SEED)
        fake = Faker("en_US")
        rooms = [
            {
                "department_id": self.find_or_create("hr.department", department),
                "job_id": self.find_or_create("hr.job", job),
            }
            for department, job in DEPARTMENTS.items()
        ]
        return self.call(
            "hr.employee",
            "create",
            [
                {
                    "name": (name := fake.unique.name()),
                    "work_email": f"{name.lower().replace(' ', '.').replace('..', '.')}@school.example",
                    "work_phone": f"+1 {fake.numerify('2##-555-01##')}",
                    **rooms[number % len(rooms)],
                }
                for number in range(count)
            ],
        )

    def states(self, ids: list[int]) -> Counter:
        return Counter(row["school_sync_state"] for row in self.call("hr.employee", "read", ids, ["school_sync_state"]))


class PowerSchool:
    """Fetches employees, makes teachers of them, and says so."""

    def __init__(self, url: str, key: str):
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def fetch(self) -> list[list[dict]]:
        """:return: the pages of all who are pending"""
        pages, cursor = [], None
        while True:
            answer = self.session.get(
                f"{self.url}/api/employees",
                params={"limit": PAGE, "cursor": cursor} if cursor else {"limit": PAGE},
                timeout=60,
            )
            body = answer.json()
            if "items" not in body:
                sys.exit(f"GET /api/employees was answered {answer.status_code}: {body.get('detail')}")
            pages.append(body["items"])
            cursor = body["nextCursor"]
            if not cursor:
                return pages

    def report(self, statuses: list[dict]) -> Counter:
        """:return: how many of ``statuses`` were answered how"""
        answer = self.session.post(f"{self.url}/api/teacher/status", json=statuses, timeout=60)
        body = answer.json()
        if "items" not in body:
            sys.exit(f"POST /api/teacher/status was answered {answer.status_code}: {body.get('detail')}")
        return Counter(item["status"] for item in body["items"])


def taken_over(employee: dict) -> dict:
    return {
        "externalId": employee["externalId"],
        "version": employee["version"],
        "status": "success",
        "teacherId": f"PS-T{employee['id']:05}",
    }


def refused(employee: dict) -> dict:
    return {
        "externalId": employee["externalId"],
        "version": employee["version"],
        "status": "error",
        "code": "email_taken",
        "message": f"{employee['workEmail']} belongs to another teacher already.",
    }


def show(counts: Counter) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: str(pair[0])))


def play(hr: Hr, power_school: PowerSchool, count: int = 60) -> bool:
    """Play the diagram, and what may go differently. :return: whether it ended as it should"""
    ids = hr.hire(count)
    edited, odd, leaver = ids[:3]
    print(f"HR adds {count} teachers in Odoo.                       Odoo: {show(hr.states(ids))}")

    pages = power_school.fetch()
    given = {employee["id"]: employee for page in pages for employee in page if employee["id"] in set(ids)}
    print(f"PowerSchool fetches {sum(map(len, pages))} in {len(pages)} pages of up to {PAGE}.")

    hr.call("hr.employee", "write", [edited], {"mobile_phone": "+1 202-555-0199"})
    print("Meanwhile HR edits one of them.")

    answers = power_school.report(
        [refused(employee) if employee["id"] == odd else taken_over(employee) for employee in given.values()]
    )
    states = hr.states(ids)
    print(f"PowerSchool answers; Odoo says to that: {show(answers)}.")
    print(f"{'':55}Odoo: {show(states)}")
    (why,) = hr.call("hr.employee", "read", [odd], ["name", "school_sync_message"])
    print(f"HR sees why {why['name']} was refused: {why['school_sync_message']}")
    good = states == Counter(synced=count - 2, pending=1, error=1) and answers["stale"] == 1

    hr.call("hr.employee", "write", [odd], {"work_email": f"second.{odd}@school.example"})
    hr.call("hr.employee", "write", [leaver], {"active": False})
    print(f"HR mends the address, and archives somebody else.      Odoo: {show(hr.states(ids))}")

    rest = [employee for page in power_school.fetch() for employee in page if employee["id"] in set(ids)]
    inactive = [employee["name"] for employee in rest if not employee["active"]]
    print(f"PowerSchool fetches {len(rest)}, of whom no longer active: {', '.join(inactive)}.")
    power_school.report([taken_over(employee) for employee in rest])
    states = hr.states(ids)
    print(f"PowerSchool answers.                                   Odoo: {show(states)}")
    return good and {employee["id"] for employee in rest} == {edited, odd, leaver} and states == Counter(synced=count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="where Odoo answers")
    parser.add_argument("--database", required=True, help="the database that HR logs in to")
    parser.add_argument("--teachers", type=int, default=60, help="how many to add")
    args = parser.parse_args()
    key = os.environ.get("SCHOOL_SYNC_KEY")
    if not key:
        sys.exit("SCHOOL_SYNC_KEY is not set; ./dev key prints one.")
    url = args.url.rstrip("/")
    if play(Hr(url, args.database, "admin", "admin"), PowerSchool(url, key), args.teachers):
        print(f"\nSee for yourself: {url}/odoo, app Employees: Employees to Sync.")
        return 0
    print("\nThat is not as it should be.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
