import copy
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests.common import new_test_user, tagged

from ..sync import engine
from ..sync.merge import put
from .common import FATHER, MOTHER, STUDENT, AccountingCase, SyncCase
from .test_academics import APPLICATION, ENROLLMENT, ROSTER
from .test_billing import BILLING
from .test_fee_schedule import FEES

FATHER_ID, STUDENT_ID = FATHER["externalId"], STUDENT["externalId"]


class ConflictCase(SyncCase):
    def policy(self, default, **by_scope):
        source = self.source.sudo()
        source.conflict_policy = default
        source.policy_ids = [
            Command.clear(),
            *(Command.create({"scope": scope, "policy": policy}) for scope, policy in by_scope.items()),
        ]

    def conflicts(self, state="open"):
        return self.env["school.sync.conflict"].search([("source_id", "=", self.source.id), ("state", "=", state)])

    def both_change_the_phone(self, **more):
        """The father's phone, changed in Odoo and by the source."""
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        self.env.flush_all()
        return self.send("parents", {**FATHER, "phone": "+91 2222222222", **more})


@tagged("post_install", "-at_install")
class TestConflicts(ConflictCase):
    def test_different_fields_changed_on_both_sides_are_both_kept(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        report = self.send_ok("parents", {**FATHER, "occupation": "Pilot"})
        self.assertEqual((self.statuses(report), report.items[0].warnings), (["updated"], []))
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", "Pilot"))
        self.assertFalse(self.conflicts() or self.conflicts("settled"))

    def test_an_edit_is_remembered_across_documents_about_other_things(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        self.send_ok("parents", {**FATHER, "occupation": "Pilot"})
        report = self.send("parents", {**FATHER, "occupation": "Pilot", "phone": "+91 2222222222"})
        self.assertEqual(self.statuses(report), ["conflict"])

    def test_the_same_change_on_both_sides_is_no_conflict(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 2222222222"
        self.assertEqual(self.statuses(self.send_ok("parents", {**FATHER, "phone": "+91 2222222222"})), ["updated"])
        # And from now on that is what both agree on.
        self.assertEqual(self.statuses(self.send_ok("parents", {**FATHER, "phone": "+91 3333333333"})), ["updated"])
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 3333333333")

    def test_source_wins_and_what_odoo_had_is_kept(self):
        report = self.both_change_the_phone()
        self.assertEqual((self.statuses(report), self.parent(FATHER_ID).phone), (["updated"], "+91 2222222222"))
        self.assertIn("/phone was changed in Odoo as well", report.items[0].warnings[0])
        line = self.conflicts("settled").line_ids
        self.assertEqual(
            (line.path, line.base_value, line.odoo_value, line.source_value, line.choice),
            ("phone", FATHER["phone"], "+91 1111111111", "+91 2222222222", "source"),
        )

    def test_one_click_puts_back_what_lost(self):
        self.both_change_the_phone()
        manager = new_test_user(self.env, "conflict-manager", groups="school_erp_sync.group_sync_manager")
        line = self.conflicts("settled").line_ids
        line.with_user(manager).action_restore()
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 1111111111")
        self.assertTrue(line.restored_at)
        # It is an edit made in Odoo: it stays until the source says something new of it.
        same = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222"})
        self.assertEqual((self.statuses(same), same.items[0].version), (["unchanged"], 3))
        self.assertEqual(self.document("parents", FATHER_ID)["phone"], "+91 1111111111")
        logged = self.env["school.sync.log"].search([("source_id", "=", self.source.id)], limit=1)
        self.assertEqual((logged.path, logged.message), ("conflicts/restore", f"by {manager.name}"))

    def test_odoo_wins_and_the_rest_of_the_document_is_applied(self):
        self.policy("odoo")
        report = self.both_change_the_phone(occupation="Pilot")
        self.assertEqual(self.statuses(report), ["updated"])
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", "Pilot"))
        self.assertEqual(self.conflicts("settled").line_ids.choice, "odoo")
        again = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        self.assertEqual(self.statuses(again), ["unchanged"])
        # What lost is the source's value; it can be taken all the same.
        self.conflicts("settled").line_ids.action_restore()
        self.assertEqual(parent.phone, "+91 2222222222")

    def test_the_newest_wins(self):
        self.policy("newest")
        now = fields.Datetime.now()
        self.both_change_the_phone(updatedAt=(now - timedelta(days=1)).isoformat() + "Z")
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 1111111111")
        self.send_ok(
            "parents",
            {**FATHER, "phone": "+91 3333333333", "updatedAt": (now + timedelta(hours=1)).isoformat() + "Z"},
        )
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 3333333333")
        self.parent(FATHER_ID).phone = "+91 1111111111"
        # Without a time of its own, a document is as new as its arrival.
        self.send_ok("parents", {**FATHER, "phone": "+91 4444444444"})
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 4444444444")

    def test_rules_of_a_field_come_before_those_of_its_entity_and_of_the_source(self):
        self.policy("ask", **{"parents": "source", "parents/phone": "odoo"})
        self.both_change_the_phone()
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 1111111111")
        self.parent(FATHER_ID).function = "Farmer"
        self.send_ok("parents", {**FATHER, "occupation": "Pilot"})
        self.assertEqual(self.parent(FATHER_ID).function, "Pilot")
        self.send_ok("students", STUDENT)
        self.student(STUDENT_ID).birth_date = "2010-01-01"
        self.assertEqual(self.statuses(self.send("students", {**STUDENT, "dob": "2011-01-01"})), ["conflict"])

    def test_a_rule_is_about_a_part_that_there_is(self):
        with self.assertRaises(ValidationError):
            self.policy("ask", **{"parents/shoeSize": "odoo"})

    def test_ask_leaves_the_record_and_queues_both_sides(self):
        self.policy("ask")
        report = self.both_change_the_phone(occupation="Pilot")
        self.assertEqual((self.statuses(report), self.codes(report)), (["conflict"], {"/phone": "conflict"}))
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", FATHER["occupation"]))
        conflict = self.conflicts()
        self.assertEqual(conflict.summary, "phone")
        # Sent again, it is one conflict and not two; sent anew, it is what was sent last.
        self.send("parents", {**FATHER, "phone": "+91 3333333333"})
        self.assertEqual((self.conflicts(), conflict.line_ids.source_value), (conflict, "+91 3333333333"))

    def test_decided_for_the_source(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        manager = new_test_user(self.env, "conflict-manager", groups="school_erp_sync.group_sync_manager")
        conflict = self.conflicts()
        conflict.with_user(manager).action_take_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 2222222222", "Pilot"))
        self.assertEqual((conflict.state, conflict.decided_by_id, conflict.document), ("resolved", manager, False))
        again = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        self.assertEqual((self.statuses(again), again.items[0].version), (["unchanged"], 2))
        logged = self.env["school.sync.log"].search([("source_id", "=", self.source.id)], limit=1)
        self.assertEqual((logged.path, logged.message, logged.updated), ("conflicts/decide", f"by {manager.name}", 1))

    def test_decided_for_odoo_bumps_the_version_and_keeps_the_rest_of_the_document(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        self.conflicts().action_keep_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", "Pilot"))
        again = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        self.assertEqual((self.statuses(again), again.items[0].version), (["unchanged"], 2))

    def test_decided_field_by_field(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).write({"phone": "+91 1111111111", "function": "Farmer"})
        self.send("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        conflict = self.conflicts()
        by_path = {line.path: line for line in conflict.line_ids}
        by_path["phone"].action_take()
        with self.assertRaisesRegex(UserError, "each field"):
            conflict.action_decide()
        by_path["occupation"].action_keep()
        conflict.action_decide()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 2222222222", "Farmer"))

    def test_who_decides_on_what_is_no_longer_so_is_asked_again(self):
        self.policy("ask")
        self.both_change_the_phone()
        conflict = self.conflicts()
        self.parent(FATHER_ID).phone = "+91 9999999999"
        self.assertEqual(conflict.action_take_all()["params"]["type"], "warning")
        self.assertEqual((conflict.state, self.parent(FATHER_ID).phone), ("open", "+91 9999999999"))
        self.assertEqual((conflict.line_ids.odoo_value, conflict.line_ids.choice), ("+91 9999999999", False))
        conflict.action_take_all()
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 2222222222")

    def test_what_came_after_is_not_undone_by_a_decision(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        self.send_ok("parents", {"externalId": FATHER_ID, "name": "Ramesh Sharma", "occupation": "Judge"})
        self.assertTrue(self.conflicts())
        self.conflicts().action_take_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 2222222222", "Judge"))

    def test_the_source_gives_in_and_the_conflict_is_overtaken(self):
        self.policy("ask")
        self.both_change_the_phone()
        conflict = self.conflicts()
        self.send_ok("parents", {**FATHER, "phone": "+91 1111111111"})
        self.assertEqual((conflict.state, conflict.document), ("overtaken", False))

    def test_the_conflict_of_an_archived_record_is_overtaken(self):
        self.policy("ask")
        self.both_change_the_phone()
        engine.archive(self.source, "parents", FATHER_ID)
        self.assertFalse(self.conflicts())

    def test_in_an_atomic_batch_a_conflict_stops_all_and_is_queued_all_the_same(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        report = self.send("parents", {**FATHER, "phone": "+91 2222222222"}, MOTHER, atomic=True)
        self.assertEqual(self.statuses(report), ["conflict", "rolledBack"])
        self.assertTrue(self.conflicts())

    def test_what_waits_may_be_in_conflict_when_it_is_applied(self):
        self.policy("ask")
        self.send_ok("students", STUDENT)
        self.student(STUDENT_ID).birth_date = "2010-01-01"
        self.send("students", {**STUDENT, "dob": "2011-01-01", "parents": [FATHER_ID]})
        report = self.send_ok("parents", FATHER)
        self.assertEqual(self.statuses(report.healed[0]), ["conflict"])
        self.assertFalse(self.env["school.sync.parked"].search([("source_id", "=", self.source.id)]))
        self.conflicts().action_take_all()
        student = self.student(STUDENT_ID)
        self.assertEqual((str(student.birth_date), student.parent_ids.name), ("2011-01-01", FATHER["name"]))

    def test_links_made_by_hand_are_nobodys_conflict(self):
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", STUDENT)
        student = self.student(STUDENT_ID)
        by_hand = {"student_id": student.id, "parent_id": self.parent(MOTHER["externalId"]).id}
        self.env["school.parent.link"].create(by_hand)
        self.send_ok("students", {**STUDENT, "parents": [FATHER_ID]})
        self.send_ok("students", {**STUDENT, "parents": []})
        self.assertEqual(student.parent_ids.name, MOTHER["name"])

    def test_links_changed_by_both_are_a_conflict(self):
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", {**STUDENT, "parents": [{"externalId": FATHER_ID, "pickup": True}]})
        self.student(STUDENT_ID).link_ids.pickup = False
        report = self.send("students", {**STUDENT, "parents": [{"externalId": FATHER_ID, "priority": 2}]})
        self.assertEqual(self.codes(report), {"/parents": "conflict"})
        self.conflicts().action_keep_all()
        self.assertEqual(self.student(STUDENT_ID).link_ids.mapped("priority"), [1])

    def test_place_names_kept_by_odoo_stay_together(self):
        self.policy("source", **{"students/address.country": "odoo"})
        self.send_ok("students", STUDENT)
        student = self.student(STUDENT_ID)
        student.country_id = self.env.ref("base.us")
        document = copy.deepcopy(STUDENT)
        document["address"].update(country="France", city="Lyon")
        self.send_ok("students", document)
        self.assertEqual((student.country_id.code, student.city), ("US", "Lyon"))

    def test_only_managers_see_both_sides(self):
        self.policy("ask")
        self.both_change_the_phone()
        reader = new_test_user(self.env, "conflict-reader", groups="school_erp_sync.group_sync_writer")
        with self.assertRaises(AccessError):
            self.conflicts().with_user(reader).read(["external_id"])
        with self.assertRaises(AccessError):
            self.conflicts().line_ids.with_user(reader).action_keep()

    def test_closed_conflicts_expire_with_the_payloads(self):
        self.both_change_the_phone()
        conflict = self.conflicts("settled")
        self.env["school.sync.conflict"]._gc_closed()
        self.assertTrue(conflict.exists())
        self.env.cr.execute(
            "UPDATE school_sync_conflict SET write_date = now() - interval '31 days' WHERE id = %s", [conflict.id]
        )
        self.env.invalidate_all()
        self.env["school.sync.conflict"]._gc_closed()
        self.assertFalse(conflict.exists())


@tagged("post_install", "-at_install")
class TestNoFalseConflict(ConflictCase, AccountingCase):
    """Where nobody in Odoo has touched a record, no change of its document is a conflict, however it is spelled."""

    def setUp(self):
        super().setUp()
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", STUDENT)

    def assert_no_conflict(self, entity, first, *changes):
        """Send ``first`` and then, one after the other and then all at once, each change (path, value)."""
        first = copy.deepcopy(first)
        self.send_ok(entity, first)
        for path, value in changes:
            with self.subTest(entity=entity, path=path, value=value):
                document = copy.deepcopy(first)
                put(document, path, value)
                report = self.send(entity, document)
                self.assertEqual((self.statuses(report), self.codes(report)), (["updated"], {}))
                self.assertFalse(report.items[0].clashes)
                self.send_ok(entity, first)

    def test_parents(self):
        self.assert_no_conflict(
            "parents",
            {**FATHER, "externalId": "P", "students": [STUDENT_ID]},
            ("name", "Ramesh"),
            ("relation", None),
            ("phone", "98765 01235"),
            ("email", "Ramesh@Example.COM"),
            ("students", [{"externalId": STUDENT_ID, "priority": 2, "pays": True}]),
            ("students", []),
        )

    def test_students(self):
        self.assert_no_conflict(
            "students",
            {**copy.deepcopy(STUDENT), "externalId": "S", "gender": "M", "parents": [FATHER_ID]}
            | {"address": {**STUDENT["address"], "country": "IN", "state": "KA"}},
            ("gender", "boy"),
            ("gender", "Female"),
            ("dob", "2010-03-16"),
            ("languages", ["Hindi"]),
            ("languages", []),
            ("health.allergies", ["Dust", "Peanuts"]),
            ("health", None),
            ("address.state", "Karnatka"),
            ("address.state", "Kerala"),
            ("address.country", "United States"),
            ("address", None),
            ("previousSchool.yearOfCompletion", 2023),
            ("previousSchool.yearOfCompletion", None),
            ("parents", [{"externalId": MOTHER["externalId"], "relation": "Aunt", "start": "2025-01-01"}]),
            ("transport.mode", ""),
        )

    def test_academics(self):
        self.assert_no_conflict(
            "enrollments",
            {**ENROLLMENT, "status": "0"},
            ("status", "historical"),
            ("sectionId", None),
            ("academicYear", "2026-2027"),
            ("endDate", None),
            ("startDate", "2025-06-15"),
            ("course", "Chess"),
        )
        self.assert_no_conflict(
            "applications",
            APPLICATION,
            ("status", "rejected"),
            ("gradeApplied", "Grade 9"),
            ("submittedAt", "2025-05-03T15:42:45+05:30"),
            ("decidedAt", None),
            ("studentExternalId", STUDENT_ID),
        )
        self.assert_no_conflict("roster-assignments", ROSTER, ("rollNo", "8A-024"), ("sectionId", "B"))

    def test_fee_schedules(self):
        self.env.ref("base.EUR").active = True
        self.assert_no_conflict(
            "fee-schedules",
            FEES,
            ("heads", [{"code": "SCHOOL_FEE", "label": "School", "amount": "30000.00"}, *FEES["heads"][1:]]),
            (
                "installmentPlan.schedule",
                [*FEES["installmentPlan"]["schedule"][:2], {"due": "2026-01-01", "amount": 10000}],
            ),
            ("firstPaymentLink.url", None),
            ("currency", "EUR"),
        )

    def test_drafts_of_billings(self):
        self.env.ref("base.EUR").active = True
        self.assert_no_conflict(
            "billings",
            {**BILLING, "status": "draft"},
            ("dueDate", "2025-07-15"),
            ("issueDate", "2025-06-02"),
            ("invoiceNumber", "X"),
            ("notes", None),
            ("currency", "EUR"),
            ("lines", [{"code": "SCHOOL_FEE", "label": "Fee", "amount": "389.37"}]),
            ("payerExternalId", FATHER_ID),
        )
