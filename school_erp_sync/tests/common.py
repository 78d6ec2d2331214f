"""What the tests of the addon share: a source, its environment, and documents as the data contract prints them."""

import copy
from typing import Any

from odoo.tests.common import TransactionCase

from ..sync import engine, outbound
from ..sync.item import Report

STUDENT = {
    "externalId": "STU-APP-2025-000123",
    "fullName": "Rahul Sharma",
    "dob": "2010-03-15",
    "gender": "Male",
    "nationality": "Indian",
    "religion": "Hindu",
    "casteCommunity": "General",
    "languages": ["English", "Hindi", "Kannada"],
    "photoUrl": "https://files.example/signed/students/rahul.jpg",
    "health": {"bloodGroup": "B+ve", "allergies": ["Peanuts"], "medicalConditions": []},
    "emergency": {"name": "Ravi Sharma", "phone": "+91 9998887776", "relation": "Uncle"},
    "address": {
        "permanent": "123 Green Valley, Bangalore, Karnataka - 560034",
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
    "transport": {"mode": "School Bus", "route": "Green Valley Main Stop"},
}
FATHER = {
    "externalId": "PAR-APP-2025-000123-F",
    "relation": "Father",
    "name": "Ramesh Sharma",
    "occupation": "Software Engineer",
    "phone": "+91 9876501234",
    "email": "ramesh.sharma@example.com",
    "portalUserId": "user_abc123",
}
MOTHER = {
    "externalId": "PAR-APP-2025-000123-M",
    "relation": "Mother",
    "name": "Suman Sharma",
    "occupation": "Teacher",
    "phone": "+91 9876512345",
    "email": "suman.sharma@example.com",
    "portalUserId": "user_def456",
}


class SyncCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env.company
        cls.source = cls.as_api_user(cls.env["school.sync.source"].create({"name": "Test SIS"}))

    @classmethod
    def as_api_user(cls, source):
        """``source`` as the engine sees it: with the rights of its own user, in its own company."""
        return source.with_env(cls.env(user=source.user_id, context=source._api_context(), su=False))

    def send(self, entity: str, *documents: Any, source=None, **options) -> Report:
        return engine.run(source or self.source, entity, copy.deepcopy(list(documents)), **options)

    def send_ok(self, entity: str, *documents: Any, **options) -> Report:
        report = self.send(entity, *documents, **options)
        self.assertEqual([item.errors for item in report.items], [[]] * len(documents))
        return report

    def document(self, entity: str, external_id: str) -> dict[str, Any]:
        """The document as the API gives it, without what the API adds to it."""
        document = outbound.read_one(self.source, entity, external_id)
        return {k: v for k, v in document.items() if k not in ("id", "model", "version", "active", "updatedAt")}

    def statuses(self, report: Report) -> list[str]:
        return [item.status.value for item in report.items]

    def codes(self, report: Report, index: int = 0) -> dict[str, str]:
        return {error.pointer: error.code for error in report.items[index].errors}

    def student(self, external_id: str):
        return self._record("students", external_id)

    def parent(self, external_id: str):
        return self._record("parents", external_id)

    def _record(self, entity: str, external_id: str):
        binding = self.env["school.sync.binding"].search(
            [("source_id", "=", self.source.id), ("entity", "=", entity), ("external_id", "=", external_id)]
        )
        return self.env[binding.res_model].browse(binding.res_id)


class AccountingCase(SyncCase):
    """A company with a chart of accounts, in dollars."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not cls.company.chart_template:
            cls.env["account.chart.template"].try_loading("generic_coa", company=cls.company, install_demo=False)
