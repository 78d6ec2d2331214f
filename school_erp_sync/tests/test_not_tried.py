import json
from unittest.mock import patch

from odoo.tests.common import HttpCase, tagged

from ..sync.budget import Budget


@tagged("post_install", "-at_install")
class TestNotTried(HttpCase):
    """What a sender is told over HTTP where Odoo's time limit leaves no time."""

    def setUp(self):
        super().setUp()
        source = self.env["school.sync.source"].create({"name": "Slow SIS"})
        self.key = source.action_generate_key()["context"]["default_key"]

    def post(self, payload, path="parents", used=0.0, **headers):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers}
        with patch.object(Budget, "used", lambda _budget: used):
            return self.url_open(f"/api/{path}", data=json.dumps(payload), headers=headers)

    def assert_not_tried(self, response):
        self.assertEqual((response.status_code, response.headers["Retry-After"]), (503, "1"))
        body = response.json()
        self.assertEqual(body["type"], "urn:school-erp-sync:problem:not-tried")
        self.assertTrue(body["detail"] and {error["code"] for error in body["errors"]} == {"not_tried"})
        return body

    def test_no_time_at_all(self):
        documents = [{"externalId": f"PAR-{number}", "name": "Asha"} for number in range(3)]
        key = {"Idempotency-Key": "first try"}
        for path in ("parents", "parents?atomic=true"):
            body = self.assert_not_tried(self.post(documents, path, used=1.0, **key))
            self.assertEqual([item["status"] for item in body["items"]], ["notTried"] * 3)
            self.assertEqual(body["summary"]["notTried"], 3)
        self.assert_not_tried(self.post(documents[0], used=1.0))
        self.assert_not_tried(self.post({"parents": documents}, "sync", used=1.0))
        # The same request under the same key does what was not done.
        response = self.post(documents, **key)
        self.assertEqual((response.status_code, response.json()["summary"]["created"]), (200, 3))

    def test_some_were_refused_and_the_others_not_tried(self):
        documents = [{"externalId": "PAR-1", "name": "Asha"}, {"externalId": "PAR-2"}]
        response = self.post(documents, used=1.0)
        self.assertEqual(response.status_code, 207)
        self.assertEqual([item["status"] for item in response.json()["items"]], ["notTried", "failed"])
