from datetime import timedelta
from itertools import permutations
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests.common import new_test_user, tagged

from ..sync import engine, outbound
from .common import FATHER, MOTHER, STUDENT, SyncCase

STUDENT_ID = STUDENT["externalId"]
ENROLLMENT = {
    "externalId": "ENR-1",
    "studentExternalId": STUDENT_ID,
    "academicYear": "2025-2026",
    "gradeLevel": "8",
    "startDate": "2025-06-01",
    "status": "active",
}
FAMILY_STUDENT = {**STUDENT, "parents": [FATHER["externalId"], MOTHER["externalId"]]}


@tagged("post_install", "-at_install")
class TestParking(SyncCase):
    def parked(self):
        return self.env["school.sync.parked"].search([("source_id", "=", self.source.id)])

    def log(self, *reports):
        self.env["school.sync.log"]._record(
            self.source,
            {"request_id": "r", "method": "POST", "path": "/", "entity": None, "http_status": 200}
            | {"message": None, "duration": 1, "request": "", "response": ""},
            *reports,
        )

    def test_before_its_student_an_enrollment_waits_and_then_is_applied_with_it(self):
        report = self.send("enrollments", ENROLLMENT)
        self.assertEqual((self.statuses(report), report.items[0].errors), (["parked"], []))
        self.assertEqual(
            [tuple(one) for one in report.items[0].missing], [("students", STUDENT_ID, "/studentExternalId")]
        )
        self.assertIsNone(outbound.read_one(self.source, "enrollments", "ENR-1"))
        self.assertEqual(self.parked().waits_for, f"students/{STUDENT_ID}")

        arrival = self.send_ok("students", STUDENT)

        self.assertEqual(self.statuses(arrival.healed[0]), ["created"])
        self.assertFalse(self.parked())
        enrollment = self._record("enrollments", "ENR-1")
        self.assertEqual(enrollment.student_id, self.student(STUDENT_ID))
        self.assertEqual(self.statuses(self.send_ok("enrollments", ENROLLMENT)), ["unchanged"])

    def test_what_waits_for_two_waits_for_the_second(self):
        self.send("students", FAMILY_STUDENT)
        self.assertFalse(self.send_ok("parents", FATHER).healed)
        self.assertEqual(self.statuses(self.send_ok("parents", MOTHER).healed[0]), ["created"])
        self.assertEqual(self.student(STUDENT_ID).parent_count, 2)

    def test_a_chain_is_applied_from_its_root(self):
        self.send("enrollments", ENROLLMENT)
        self.send("students", FAMILY_STUDENT)
        self.send("parents", FATHER)
        report = self.send("parents", MOTHER)
        self.assertEqual([healed.model for healed in report.healed], ["school.student", "school.enrollment"])
        self.assertEqual(self._record("enrollments", "ENR-1").student_id.parent_count, 2)

    def test_every_order_of_a_family_ends_in_the_same(self):
        documents = [
            ("parents", {**FATHER, "students": [STUDENT_ID]}),
            ("parents", MOTHER),
            ("students", FAMILY_STUDENT),
            ("enrollments", ENROLLMENT),
        ]
        for order in permutations(documents):
            with self.subTest(order=[document["externalId"] for _entity, document in order]):
                savepoint = self.env.cr.savepoint()
                for entity, document in order:
                    self.send(entity, document)
                self.assertFalse(self.parked())
                student = self.student(STUDENT_ID)
                self.assertEqual(set(student.parent_ids.mapped("name")), {FATHER["name"], MOTHER["name"]})
                self.assertEqual(self._record("enrollments", "ENR-1").student_id, student)
                self.assertEqual(len(student.link_ids), 2)
                savepoint.rollback()
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    def test_a_circle_of_names_is_no_deadlock(self):
        father = {**FATHER, "students": [STUDENT_ID]}
        mother = {**MOTHER, "students": [STUDENT_ID]}
        self.send("parents", father, mother)
        self.assertEqual(len(self.parked()), 2)
        report = self.send("students", FAMILY_STUDENT)
        self.assertEqual(self.statuses(report), ["created"])
        self.assertFalse(self.parked())
        self.assertEqual(self.student(STUDENT_ID).parent_count, 2)
        for document in (father, mother):
            self.assertEqual(self.statuses(self.send_ok("parents", document)), ["unchanged"])

    def test_a_longer_circle_waits_until_it_is_closed(self):
        other = {**STUDENT, "externalId": "STU-2", "parents": [MOTHER["externalId"]]}
        self.send("parents", {**FATHER, "students": [STUDENT_ID]}, {**MOTHER, "students": ["STU-2"]})
        self.send("students", {**STUDENT, "parents": [MOTHER["externalId"]]})
        self.assertEqual(len(self.parked()), 3)
        self.send("students", other)
        self.assertFalse(self.parked())
        self.assertEqual(self.student("STU-2").parent_ids, self.parent(MOTHER["externalId"]))

    def test_a_bundle_says_what_became_of_it_in_the_end(self):
        bundle = {
            "parents": [{**FATHER, "students": [STUDENT_ID]}],
            "students": [{**STUDENT, "parents": [FATHER["externalId"]]}],
        }
        reports = engine.run_bundle(self.source, bundle)
        self.assertEqual([self.statuses(report) for report in reports.values()], [["created"], ["created"]])
        self.assertEqual(reports["parents"].items[0].res_id, self.parent(FATHER["externalId"]).id)
        self.assertFalse(reports["parents"].items[0].notes(self.env))

    def test_newer_documents_are_laid_over_what_waits(self):
        self.send("enrollments", {**ENROLLMENT, "updatedAt": "2025-05-02T00:00:00Z", "sectionId": "A"})
        newer = {key: value for key, value in ENROLLMENT.items() if key != "sectionId"}
        self.send("enrollments", {**newer, "updatedAt": "2025-05-03T00:00:00Z", "gradeLevel": "9"})
        older = self.send("enrollments", {**ENROLLMENT, "updatedAt": "2025-05-01T00:00:00Z", "sectionId": "B"})
        self.assertEqual(self.statuses(older), ["stale"])
        self.send("students", STUDENT)
        enrollment = self._record("enrollments", "ENR-1")
        self.assertEqual((enrollment.section_id.code, enrollment.grade_id.code), ("A", "9"))
        older = self.send("enrollments", {**ENROLLMENT, "updatedAt": "2025-05-01T00:00:00Z", "sectionId": "B"})
        self.assertEqual(self.statuses(older), ["stale"])

    def test_a_correction_that_misses_nothing_takes_the_place_of_what_waits(self):
        self.send("students", STUDENT)
        self.send("enrollments", {**ENROLLMENT, "studentExternalId": "mistyped", "sectionId": "A"})
        report = self.send_ok("enrollments", ENROLLMENT)
        self.assertEqual(self.statuses(report), ["created"])
        self.assertFalse(self.parked())
        self.assertEqual(self._record("enrollments", "ENR-1").section_id.code, "A")

    def test_a_known_record_keeps_what_it_has_while_its_change_waits(self):
        self.send_ok("students", STUDENT)
        report = self.send("students", {**FAMILY_STUDENT, "fullName": "Rahul R. Sharma"})
        self.assertEqual((self.statuses(report), report.items[0].version), (["parked"], 1))
        self.assertEqual(self.student(STUDENT_ID).name, "Rahul Sharma")
        self.send("parents", FATHER, MOTHER)
        self.assertEqual(self.student(STUDENT_ID).name, "Rahul R. Sharma")
        self.assertEqual(self.student(STUDENT_ID).parent_count, 2)

    def test_what_is_wrong_is_told_at_once_and_not_when_it_is_too_late(self):
        report = self.send("enrollments", {**ENROLLMENT, "endDate": "2025-01-01"})
        self.assertEqual((self.statuses(report), self.codes(report)), (["failed"], {"/endDate": "end_before_start"}))
        self.assertFalse(self.parked())

    def test_who_does_not_want_to_wait_is_told(self):
        report = self.send("enrollments", ENROLLMENT, parking_allowed=False)
        self.assertEqual(self.codes(report), {"/studentExternalId": "reference_missing"})
        self.assertFalse(self.parked())

    def test_what_odoo_refuses_in_the_end_stays_and_says_why_and_spares_the_others(self):
        self.send_ok("students", {**STUDENT, "externalId": "S-0"})
        for external_id in ("ENR-1", "ENR-2"):
            known = {**ENROLLMENT, "externalId": external_id, "studentExternalId": "S-0", "endDate": "2026-04-01"}
            self.send_ok("enrollments", known)
            moved = {**ENROLLMENT, "externalId": external_id, "startDate": "2026-05-01"}
            moved.pop("endDate", None)
            self.send_ok("enrollments", moved)
        report = self.send_ok("students", STUDENT)
        self.assertEqual(self.statuses(report.healed[0]), ["failed", "failed"])
        parked = self.parked()
        self.assertEqual(parked.mapped("state"), ["failed", "failed"])
        self.assertIn("endDate 2026-04-01 is not after startDate 2026-05-01", parked[0].message)
        self.assertFalse(parked.reference_ids)
        self.log(report)
        incident = self.env["school.sync.incident"].search([("entity", "=", "enrollments"), ("state", "=", "open")])
        self.assertEqual(incident.failure_count, 2)

        # Somebody mends one of them and tries again.
        mended = parked.filtered(lambda one: one.external_id == "ENR-2")
        mended.document_text = mended.document_text.replace("2026-05-01", "2026-03-01")
        answer = mended.action_retry()
        self.assertFalse(mended.exists())
        self.assertEqual(answer["params"]["next"]["res_model"], "school.sync.parked")
        self.assertEqual(self._record("enrollments", "ENR-2").date_start.isoformat(), "2026-03-01")
        self._record("enrollments", "ENR-1").date_end = "2027-04-01"
        (parked - mended).action_retry()
        self.assertFalse(self.parked())
        self.assertEqual(incident.state, "resolved")

    def test_a_document_is_mended_into_nothing_but_a_document(self):
        self.send("enrollments", ENROLLMENT)
        parked = self.parked()
        for text, part in (("{", "JSON"), ("{}", "/externalId"), ('{"externalId": "ENR-9"}', "/studentExternalId")):
            with self.assertRaises(UserError) as caught:
                parked.document_text = text
            self.assertIn(part, str(caught.exception))
        with self.assertRaisesRegex(UserError, 'must stay "ENR-1"'):
            parked.document_text = parked.document_text.replace("ENR-1", "ENR-9")

    def test_trying_again_too_early_changes_nothing(self):
        self.send("enrollments", ENROLLMENT)
        message = self.parked().action_retry()["params"]["message"]
        self.assertIn("1 still parked", message)
        self.assertEqual(self.parked().state, "waiting")

    def test_all_or_nothing_leaves_nothing_waiting_either(self):
        report = self.send("enrollments", ENROLLMENT, {**ENROLLMENT, "externalId": "E2", "startDate": "?"}, atomic=True)
        self.assertEqual(self.statuses(report), ["rolledBack", "failed"])
        self.assertFalse(self.parked())
        report = self.send("enrollments", ENROLLMENT, atomic=True)
        self.assertEqual(self.statuses(report), ["parked"])

    def test_deleting_what_waits_ends_the_waiting(self):
        self.send("enrollments", ENROLLMENT)
        item = engine.archive(self.source, "enrollments", "ENR-1")
        self.assertEqual((item.status.value, item.res_id), ("archived", None))
        self.assertFalse(self.send_ok("students", STUDENT).healed)
        self.assertIsNone(engine.archive(self.source, "enrollments", "ENR-1"))

    def test_a_student_made_by_hand_in_another_source_is_not_the_one(self):
        other = self.as_api_user(self.env["school.sync.source"].create({"name": "Other SIS"}))
        self.send("enrollments", ENROLLMENT)
        self.assertFalse(self.send_ok("students", STUDENT, source=other).healed)
        self.assertEqual(self.parked().state, "waiting")

    def test_after_the_time_is_up_nobody_waits_and_people_are_told(self):
        manager = new_test_user(self.env, "parking-manager", groups="school_erp_sync.group_sync_manager")
        self.source.sudo().notify_user_ids = manager
        self.send("enrollments", ENROLLMENT)
        parked = self.parked()
        self.assertAlmostEqual(
            parked.expires_at, fields.Datetime.now() + timedelta(days=30), delta=timedelta(minutes=5)
        )
        parked.expires_at = fields.Datetime.now() - timedelta(days=1)
        parked.filtered_domain([("state", "=", "waiting")])._expire()
        self.assertEqual(parked.state, "expired")
        self.assertIn(STUDENT_ID, parked.message)
        incident = self.env["school.sync.incident"].search(
            [("source_id", "=", self.source.id), ("code", "=", "expired")]
        )
        self.assertEqual(incident.activity_ids.user_id, manager)
        # It is kept, and can be tried by hand; by itself it comes no more.
        self.assertFalse(self.send_ok("students", STUDENT).healed)
        parked.action_retry()
        self.assertTrue(self._record("enrollments", "ENR-1"))
        self.assertEqual(incident.state, "resolved")

    def test_what_expired_says_what_was_refused(self):
        self.send("enrollments", ENROLLMENT)
        self.source._log_internal("students", self.send("students", {**STUDENT, "fullName": 5}))
        parked = self.parked()
        self.assertIn("refused", parked.refusal)
        parked.expires_at = fields.Datetime.now() - timedelta(days=1)
        parked._expire()
        self.assertIn(f"students/{STUDENT_ID}: It was refused on", parked.message)
        self.assertIn("fullName must be a string", parked.message)
        incident = self.env["school.sync.incident"].search(
            [("source_id", "=", self.source.id), ("code", "=", "expired")]
        )
        self.assertIn("fullName must be a string", incident.message)

    def test_what_expired_long_ago_is_forgotten(self):
        self.send("enrollments", ENROLLMENT)
        parked = self.parked()
        parked.expires_at = fields.Datetime.now() - timedelta(days=20)
        parked._expire()
        self.env["school.sync.parked"]._gc_expired()
        self.assertTrue(parked.exists())
        parked.expires_at = fields.Datetime.now() - timedelta(days=40)
        parked.state = "failed"
        self.env["school.sync.parked"]._gc_expired()
        self.assertFalse(parked.exists())

    def test_an_awaited_identity_is_no_record(self):
        self.send("enrollments", ENROLLMENT)
        self.assertEqual(outbound.read_page(self.source, "students", limit=10), ([], None))
        self.assertEqual(self.source.sudo().binding_count, 0)
        self.assertIsNone(engine.archive(self.source, "students", STUDENT_ID))

    def test_only_managers_see_and_retry_what_waits(self):
        self.send("enrollments", ENROLLMENT)
        writer = new_test_user(self.env, "parking-writer", groups="school_erp_sync.group_sync_writer")
        with self.assertRaises(AccessError):
            self.parked().with_user(writer).read(["external_id"])
        manager = new_test_user(self.env, "parking-manager", groups="school_erp_sync.group_sync_manager")
        self.send_ok("students", STUDENT)
        self.send("enrollments", {**ENROLLMENT, "externalId": "ENR-3", "studentExternalId": "late"})
        self.parked().with_user(manager).action_retry()
        self.parked().with_user(manager).unlink()
        self.assertFalse(self.parked())

    def test_a_circle_is_broken_also_when_somebody_tries_again(self):
        self.send("parents", {**FATHER, "students": [STUDENT_ID]})
        refused = self.parked()
        refused.state = "failed"
        refused.flush_recordset()
        self.send("students", {**STUDENT, "parents": [FATHER["externalId"]]})
        self.assertEqual(len(self.parked()), 2)
        refused.action_retry()
        self.assertFalse(self.parked())
        self.assertEqual(self.student(STUDENT_ID).parent_ids.name, FATHER["name"])

    def test_what_waited_and_is_not_allowed_any_more_spares_who_sends_today(self):
        self.send("enrollments", ENROLLMENT)
        no_rights = AccessError("You are not allowed to access enrollments.")
        with patch.object(self.registry["school.enrollment"], "_sync_values", side_effect=no_rights):
            self.assertEqual(self.statuses(self.send_ok("students", STUDENT)), ["created"])
        parked = self.parked()
        self.assertEqual(parked.state, "failed")
        self.assertIn("not allowed", parked.message)
        parked.action_retry()
        self.assertTrue(self._record("enrollments", "ENR-1"))

    def test_a_mended_document_waits_for_what_it_names_now(self):
        self.send("enrollments", ENROLLMENT)
        groups = "school_erp_sync.group_sync_manager,school_erp_sync.group_sync_sensitive"
        manager = new_test_user(self.env, "parking-manager", groups=groups)
        parked = self.parked().with_user(manager)
        parked.document_text = parked.document_text.replace(STUDENT_ID, "STU-LATER")
        self.assertEqual(parked.waits_for, "students/STU-LATER")
        self.send_ok("students", {**STUDENT, "externalId": "STU-LATER"})
        self.assertEqual(self._record("enrollments", "ENR-1").student_id, self.student("STU-LATER"))

    def test_what_waits_cannot_be_given_to_another_school(self):
        other = self.env["res.company"].create({"name": "Other School"})
        theirs = self.env["school.sync.source"].create({"name": "Their SIS", "company_id": other.id})
        manager = new_test_user(self.env, "parking-manager", groups="school_erp_sync.group_sync_manager")
        self.send("enrollments", ENROLLMENT)
        with self.assertRaises(UserError):
            self.parked().with_user(manager).source_id = theirs
