from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests.common import tagged

from ..models import school_sync_idempotency_key
from .common import SyncCase


@tagged("post_install", "-at_install")
class TestIdempotencyKey(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = cls.env["school.sync.idempotency.key"]
        for number in range(7):
            cls.keys._keep(cls.source, cls.values_of(f"{number:064x}"))

    @classmethod
    def values_of(cls, scope, **values):
        return {
            "scope": scope,
            "method": "POST",
            "path": "/api/parents",
            "key": scope[-4:],
            "fingerprint": "f",
            "stamp": None,
            "request_id": "r",
            "http_status": 201,
            "headers": "{}",
            "body": '{"a":1}',
            **values,
        }

    def expire(self, rows):
        rows.flush_recordset()
        self.env.cr.execute(
            "UPDATE school_sync_idempotency_key SET expires_at = %s WHERE id = ANY(%s)",
            (fields.Datetime.now() - timedelta(hours=1), rows.ids),
        )
        rows.invalidate_recordset()

    def test_a_scope_keeps_its_last_answer(self):
        scope = f"{1:064x}"
        self.keys._keep(self.source, self.values_of(scope, http_status=200, body='{"a":2}', request_id="s"))

        self.assertEqual(self.keys._find(self.source, scope).body, '{"a":2}')
        self.assertEqual(self.keys.search_count([("source_id", "=", self.source.id), ("scope", "=", scope)]), 1)

    def test_purge_removes_what_has_expired_and_nothing_else(self):
        rows = self.keys.search([("source_id", "=", self.source.id)])
        self.expire(rows[:5])
        with patch.object(school_sync_idempotency_key, "PURGE_BATCH", 2), self.enter_registry_test_mode():
            self.env.ref("school_erp_sync.school_sync_idempotency_cron").method_direct_trigger()

        self.assertEqual(rows.exists(), rows[5:])

    def test_purge_says_how_far_it_is(self):
        rows = self.keys.search([("source_id", "=", self.source.id)])
        self.expire(rows[:5])
        said = []
        with (
            patch.object(school_sync_idempotency_key, "PURGE_BATCH", 2),
            patch.object(
                type(self.env["ir.cron"]),
                "_commit_progress",
                lambda _self, processed=0, *, remaining=None: said.append((processed, remaining)) or 1,
            ),
        ):
            self.keys._cron_purge()

        self.assertEqual(said, [(2, 3), (2, 1), (1, 0)])

    def test_purge_stops_when_its_time_is_up(self):
        rows = self.keys.search([("source_id", "=", self.source.id)])
        self.expire(rows[:5])
        with (
            patch.object(school_sync_idempotency_key, "PURGE_BATCH", 2),
            patch.object(type(self.env["ir.cron"]), "_commit_progress", lambda *_args, **_kwargs: 0),
        ):
            self.keys._cron_purge()

        self.assertEqual(len(rows.exists()), 5)

    def test_expired_answer_is_not_found(self):
        scope = f"{3:064x}"
        self.expire(self.keys.search([("scope", "=", scope)]))

        self.assertIsNone(self.keys._find(self.source, scope))
