import copy
import decimal
import re
from unittest.mock import patch

import psycopg2.errors

from odoo.exceptions import ConcurrencyError, LockError, UserError, ValidationError
from odoo.tests.common import new_test_user, tagged
from odoo.tools import mute_logger

from ..sync import engine, outbound
from ..sync.budget import Budget
from .common import FATHER, MOTHER, STUDENT, SyncCase


@tagged("post_install", "-at_install")
class TestUpsert(SyncCase):
    def test_countries_by_the_names_that_people_use(self):
        for code, words in {
            "US": ("USA", "U.S.A.", "United States", "Estados Unidos"),
            "GB": ("UK", "GBR", "United Kingdom", "Royaume-Uni"),
            "VN": ("Viet Nam", "Vietnam"),
            "TR": ("Türkiye", "Turkey"),
            "IN": ("IND", "भारत"),
            "DE": ("Deutschland", "Allemagne"),
            "CI": ("Côte d'Ivoire", "Ivory Coast"),
        }.items():
            for word in words:
                with self.subTest(word):
                    self.send_ok("students", {**STUDENT, "address": {"country": word}})
                    self.assertEqual(self.student(STUDENT["externalId"]).country_id.code, code)
                    self.assertEqual(self.document("students", STUDENT["externalId"])["address"]["country"], word)

    def test_printed_payloads_become_contacts_and_come_back_as_they_came(self):
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", STUDENT)
        self.assertEqual(self.document("students", STUDENT["externalId"]), STUDENT)
        self.assertEqual(self.document("parents", FATHER["externalId"]), FATHER)
        student = self.student(STUDENT["externalId"])
        self.assertEqual(student.partner_id.name, "Rahul Sharma")
        self.assertEqual(student.country_id.code, "IN")
        self.assertEqual(student.state_id.name, "Karnataka")
        self.assertEqual(student.allergy_ids.mapped("name"), ["Peanuts"])
        self.assertEqual(student.partner_id.company_id, self.company)

    def test_second_time_changes_nothing(self):
        first = self.send_ok("parents", FATHER)
        parent = self.parent(FATHER["externalId"])
        written = (parent.write_date, parent.partner_id.write_date, len(parent.partner_id.message_ids))
        report = self.send_ok("parents", FATHER)
        self.assertEqual(self.statuses(report), ["unchanged"])
        self.assertEqual((report.items[0].res_id, report.items[0].version), (first.items[0].res_id, 1))
        self.env.invalidate_all()
        self.assertEqual((parent.write_date, parent.partner_id.write_date, len(parent.partner_id.message_ids)), written)

    def test_a_change_writes_what_changed_and_nothing_else(self):
        self.send_ok("parents", FATHER)
        parent = self.parent(FATHER["externalId"])
        parent.phone = "+91 1111111111"
        report = self.send_ok("parents", {**FATHER, "occupation": "Pilot"})
        self.assertEqual(self.statuses(report), ["updated"])
        self.assertEqual(report.items[0].version, 2)
        self.assertEqual((parent.function, parent.phone), ("Pilot", "+91 1111111111"))

    def test_what_odoo_changed_is_what_comes_out(self):
        self.send_ok("students", {**STUDENT, "address": {"country": "IN"}, "gender": "M"})
        self.assertEqual(self.document("students", STUDENT["externalId"])["address"], {"country": "IN"})
        self.assertEqual(self.document("students", STUDENT["externalId"])["gender"], "M")
        student = self.student(STUDENT["externalId"])
        student.write({"country_id": self.env.ref("base.us").id, "gender": "female", "city": "Boston"})
        document = self.document("students", STUDENT["externalId"])
        self.assertEqual(document["address"], {"country": "United States", "city": "Boston"})
        self.assertEqual(document["gender"], "Female")

    def test_absent_keeps_and_null_clears(self):
        self.send_ok("parents", FATHER)
        self.send_ok("parents", {"externalId": FATHER["externalId"], "name": "Ramesh S.", "email": None})
        parent = self.parent(FATHER["externalId"])
        self.assertEqual((parent.name, parent.email, parent.function), ("Ramesh S.", False, "Software Engineer"))
        self.send_ok("students", STUDENT)
        self.send_ok("students", {"externalId": STUDENT["externalId"], "fullName": "Rahul Sharma", "health": None})
        student = self.student(STUDENT["externalId"])
        self.assertFalse(student.blood_group or student.allergy_ids)
        self.assertEqual(student.emergency_name, "Ravi Sharma")

    def test_unknown_state_is_kept_in_the_words_of_the_source(self):
        report = self.send_ok("students", {**STUDENT, "address": {"state": "Karnatka", "country": "India"}})
        self.assertIn("Karnatka", report.items[0].warnings[0])
        self.assertEqual(self.student(STUDENT["externalId"]).state_text, "Karnatka")
        self.assertEqual(self.document("students", STUDENT["externalId"])["address"]["state"], "Karnatka")

    def test_a_phone_that_is_none_is_kept_and_told(self):
        report = self.send_ok("parents", {**FATHER, "phone": "ask mother"})
        self.assertIn("/phone", report.items[0].warnings[0])
        self.assertEqual(self.parent(FATHER["externalId"]).phone, "ask mother")

    def test_every_mistake_is_told_at_once_and_nothing_is_written(self):
        before = self.env["school.tag"].search_count([])
        report = self.send(
            "students",
            {
                "externalId": "S",
                "dob": "2999-01-01",
                "religion": 5,
                "languages": ["Klingon"],
                "parents": ["nobody", {"externalId": "no one"}],
            },
            parking_allowed=False,
        )
        self.assertEqual(
            self.codes(report),
            {
                "/fullName": "required",
                "/dob": "out_of_range",
                "/religion": "wrong_type",
                "/parents/0": "reference_missing",
                "/parents/1": "reference_missing",
            },
        )
        self.assertFalse(self.env["school.sync.binding"].search([("external_id", "=", "S")]))
        self.assertEqual(self.env["school.tag"].search_count([]), before)

    def test_same_id_in_two_sources_is_two_records(self):
        other = self.as_api_user(self.env["school.sync.source"].create({"name": "Other SIS"}))
        one = self.send_ok("parents", FATHER).items[0].res_id
        two = self.send_ok("parents", {**FATHER, "name": "Somebody Else"}, source=other).items[0].res_id
        self.assertNotEqual(one, two)

    def test_stale(self):
        self.send_ok("parents", {**FATHER, "updatedAt": "2025-05-02T00:00:00Z"})
        report = self.send("parents", {**FATHER, "name": "Old Name", "updatedAt": "2025-05-02T05:29:00+05:30"})
        self.assertEqual((self.statuses(report), self.codes(report)), (["stale"], {"/updatedAt": "stale"}))
        self.assertEqual(self.parent(FATHER["externalId"]).name, FATHER["name"])

    def test_unchanged_but_newer_guards_against_what_is_in_between(self):
        self.send_ok("parents", {**FATHER, "updatedAt": "2025-05-01T00:00:00Z"})
        newer = self.send_ok("parents", {**FATHER, "updatedAt": "2025-05-03T00:00:00Z"})
        self.assertEqual((self.statuses(newer), newer.items[0].version), (["unchanged"], 1))
        between = self.send("parents", {**FATHER, "name": "Between", "updatedAt": "2025-05-02T00:00:00Z"})
        self.assertEqual(self.statuses(between), ["stale"])


