"""Thirty clients with mixed work: nobody is told 5xx or cut off, and nothing that was acknowledged is lost."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from support import LONG, ok, parent, problem, student, unique

CLIENTS = 30
SECONDS = 60 if LONG else 8


class Client:
    """A client with documents of its own, who knows what has to be there in the end."""

    def __init__(self, api, number):
        self.api, self.random = api, random.Random(number)
        self.held, self.billed, self.refused = {}, [], []

    def work(self, deadline):
        kinds = {
            self.create: 6,
            self.repeat: 3,
            self.change: 3,
            self.batch: 2,
            self.read: 3,
            self.turn_page: 1,
            self.send_bad_document: 1,
            self.bill: 1,
        }
        self.create()
        while time.monotonic() < deadline:
            (kind,) = self.random.choices(list(kinds), list(kinds.values()))
            kind()

    def create(self):
        document = parent()
        ok(self.api.post("parents", document), 201)
        self.held[document["externalId"]] = document["name"]

    def repeat(self):
        assert ok(self.api.post("parents", self._known()))["status"] == "unchanged"

    def change(self):
        document = {**self._known(), "name": unique("Changed")}
        assert ok(self.api.post("parents", document))["status"] == "updated"
        self.held[document["externalId"]] = document["name"]

    def batch(self):
        documents = [parent() for _number in range(8)] + [self._known(), {**parent(), "name": None}]
        items = ok(self.api.post("parents", documents), 207)["items"]
        assert [item["status"] for item in items] == ["created"] * 8 + ["unchanged", "failed"]
        self.held.update((document["externalId"], document["name"]) for document in documents[:8])
        self.refused.append(documents[-1]["externalId"])

    def read(self):
        document = self._known()
        assert self.api.read("parents", document["externalId"])["name"] == document["name"]

    def turn_page(self):
        assert len(ok(self.api.get("parents", limit=50))["items"]) <= 50

    def send_bad_document(self):
        document = parent(name=None)
        problem(self.api.post("parents", document), 422)
        self.refused.append(document["externalId"])

    def bill(self):
        guardian, child, bill = parent(), student(), unique("BIL")
        child["parents"] = [{"externalId": guardian["externalId"], "pays": True}]
        billing = {
            "externalId": bill,
            "studentExternalId": child["externalId"],
            "issueDate": "2025-06-01",
            "dueDate": "2025-06-30",
            "currency": "USD",
            "status": "sent",
            "lines": [{"code": "SCHOOL_FEE", "label": "School Fee", "amount": "300.10"}],
            "total": "300.10",
        }
        ok(self.api.post("sync", {"parents": [guardian], "students": [child], "billings": [billing]}))
        self.held[guardian["externalId"]] = guardian["name"]
        self.billed.append(bill)

    def _known(self):
        external_id = self.random.choice(list(self.held))
        return {"externalId": external_id, "name": self.held[external_id]}


def test_nobody_is_cut_off_and_nothing_is_lost(fresh, tables):
    deadline = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [Client(fresh.api, number) for number in range(CLIENTS)]
        list(pool.map(partial(Client.work, deadline=deadline), clients))

    there = {item["externalId"]: item["name"] for page in fresh.api.pages("parents", limit=1000) for item in page}
    assert there == {name: value for client in clients for name, value in client.held.items()}
    billed = {bill for client in clients for bill in client.billed}
    assert set(fresh.api.listed("billings", limit=1000)) == billed
    refused = [name for client in clients for name in client.refused]
    assert refused and not tables.rows("SELECT FROM school_sync_binding WHERE external_id = ANY(%s)", refused)
