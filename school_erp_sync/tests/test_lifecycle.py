"""What deleting leaves behind: every record that a source sends is either kept, with a reason, or gone for good."""

from odoo.exceptions import RedirectWarning, UserError
from odoo.modules.neutralize import neutralize_database
from odoo.tests.common import new_test_user, tagged

from .common import FATHER, MOTHER, STUDENT, AccountingCase
from .test_academics import APPLICATION, ENROLLMENT, ROSTER, ROSTER_ID
from .test_billing import BILLING
from .test_fee_schedule import FEES

FATHER_ID, MOTHER_ID, STUDENT_ID = FATHER["externalId"], MOTHER["externalId"], STUDENT["externalId"]
DRAFT = {**BILLING, "status": "draft", "total": None}
PAYMENT = {"externalId": "PAY-1", "date": "2025-06-10", "amount": 100}


class LifecycleCase(AccountingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(
            cls.env, "sync_manager", groups="school_erp_sync.group_sync_manager,account.group_account_invoice"
        )

    def family(self):
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", {**STUDENT, "parents": [{"externalId": FATHER_ID, "pays": True}]})

    def bindings(self, external_id):
        return self.env["school.sync.binding"].search([("external_id", "=", external_id)])

    def delete(self, record):
        """Delete as a manager does, in Odoo; what was deleted is what HTTP and other users see."""
        record.with_user(self.manager).unlink()
        self.env.flush_all()
        self.env.invalidate_all()

    def assert_refused(self, record, *words):
        with self.assertRaises(UserError) as refusal, self.env.cr.savepoint():
            self.delete(record)
        sentence = refusal.exception.args[0]
        for word in words:
            self.assertIn(word, sentence)
        for inside in ("school.", "account.", "_id", "None", "fkey", "False"):
            self.assertNotIn(inside, sentence)
        self.assertTrue(record.exists())


@tagged("post_install", "-at_install")
class TestDeleting(LifecycleCase):
    # ------------------------------------------------------------------
    # Billings: no family is billed twice
    # ------------------------------------------------------------------

    def billing(self):
        return self._record("billings", "BIL-1")

    def invoices(self):
        return self.env["account.move"].search([("ref", "=", BILLING["invoiceNumber"])])

    def test_billing_with_a_posted_invoice_is_kept(self):
        self.family()
        self.send_ok("billings", BILLING)
        self.assert_refused(self.billing(), "BIL-1", self.billing().move_id.name, "Archive")
        self.assertEqual(self.statuses(self.send_ok("billings", BILLING)), ["unchanged"])
        self.assertEqual(len(self.invoices()), 1)

    def test_billing_with_a_payment_is_kept(self):
        self.family()
        self.send_ok("billings", {**BILLING, "status": "partial", "payments": [PAYMENT]})
        billing = self.billing()
        billing.move_id.button_draft()
        self.assert_refused(billing, "BIL-1", "payment")
        self.assert_refused(billing.payment_ids, "PAY-1", "Cancel")
        self.assert_refused(billing.payment_ids.payment_id, "BIL-1", "Cancel")
        self.send_ok("billings", {**BILLING, "status": "partial", "payments": [PAYMENT], "notes": "Again"})
        self.assertEqual(len(self.env["account.payment"].search([("memo", "like", "BIL-1")])), 1)

    def test_cancelled_billing_is_deleted_and_billed_once_when_it_is_sent_again(self):
        self.family()
        self.send_ok("billings", BILLING)
        self.billing().with_user(self.manager).action_archive()
        self.delete(self.billing())
        self.assertEqual(self.invoices().mapped("state"), ["cancel"])
        self.send_ok("billings", BILLING)
        self.assertEqual(sorted(self.invoices().mapped("state")), ["cancel", "posted"])

    def test_draft_goes_with_its_billing(self):
        self.family()
        self.send_ok("billings", DRAFT)
        self.delete(self.billing())
        self.assertFalse(self.invoices())
        self.assertEqual(self.statuses(self.send_ok("billings", DRAFT)), ["created"])
        self.assertEqual(len(self.invoices()), 1)

    def test_installment_whose_draft_is_deleted_is_open_again(self):
        self.family()
        self.send_ok("fee-schedules", FEES)
        schedule = self._record("fee-schedules", FEES["externalId"])
        schedule.action_bill()
        self.assertEqual(schedule.state, "billed")
        self.assert_refused(schedule.installment_ids[0], "billing")
        self.assert_refused(schedule, FEES["externalId"], "School Billing (3)")
        self.delete(schedule.billing_ids[0])
        self.assertEqual((schedule.state, len(schedule.billing_ids)), ("partial", 2))
        self.assertEqual(schedule.amount_billed, sum(schedule.billing_ids.mapped("amount_total")))

    # ------------------------------------------------------------------
    # Everything else
    # ------------------------------------------------------------------

    def test_what_each_record_leaves_behind(self):
        """Each kind of record, what keeps it, and that it leaves nothing behind when nothing does."""
        self.family()
        self.send_ok("applications", {**APPLICATION, "studentExternalId": STUDENT_ID})
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("fee-schedules", FEES)
        self.send_ok("billings", {**DRAFT, "payerExternalId": FATHER_ID})
        enrollment = self._record("enrollments", ENROLLMENT["externalId"])
        kept = {
            "students": (
                self.student(STUDENT_ID),
                "Rahul Sharma",
                "Application for a Place (1)",
                "Enrollment (1)",
                "Roster Assignment (1)",
                "Fee Schedule (1)",
                "School Billing (1)",
                "Archive",
            ),
            "parents": (self.parent(FATHER_ID), FATHER["name"], "School Billing (1)", "Archive"),
            "grade": (enrollment.grade_id, "Enrollment (1)"),
            "section": (enrollment.section_id, "Enrollment (1)"),
            "year": (enrollment.academic_year_id, "Enrollment (1)", "Application for a Place (1)"),
            "contact": (self.student(STUDENT_ID).partner_id, "Rahul Sharma", "student", "archive"),
            "binding": (self.bindings(STUDENT_ID), STUDENT_ID, "twice"),
        }
        for kind, (record, *words) in kept.items():
            with self.subTest(f"kept: {kind}"):
                if kind == "contact":
                    self.manager.group_ids += self.env.ref("base.group_partner_manager")
                self.assert_refused(record, *words)
        documents = {
            "billings": "BIL-1",
            "fee-schedules": FEES["externalId"],
            "roster-assignments": ROSTER_ID,
            "enrollments": ENROLLMENT["externalId"],
            "applications": APPLICATION["externalId"],
            "students": STUDENT_ID,
            "parents": FATHER_ID,
        }
        # Documents and problems of the same records, which nobody waits for when the record is gone.
        self.send("enrollments", {**ENROLLMENT, "externalId": "ENR-2", "studentExternalId": "STU-NOBODY"})
        for entity, external_id in documents.items():
            self.env["school.sync.incident"].sudo()._settle(
                self.source.sudo(), entity, {external_id: ("refused", "Odoo refuses it.")}, set()
            )
            self.park(entity, external_id)
        for entity, external_id in documents.items():
            with self.subTest(f"deleted: {entity}"):
                record = self._record(entity, external_id)
                contact = record.partner_id if entity in ("students", "parents") else self.env["res.partner"]
                self.delete(record)
                self.assertFalse(self.bindings(external_id))
                self.assertFalse(self.env["school.sync.conflict"].search([("external_id", "=", external_id)]))
                self.assertFalse(self.env["school.sync.parked"].search([("external_id", "=", external_id)]))
                self.assertFalse(self.env["school.sync.failure"].search([("external_id", "=", external_id)]))
                self.assertFalse(contact.active)
        self.assertFalse(self.env["school.parent.link"].search([("parent_id.name", "=", FATHER["name"])]))
        self.assertEqual(self.env["school.sync.parked"].search([]).mapped("external_id"), ["ENR-2"])

    def park(self, entity, external_id):
        binding = self.bindings(external_id)
        self.env["school.sync.parked"].sudo().create(
            {
                "source_id": self.source.id,
                "company_id": self.company.id,
                "entity": entity,
                "external_id": external_id,
                "document": {"externalId": external_id},
                "expires_at": "2099-01-01",
            }
        )
        self.env["school.sync.conflict"].sudo().create(
            {
                "source_id": self.source.id,
                "company_id": self.company.id,
                "binding_id": binding.id,
                "entity": entity,
                "external_id": external_id,
                "res_model": binding.res_model,
                "res_id": binding.res_id,
                "state": "open",
            }
        )

    def test_deleted_student_comes_back_with_its_guardians(self):
        """The guardian's document named the student: it has to be able to say so again."""
        self.send_ok("students", STUDENT)
        father = {**FATHER, "students": [{"externalId": STUDENT_ID, "pickup": True}]}
        self.send_ok("parents", father)
        self.delete(self.student(STUDENT_ID))
        self.send_ok("students", STUDENT)
        self.send_ok("parents", father)
        self.assertEqual(self.student(STUDENT_ID).link_ids.parent_id, self.parent(FATHER_ID))
        self.assertTrue(self.student(STUDENT_ID).link_ids.pickup)

    def test_deleted_guardian_comes_back_to_the_student(self):
        self.send_ok("parents", FATHER)
        student = {**STUDENT, "parents": [{"externalId": FATHER_ID, "pays": True}]}
        self.send_ok("students", student)
        self.delete(self.parent(FATHER_ID))
        self.send_ok("parents", FATHER)
        self.send_ok("students", student)
        self.assertEqual(self.student(STUDENT_ID).link_ids.parent_id, self.parent(FATHER_ID))
        contacts = self.env["res.partner"].search([("email", "=", FATHER["email"])])
        self.assertEqual(contacts, self.parent(FATHER_ID).partner_id)

    def test_binding_without_a_record_may_go(self):
        self.send("enrollments", ENROLLMENT)
        placeholder = self.bindings(STUDENT_ID)
        self.assertFalse(placeholder.res_id)
        self.delete(placeholder)
        self.send_ok("students", STUDENT)
        self.assertEqual(len(self.bindings(ENROLLMENT["externalId"]).filtered("res_id")), 1)


@tagged("post_install", "-at_install")
class TestSourceEnds(LifecycleCase):
    def test_source_that_knows_records_is_not_deleted(self):
        self.send_ok("parents", FATHER)
        source = self.source.sudo()
        with self.assertRaises(RedirectWarning) as refusal, self.env.cr.savepoint():
            self.delete(source)
        message, action, button, context = refusal.exception.args
        self.assertIn("Test SIS", message)
        self.assertIn("1 record", message)
        self.assertIn("Archive", button)
        self.env["ir.actions.server"].browse(action).with_user(self.manager).with_context(**context).run()
        self.assertFalse(source.active)
        self.assertTrue(self.bindings(FATHER_ID))

    def test_source_with_parked_documents_is_not_deleted(self):
        self.send("enrollments", ENROLLMENT)
        with self.assertRaises(RedirectWarning), self.env.cr.savepoint():
            self.delete(self.source.sudo())

    def test_source_that_sent_nothing_goes_with_its_user_and_keys(self):
        source = self.source.sudo()
        user, key = source.user_id, source._generate_key()
        self.delete(source)
        self.assertFalse(source.exists())
        self.assertFalse(user.active)
        self.assertFalse(self.env["res.users.apikeys"]._check_credentials(scope="school_sync", key=key))
        self.assertFalse(self.env["res.users.apikeys"].sudo().search([("user_id", "=", user.id)]))

    def test_archived_source_tells_nobody(self):
        source = self.source.sudo()
        source.notify_user_ids = self.manager
        self.manager.email = "manager@example.com"
        self.send("enrollments", ENROLLMENT)
        source.active = False
        parked = self.env["school.sync.parked"].search([])
        parked.expires_at = "2020-01-01"
        mails = self.env["mail.mail"].search_count([])
        with self.enter_registry_test_mode():
            self.env.ref("school_erp_sync.school_sync_parked_cron").method_direct_trigger()
            self.env.ref("school_erp_sync.school_sync_notify_cron").method_direct_trigger()
        self.assertEqual(self.env["mail.mail"].search_count([]), mails)
        self.assertFalse(self.env["mail.activity"].search([("user_id", "=", self.manager.id)]))

    def test_neutralized_database_answers_nobody_and_writes_to_nobody(self):
        source = self.source.sudo()
        source.notify_user_ids = self.manager
        key = source._generate_key()
        own = self.env["res.users.apikeys"].with_user(source.user_id).sudo()._generate(None, "made by hand", False)
        other = self.env["res.users.apikeys"].with_user(self.manager).sudo()._generate("rpc", "of somebody else", False)
        self.env.flush_all()
        neutralize_database(self.env.cr)
        self.env.invalidate_all()
        check = self.env["res.users.apikeys"]._check_credentials
        self.assertFalse(check(scope="school_sync", key=key))
        self.assertFalse(check(scope="school_sync", key=own))
        self.assertTrue(check(scope="rpc", key=other))
        self.assertFalse(self.env["school.sync.source"].search([]))
        self.assertFalse(source.notify_user_ids)
        crons = self.env["ir.model.data"].search([("module", "=", "school_erp_sync"), ("model", "=", "ir.cron")])
        self.assertFalse(self.env["ir.cron"].search([("id", "in", crons.mapped("res_id"))]))
        template = self.env.ref("school_erp_sync.mail_template_incident")
        self.assertFalse(template.mail_server_id)