@tagged("post_install", "-at_install")
class TestBatch(SyncCase):
    def families(self, count, **changes):
        return [{**FATHER, "externalId": f"P{n}", "email": f"p{n}@example.com", **changes} for n in range(count)]

    def test_one_that_odoo_refuses_leaves_the_others(self):
        refused = {"P3", "P7"}
        model = type(self.env["school.parent"])
        create = model.create

        def refusing_create(records, vals_list):
            if any(vals["portal_user_id"] in refused for vals in vals_list):
                raise ValidationError(records.env._("No such portal user."))
            return create(records, vals_list)

        documents = [{**document, "portalUserId": document["externalId"]} for document in self.families(10)]
        with patch.object(model, "create", refusing_create):
            report = self.send("parents", *documents)
        self.assertEqual([i.external_id for i in report.items if i.status.value == "failed"], ["P3", "P7"])
        self.assertEqual(report.summary()["created"], 8)
        self.assertIn("No such portal user.", report.items[3].errors[0].detail)
        bound = self.env["school.sync.binding"].search([("source_id", "=", self.source.id)])
        self.assertEqual(len(bound), 8)
        self.assertTrue(all(bound.mapped("res_id")))

    def test_atomic_is_all_or_nothing(self):
        contacts = self.env["res.partner"].search_count([])
        documents = [*self.families(3), {**FATHER, "externalId": "bad", "name": ""}]
        report = self.send("parents", *documents, atomic=True)
        self.assertEqual(self.statuses(report), ["rolledBack", "rolledBack", "rolledBack", "failed"])
        self.assertEqual(self.env["res.partner"].search_count([]), contacts)
        self.assertEqual(self.statuses(self.send("parents", *documents[:3], atomic=True)), ["created"] * 3)

    def test_atomic_takes_back_what_odoo_refuses_late(self):
        self.send_ok("parents", *self.families(2))
        with patch.object(
            type(self.env["res.partner"]), "write", side_effect=ValidationError("Not today."), autospec=True
        ):
            report = self.send("parents", {**FATHER, "externalId": "new"}, *self.families(2, name="B"), atomic=True)
        self.assertEqual(self.statuses(report), ["rolledBack", "failed", "failed"])
        self.assertFalse(self.env["school.sync.binding"].search([("external_id", "=", "new")]))

    def test_queries_do_not_grow_with_the_batch(self):
        def queries(documents):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.send_ok("parents", *documents)
            return self.env.cr.sql_log_count - before

        self.send_ok("parents", *self.families(2))
        few, many = self.families(200)[100:102], self.families(200)[:100]
        self.assertLessEqual(queries(many), queries(few) + 10, "new documents")
        self.assertEqual(queries(many), queries(few), "unchanged documents")

    def test_a_lost_race_is_raised_for_odoo_to_retry(self):
        self.send_ok("parents", FATHER)
        self.send_ok("students", {**STUDENT, "parents": [FATHER["externalId"]]})

        def duplicate(links, vals_list):
            self.env.cr.execute(
                "INSERT INTO school_parent_link (student_id, parent_id) SELECT student_id, parent_id"
                "  FROM school_parent_link LIMIT 1",
                log_exceptions=False,
            )

        with (
            patch.object(type(self.env["school.parent.link"]), "create", duplicate),
            self.assertRaises(ConcurrencyError),
        ):
            self.send("students", {**STUDENT, "externalId": "S2", "parents": [FATHER["externalId"]]})

    def test_what_the_database_wants_tried_again_is_not_swallowed(self):
        for step in ("_sync_values", "create"):
            for error in (
                psycopg2.errors.SerializationFailure,
                psycopg2.errors.LockNotAvailable,
                psycopg2.InterfaceError,
                psycopg2.DatabaseError,
                ConcurrencyError,
                LockError,
            ):
                with (
                    self.subTest(step=step, error=error.__name__),
                    patch.object(type(self.env["school.parent"]), step, side_effect=error("somebody else")),
                    self.assertRaises(error),
                    self.cr.savepoint(),
                ):
                    self.send("parents", FATHER)


