from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests.common import new_test_user, tagged

from ..sync.item import Report
from .common import FATHER, SyncCase


@tagged("post_install", "-at_install")
class TestSource(SyncCase):
    def check(self, key, scope="school_sync"):
        return self.env["res.users.apikeys"]._check_credentials(scope=scope, key=key)

    def test_source_makes_its_own_user_who_may_write_and_has_no_password(self):
        user = self.source.sudo().user_id
        self.assertTrue(user.has_group("school_erp_sync.group_sync_writer"))
        self.assertFalse(user.has_group("base.group_system"))
        self.env.cr.execute("SELECT password FROM res_users WHERE id = %s", [user.id])
        self.assertFalse(self.env.cr.fetchone()[0])

    def test_two_sources_of_one_name_get_two_users(self):
        twin = self.env["school.sync.source"].create({"name": self.source.name})
        self.assertNotEqual(twin.user_id, self.source.user_id)

    def test_key_opens_the_sync_and_nothing_else(self):
        key = self.source.sudo().action_generate_key()["context"]["default_key"]
        self.assertEqual(self.check(key), self.source.user_id.id)
        self.assertFalse(self.check(key, scope="rpc"))

    def test_a_key_that_was_good_a_moment_ago_is_no_longer(self):
        """What is remembered of a verified key is how it hashes, not that it is good."""
        source = self.source.sudo()
        user = source.user_id
        endings = {
            "expired": lambda: self.env.cr.execute(
                "UPDATE res_users_apikeys SET expiration_date = '2020-01-01' WHERE user_id = %s", [user.id]
            ),
            "of another scope": lambda: self.env.cr.execute(
                "UPDATE res_users_apikeys SET scope = 'rpc' WHERE user_id = %s", [user.id]
            ),
            "revoked": source.action_revoke_keys,
            "of an archived user": lambda: self.env["res.users"].browse(user.id).write({"active": False}),
        }
        for ending, end in endings.items():
            with self.subTest(ending):
                key = source._generate_key()
                self.assertEqual([self.check(key), self.check(key)], [user.id] * 2)
                self.assertFalse(self.check(key[:8] + key[8:][::-1]))
                end()
                self.env.flush_all()
                self.assertFalse(self.check(key))

    def test_revoked_keys_open_nothing(self):
        source = self.source.sudo()
        key = source._generate_key()
        self.assertTrue(source.has_key)
        source.action_revoke_keys()
        self.assertFalse(self.check(key))
        source.invalidate_recordset(["has_key"])
        self.assertFalse(source.has_key)

    def test_manager_may_make_keys_without_administering_users(self):
        manager = new_test_user(self.env, "manager", groups="school_erp_sync.group_sync_manager")
        source = self.env["school.sync.source"].with_user(manager).create({"name": "Onboarding"})
        self.assertTrue(source._generate_key())
        source.action_revoke_keys()

    def test_others_may_not(self):
        writer = new_test_user(self.env, "writer", groups="school_erp_sync.group_sync_writer")
        source = self.source.sudo().with_user(writer)
        for act in (source._generate_key, source.action_generate_key, source.action_revoke_keys):
            with self.assertRaises(AccessError):
                act()

    def test_provision_makes_the_source_once(self):
        keys = {self.env["school.sync.source"]._provision("PowerSchool") for _attempt in range(2)}
        self.assertEqual(len(keys), 2)
        self.assertEqual(self.env["school.sync.source"].search_count([("name", "=", "PowerSchool")]), 1)

    def test_user_must_belong_to_the_school(self):
        other = self.env["res.company"].create({"name": "Other School"})
        with self.assertRaises(ValidationError):
            self.env["school.sync.source"].create(
                {
                    "name": "Crossed",
                    "company_id": other.id,
                    "user_id": new_test_user(self.env, "here", groups="school_erp_sync.group_sync_writer").id,
                }
            )

    def test_source_of_another_school_has_a_user_of_that_school(self):
        other = self.env["res.company"].create({"name": "Other School"})
        self.env.user.company_ids = [Command.link(other.id)]
        source = self.env["school.sync.source"].create({"name": "North", "company_id": other.id})
        self.assertEqual(source.user_id.company_ids, other)

    def test_rule_cannot_be_moved_to_a_source_of_another_school(self):
        other = self.env["res.company"].create({"name": "Other School"})
        self.env.user.company_ids = [Command.link(other.id)]
        foreign = self.env["school.sync.source"].create({"name": "North", "company_id": other.id})
        manager = new_test_user(self.env, "manages-here", groups="school_erp_sync.group_sync_manager")
        rule = self.env["school.sync.policy"].create({"source_id": self.source.id, "scope": "parents", "policy": "ask"})
        with self.assertRaises(AccessError):
            rule.with_user(manager).source_id = foreign
        rule.with_user(manager).policy = "odoo"
        self.assertEqual((rule.source_id.id, rule.policy), (self.source.id, "odoo"))


@tagged("post_install", "-at_install")
class TestLog(SyncCase):
    def log(self, *documents, status=200):
        report: Report = self.send("parents", *documents)
        self.env["school.sync.log"]._record(
            self.source,
            {
                "request_id": "r1",
                "method": "POST",
                "path": "/api/parents",
                "entity": "parents",
                "http_status": status,
                "message": None,
                "duration": 5,
                "request": "[…]",
                "response": "{}",
            },
            report,
        )
        return self.env["school.sync.log"].search([("request_id", "=", "r1")], limit=1)

    def test_a_line_for_what_was_not_merely_unchanged(self):
        self.send_ok("parents", FATHER)
        bad = {"externalId": "bad", "name": 5, "email": "nobody"}
        log = self.log(FATHER, {**FATHER, "externalId": "new", "phone": "?"}, bad, status=207)
        self.assertEqual(log.line_ids.mapped("external_id"), ["new", "bad"])
        self.assertEqual((log.state, log.received, log.unchanged, log.created, log.failed), ("partial", 3, 1, 1, 1))
        created, failed = log.line_ids
        self.assertIn("phone", created.message)
        self.assertFalse(created.document)
        self.assertIn('"nobody"', failed.document)
        self.assertIn("/name", failed.message)

    def test_payloads_expire_before_the_log_does(self):
        log = self.log({"externalId": "bad"}, status=422)
        for age, payload, there in ((1, True, True), (40, False, True), (400, False, False)):
            self.env.cr.execute(
                "UPDATE school_sync_log SET create_date = %s WHERE id = %s",
                [fields.Datetime.now() - timedelta(days=age), log.id],
            )
            self.env.invalidate_all()
            self.env["school.sync.log"]._gc_logs()
            self.assertEqual(bool(log.exists()), there)
            if there:
                self.assertEqual(bool(log.request and log.line_ids.document), payload)

    def test_a_long_request_is_shortened(self):
        text = self.env["school.sync.log"]._shorten("x" * 100_000)
        self.assertLess(len(text), 70_000)
        self.assertIn("more characters", text)

    def test_payloads_are_for_managers(self):
        log = self.log(FATHER)
        reader = new_test_user(self.env, "reader", groups="school_erp_sync.group_sync_reader")
        self.assertEqual(log.with_user(reader).received, 1)
        for record, name in ((log, "request"), (log, "response"), (log.line_ids, "document")):
            with self.assertRaises(AccessError):
                record.with_user(reader).read([name])