class Steps(Budget):
    """A budget that is spent after so many looks at it: two for each group that is applied."""

    def __init__(self, looks):
        self.looks = looks

    def used(self):
        self.looks -= 1
        return 0.1 if self.looks >= 0 else 1


@tagged("post_install", "-at_install")
class TestIsolation(SyncCase):
    """A document that fails, in whatever way, takes no other along."""

    #: what makes 1,000 parents more than is applied before the pace is known
    HEAVY = {"occupation": "x" * 255, "relation": "x" * 255}

    def setUp(self):
        super().setUp()
        self.applied = []

    def parents(self, *names):
        return [{"externalId": name, "name": f"Asha {name}", "portalUserId": name} for name in names]

    def failing(self, error, *names, step="create"):
        """What patches ``step`` of parents so that those of ``names`` fail with ``error``."""
        model = type(self.env["school.parent"])
        original = getattr(model, step)

        def fails(records, *arguments):
            affected = [one["portal_user_id"] if isinstance(one, dict) else one.external_id for one in arguments[-1]]
            self.applied.append(affected)
            if not set(names).isdisjoint(affected):
                error(records)
            return original(records, *arguments)

        return patch.object(model, step, fails)

    def assert_only_fails(self, report, name):
        (failed,) = [item for item in report.items if item.external_id == name]
        self.assertEqual({item.status.value for item in report.items if item is not failed}, {"created"})
        self.assertEqual((failed.status.value, failed.res_id), ("failed", None))
        self.assertFalse(self.env["school.sync.binding"].search([("external_id", "=", name)]))
        return failed

    def test_any_error_of_one_document(self):
        def divide(_records):
            self.env.cr.execute("SELECT 1 / 0", log_exceptions=False)

        def raising(error):
            def raise_it(_records):
                raise error

            return raise_it

        for error in (
            raising(decimal.Overflow("Asha")),
            raising(ValueError("Asha")),
            raising(KeyError("Asha")),
            raising(RecursionError("Asha")),
            raising(psycopg2.errors.NumericValueOutOfRange("Asha")),
            divide,
        ):
            for step in ("create", "_sync_values"):
                with (
                    self.subTest(step=step),
                    self.cr.savepoint() as savepoint,
                    self.failing(error, "B", step=step),
                    self.assertLogs("odoo.addons.school_erp_sync", "ERROR") as logs,
                ):
                    report = self.send("parents", *self.parents(*"ABCDE"))
                    failed = self.assert_only_fails(report, "B")
                    self.assertEqual(self.codes(report, 1), {"": "internal_error"})
                    (logged,) = logs.output
                    (incident,) = re.findall("[0-9a-f]{32}", failed.errors[0].detail)
                    self.assertIn(incident, logged)
                    # What an exception says may quote a document.
                    self.assertNotIn("Asha", logged + failed.errors[0].detail)
                    savepoint.rollback()

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_error_while_a_document_is_read(self):
        document = type(self.env["school.parent"])._sync_document
        validate = document.model_validate

        def fails(raw, *arguments, **options):
            if raw["externalId"] == "B":
                raise decimal.InvalidOperation
            return validate(raw, *arguments, **options)

        twice = self.parents("A", "A")
        with patch.object(document, "model_validate", fails):
            report = self.send("parents", *self.parents(*"BCD"), *twice)
        self.assertEqual(self.statuses(report), ["failed", "created", "created", "failed", "failed"])
        self.assertEqual(self.codes(report), {"": "internal_error"})
        self.assertEqual(self.codes(report, 3), {"/externalId": "duplicate_external_id"})

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_people_are_told(self):
        def fail(_records):
            raise ValueError

        with self.failing(fail, "B"):
            report = self.send("parents", *self.parents(*"ABC"))
        self.source._log_internal("test", report)
        incident = self.env["school.sync.incident"].search([("source_id", "=", self.source.id)])
        self.assertEqual((incident.code, incident.failure_ids.mapped("external_id")), ("internal_error", ["B"]))

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_parked_document_that_raises_leaves_the_one_that_brings_it_back(self):
        def fail(_records):
            raise ZeroDivisionError

        for step in ("create", "_sync_values"):
            with self.subTest(step=step), self.cr.savepoint() as savepoint:
                for name in "AB":
                    self.send_ok("parents", {**self.parents(name)[0], "students": ["STU"]})
                with self.failing(fail, "A", step=step):
                    report = self.send_ok("students", {"externalId": "STU", "fullName": "Ravi"})
                self.assertEqual(self.statuses(report), ["created"])
                parked = self.env["school.sync.parked"].search([("source_id", "=", self.source.id)])
                self.assertEqual((parked.external_id, parked.state), ("A", "failed"))
                self.assertEqual(self.student("STU").link_ids.parent_id.name, "Asha B")
                savepoint.rollback()

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_document_that_cannot_be_parked(self):
        write = type(self.env["school.sync.binding"])._document_text

        def fail(binding, document):
            if document["externalId"] == "B":
                raise ValueError
            return write(binding, document)

        documents = [{**one, "students": ["STU"]} for one in self.parents(*"ABC")]
        with patch.object(type(self.env["school.sync.binding"]), "_document_text", fail):
            report = self.send("parents", *documents)
        self.assertEqual(self.statuses(report), ["parked", "failed", "parked"])
        self.assertEqual(self.codes(report, 1), {"": "internal_error"})
        self.send_ok("students", {"externalId": "STU", "fullName": "Ravi"})
        self.assertEqual(sorted(self.student("STU").link_ids.parent_id.mapped("name")), ["Asha A", "Asha C"])
        self.assertEqual(self.statuses(self.send_ok("parents", documents[1])), ["created"])

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_conflict_that_cannot_be_kept(self):
        prepare = type(self.env["school.sync.conflict"])._prepare_values

        def fail(conflicts, source, res_model, item):
            if item.external_id == "B":
                raise ValueError
            return prepare(conflicts, source, res_model, item)

        for policy, status in (("ask", "conflict"), ("odoo", "updated")):
            with self.subTest(policy), self.cr.savepoint() as savepoint:
                self.source.sudo().conflict_policy = policy
                self.send_ok("parents", *self.parents(*"ABC"))
                for name in "ABC":
                    self.parent(name).phone = "+91 1111111111"
                changed = [{**one, "phone": "+91 2222222222", "occupation": "Pilot"} for one in self.parents(*"ABC")]
                with patch.object(type(self.env["school.sync.conflict"]), "_prepare_values", fail):
                    report = self.send("parents", *changed)
                self.assertEqual(self.statuses(report), [status, "failed", status])
                self.assertFalse(self.parent("B").function)
                self.assertEqual(self.statuses(self.send("parents", changed[1])), [status])
                savepoint.rollback()

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_document_of_a_bundle_whose_references_cannot_be_told(self):
        refer = type(self.env["school.parent"])._sync_references

        def fail(parents, document):
            if document["externalId"] == "B":
                raise KeyError
            return refer(parents, document)

        bundle = {"parents": self.parents(*"ABC"), "students": [{"externalId": "STU", "fullName": "Ravi"}]}
        with patch.object(type(self.env["school.parent"]), "_sync_references", fail):
            reports = engine.run_bundle(self.source, bundle)
        self.assertEqual(self.statuses(reports["parents"]), ["created", "failed", "created"])
        self.assertEqual(self.statuses(reports["students"]), ["created"])

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_where_most_fail_it_is_one_by_one(self):
        def fail(_records):
            raise ValueError

        names = [f"P{number}" for number in range(64)]
        with self.failing(fail, *names[:-1]):
            report = self.send("parents", *self.parents(*names))
        self.assert_only_created(report, names[-1:])
        # 64, 32, 16 … and then each.
        self.assertLessEqual(len(self.applied), 64 + 7)
        self.assertLessEqual(sum(map(len, self.applied)), 3 * 64)

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_where_few_fail_most_go_together(self):
        def fail(_records):
            raise ValueError

        names = [f"P{number}" for number in range(256)]
        with self.failing(fail, "P100"):
            report = self.send("parents", *self.parents(*names))
        self.assert_only_fails(report, "P100")
        self.assertLessEqual(len(self.applied), 4 * 8)

    def assert_only_created(self, report, names):
        self.assertEqual([item.external_id for item in report.items if item.status.value == "created"], names)

    def test_what_there_is_no_time_for_is_not_tried(self):
        report = self.send("parents", *self.parents(*"ABC"), budget=Steps(0))
        self.assertEqual(self.statuses(report), ["notTried"] * 3)
        self.assertEqual(self.codes(report), {"": "not_tried"})
        self.assertEqual((report.summary()["notTried"], report.summary()["failed"]), (3, 0))
        self.assertFalse(self.source.sudo().binding_count)
        self.assertEqual(self.statuses(self.send_ok("parents", *self.parents(*"ABC"))), ["created"] * 3)

    def test_known_documents_that_are_not_tried_stay_as_they_are(self):
        self.send_ok("parents", *self.parents("A"))
        report = self.send("parents", {"externalId": "A", "name": "Changed"}, budget=Steps(0))
        self.assertEqual(self.statuses(report), ["notTried"])
        self.assertEqual(self.parent("A").name, "Asha A")
        self.assertEqual(self.statuses(self.send_ok("parents", {"externalId": "A", "name": "Changed"})), ["updated"])

    @mute_logger("odoo.addons.school_erp_sync.sync.isolation")
    def test_sender_who_repeats_gets_further_each_time(self):
        def fail(_records):
            raise ValueError

        bad = ["B1", "B2", "B3", "B4"]
        documents = self.parents(*bad, "G1", "G2")
        created = []
        with self.failing(fail, *bad):
            for _time in range(6):
                # Time for six groups; the bad ones alone take as many.
                report = self.send("parents", *documents, budget=Steps(12))
                self.source._log_internal("test", report)
                created += [item.external_id for item in report.items if item.status.value == "created"]
        self.assertEqual(sorted(created), ["G1", "G2"])

    def test_heavy_documents_go_in_smaller_groups(self):
        heavy = [{**one, **self.HEAVY} for one in self.parents(*map(str, range(1000)))]
        self.patch(type(self.env["school.parent"]), "_sync_is_slow", True)
        with self.failing(lambda _records: None):
            self.send_ok("parents", *heavy, budget=Steps(1000))
        self.assertGreater(len(self.applied), 1)

    def test_atomic_batch_that_is_too_slow_is_rolled_back_and_may_be_sent_again(self):
        heavy = [{**one, **self.HEAVY} for one in self.parents(*map(str, range(1000)))]
        self.patch(type(self.env["school.parent"]), "_sync_is_slow", True)
        report = self.send("parents", *heavy, budget=Steps(2), atomic=True)
        self.assertEqual(set(self.statuses(report)), {"notTried"})
        self.assertFalse(self.source.sudo().binding_count)

    def test_atomic_batch_that_is_refused_is_not_called_slow(self):
        report = self.send("parents", *self.parents("A", "B"), {"externalId": "C"}, budget=Steps(0), atomic=True)
        self.assertEqual(self.statuses(report), ["rolledBack", "rolledBack", "failed"])
        reports = engine.run_bundle(
            self.source,
            {"parents": self.parents("A"), "students": [{"externalId": "S"}]},
            atomic=True,
            budget=Steps(0),
        )
        self.assertEqual(self.statuses(reports["parents"]), ["rolledBack"])

    def test_parked_documents_that_there_is_no_time_for_are_applied_by_the_job(self):
        for name in "AB":
            self.send_ok("parents", {**self.parents(name)[0], "students": ["STU"]})
        report = self.send_ok("students", {"externalId": "STU", "fullName": "Ravi"}, budget=Steps(2))
        self.assertEqual(self.statuses(report), ["created"])
        parked = self.env["school.sync.parked"].search([("source_id", "=", self.source.id)])
        self.assertEqual(parked.mapped("state"), ["waiting"] * 2)
        cron = self.env.ref("school_erp_sync.school_sync_parked_apply_cron")
        self.assertTrue(self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]))
        with self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(len(self.student("STU").link_ids), 2)
        self.assertFalse(parked.exists())


@tagged("post_install", "-at_install")
class TestBundle(SyncCase):
    bundle = {"students": [{**STUDENT, "parents": [FATHER["externalId"]]}], "parents": [FATHER, MOTHER]}

    def test_family_in_one_call_whatever_the_order(self):
        reports = engine.run_bundle(self.source, self.bundle)
        self.assertEqual(
            {entity: self.statuses(report) for entity, report in reports.items()},
            {"parents": ["created", "created"], "students": ["created"]},
        )
        self.assertEqual(self.student(STUDENT["externalId"]).link_ids.parent_id.name, FATHER["name"])

    def test_atomic_over_all_entities(self):
        bad = {**self.bundle, "students": [{**STUDENT, "parents": ["nobody"]}]}
        reports = engine.run_bundle(self.source, bad, atomic=True, parking_allowed=False)
        self.assertEqual(self.statuses(reports["parents"]), ["rolledBack", "rolledBack"])
        self.assertEqual(self.statuses(reports["students"]), ["failed"])
        self.assertFalse(self.source.sudo().binding_count)

    def test_independent_by_default(self):
        reports = engine.run_bundle(self.source, {**self.bundle, "students": [{**STUDENT, "dob": "soon"}]})
        self.assertEqual(self.statuses(reports["parents"]), ["created", "created"])

    def test_every_entity_goes_after_those_it_refers_to(self):
        order = self.source._sync_order()
        for earlier, later in [("parents", "students"), ("students", "fee-schedules"), ("fee-schedules", "billings")]:
            self.assertLess(order.index(earlier), order.index(later))


@tagged("post_install", "-at_install")
class TestLinks(SyncCase):
    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER, MOTHER)

    def links(self):
        return self.student(STUDENT["externalId"]).link_ids

    def test_student_names_its_parents(self):
        self.send_ok(
            "students",
            {
                **STUDENT,
                "parents": [
                    FATHER["externalId"],
                    {
                        "externalId": MOTHER["externalId"],
                        "relation": "Stepmother",
                        "priority": 2,
                        "custodial": True,
                        "pays": True,
                        "start": "2025-06-01",
                    },
                ],
            },
        )
        father, mother = self.links()
        self.assertEqual((father.relation_shown, father.pays), ("Father", False))
        self.assertEqual(
            (mother.relation_shown, mother.custodial, mother.pays, mother.date_start.isoformat()),
            ("Stepmother", True, True, "2025-06-01"),
        )
        self.assertEqual(
            self.document("parents", MOTHER["externalId"])["students"],
            [
                {
                    "externalId": STUDENT["externalId"],
                    "relation": "Stepmother",
                    "priority": 2,
                    "custodial": True,
                    "pays": True,
                    "start": "2025-06-01",
                }
            ],
        )

    def test_parent_names_its_students(self):
        self.send_ok("students", STUDENT)
        self.send_ok("parents", {**FATHER, "students": [STUDENT["externalId"]]})
        self.assertEqual(self.links().parent_id.name, FATHER["name"])
        self.assertEqual(
            self.document("parents", FATHER["externalId"])["students"], [{"externalId": STUDENT["externalId"]}]
        )

    def test_flags_that_are_absent_are_kept_and_links_no_longer_named_go(self):
        both = [{"externalId": FATHER["externalId"], "pays": True}, {"externalId": MOTHER["externalId"]}]
        self.send_ok("students", {**STUDENT, "parents": both})
        self.send_ok("students", {**STUDENT, "parents": [{"externalId": FATHER["externalId"], "pickup": True}]})
        self.assertEqual((self.links().pays, self.links().pickup), (True, True))
        self.send_ok("students", {**STUDENT, "parents": []})
        self.assertFalse(self.links())

    def test_what_one_side_took_away_the_other_makes_again(self):
        student = {**STUDENT, "parents": [FATHER["externalId"]]}
        self.send_ok("students", student)
        self.send_ok("parents", {**FATHER, "students": []})
        self.assertFalse(self.links())
        self.assertEqual(self.statuses(self.send_ok("students", student)), ["updated"])
        self.assertEqual(self.links().parent_id.name, FATHER["name"])
        self.assertEqual(self.statuses(self.send_ok("students", student)), ["unchanged"])

    def test_a_link_made_in_odoo_stays(self):
        aunt = self.env["school.parent"].create({"name": "Aunt"})
        self.send_ok("students", STUDENT)
        self.student(STUDENT["externalId"]).link_ids = [(0, 0, {"parent_id": aunt.id})]
        self.send_ok("students", {**STUDENT, "parents": [FATHER["externalId"]]})
        self.send_ok("students", {**STUDENT, "parents": []})
        self.assertEqual(self.links().parent_id, aunt)


@tagged("post_install", "-at_install")
class TestArchive(SyncCase):
    def archive(self, entity, external_id):
        return engine.archive(self.source, entity, external_id)

    def test_archived_with_its_contact_and_restored_by_the_next_document(self):
        self.send_ok("students", STUDENT)
        item = self.archive("students", STUDENT["externalId"])
        student = self.student(STUDENT["externalId"])
        self.assertEqual((item.status.value, item.version), ("archived", 2))
        self.assertFalse(student.active or student.partner_id.active)
        self.assertEqual(self.archive("students", STUDENT["externalId"]).status.value, "unchanged")
        self.assertEqual(outbound.read_page(self.source, "students", limit=10), ([], None))
        report = self.send_ok("students", STUDENT)
        self.assertEqual((self.statuses(report), report.items[0].version), (["updated"], 3))
        self.assertTrue(student.active and student.partner_id.active)

    def test_a_contact_with_another_role_stays(self):
        self.send_ok("parents", FATHER)
        parent = self.parent(FATHER["externalId"])
        self.env["school.student"].create({"partner_id": parent.partner_id.id})
        self.archive("parents", FATHER["externalId"])
        self.assertFalse(parent.active)
        self.assertTrue(parent.partner_id.active)

    def test_unknown(self):
        self.assertIsNone(self.archive("students", "nobody"))

    def test_rule_of_the_database_refuses_in_words(self):
        self.send_ok("students", STUDENT)
        self.env.cr.execute("ALTER TABLE school_student ADD CONSTRAINT never_archived CHECK (active)")
        with mute_logger("odoo.sql_db"), self.assertRaises(UserError):
            self.archive("students", STUDENT["externalId"])
        self.assertTrue(self.student(STUDENT["externalId"]).active)

    def test_deleted_in_odoo_is_made_again(self):
        first = self.send_ok("parents", FATHER).items[0]
        self.parent(FATHER["externalId"]).unlink()
        self.assertIsNone(outbound.read_one(self.source, "parents", FATHER["externalId"]))
        again = self.send_ok("parents", FATHER).items[0]
        self.assertEqual(again.status.value, "created")
        self.assertNotEqual(again.res_id, first.res_id)

    def test_deleted_past_odoo_is_made_again_under_the_same_binding(self):
        self.send_ok("parents", FATHER)
        parent = self.parent(FATHER["externalId"])
        self.env.cr.execute("DELETE FROM school_parent WHERE id = %s", [parent.id])
        self.env.invalidate_all()
        again = self.send_ok("parents", copy.deepcopy(FATHER)).items[0]
        self.assertEqual((again.status.value, again.version), ("created", 2))


@tagged("post_install", "-at_install")
class TestTakeOver(SyncCase):
    def setUp(self):
        super().setUp()
        self.contact = self.env["res.partner"].create(
            {"name": "Ramesh Sharma", "email": "Ramesh.Sharma@example.com", "ref": FATHER["externalId"]}
        )

    def send_by(self, rule, *documents):
        self.source.sudo().match_rule = rule
        return self.send_ok("parents", *documents)

    def contacts(self, report):
        return self.env["school.parent"].browse([item.res_id for item in report.items]).partner_id

    def test_never(self):
        self.assertNotEqual(self.contacts(self.send_by("never", FATHER)), self.contact)

    def test_rules(self):
        for rule in ("email", "email_name", "reference"):
            with self.subTest(rule), self.env.cr.savepoint() as savepoint:
                report = self.send_by(rule, {**FATHER, "occupation": "Pilot"})
                self.assertEqual(self.contacts(report), self.contact)
                self.assertEqual(self.contact.function, "Pilot")
                self.assertIn(f"The existing contact {self.contact.id} was taken over", report.items[0].warnings[0])
                savepoint.rollback()

    def test_other_name_or_company_contact_does_not_match(self):
        self.assertNotEqual(self.contacts(self.send_by("email_name", {**FATHER, "name": "Rita"})), self.contact)
        self.contact.is_company = True
        self.assertNotEqual(self.contacts(self.send_by("email", {**FATHER, "externalId": "P2"})), self.contact)

    def test_ambiguous_is_not_guessed(self):
        self.contact.copy({"email": self.contact.email})
        report = self.send_by("email", FATHER)
        self.assertNotIn(self.contacts(report), self.env["res.partner"].search([("ref", "=", FATHER["externalId"])]))
        self.assertIn("It is not clear which existing contact", report.items[0].warnings[0])

    def test_of_one_family_address_the_one_with_the_name_is_taken_over(self):
        report = self.send_by("email", {**MOTHER, "email": FATHER["email"]}, FATHER)
        mother, father = (self.env["school.parent"].browse(item.res_id).partner_id for item in report.items)
        self.assertEqual(father, self.contact)
        self.assertNotEqual(mother, self.contact)

    def test_properties_of_the_contact_stay(self):
        definition = self.env["properties.base.definition"]._get_definition_for_property_field(
            "res.partner", "properties"
        )
        definition.properties_definition = [{"name": "house", "string": "House", "type": "char", "default": "none"}]
        self.contact.properties = {"house": "blue"}
        self.send_by("email", FATHER)
        self.env.invalidate_all()
        self.assertEqual(dict(self.contact.properties), {"house": "blue"})

    def test_contact_of_a_colleague_keeps_its_data(self):
        user = new_test_user(self.env, "ramesh", name=FATHER["name"], email="colleague@example.com")
        report = self.send_by("email", {**FATHER, "email": "colleague@example.com", "phone": "+91 9000000000"})
        self.assertEqual(self.contacts(report), user.partner_id)
        self.assertFalse(user.partner_id.phone)
        self.send_ok("parents", {**FATHER, "email": "thief@example.com"})
        self.assertEqual(user.partner_id.email, "colleague@example.com")

    def test_contact_of_another_company_is_out_of_reach(self):
        self.contact.company_id = self.env["res.company"].create({"name": "Other School"})
        self.assertNotEqual(self.contacts(self.send_by("email", FATHER)), self.contact)
