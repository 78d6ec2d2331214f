from odoo.exceptions import AccessError, UserError
from odoo.tests.common import Form, new_test_user, tagged

from .common import FATHER, STUDENT, SyncCase


@tagged("post_install", "-at_install")
class TestModels(SyncCase):
    def test_student_made_in_the_form_is_a_contact(self):
        with Form(self.env["school.student"]) as form:
            form.name = "Asha Rao"
            form.blood_group = "O+"
        student = form.save()
        self.assertEqual(student.partner_id.name, "Asha Rao")
        self.assertEqual(student.company_id, self.company)

    def test_a_contact_that_is_a_student_is_not_deleted_by_accident(self):
        self.send_ok("students", STUDENT)
        with self.assertRaisesRegex(UserError, "belongs to a student"):
            self.student(STUDENT["externalId"]).partner_id.unlink()

    def test_bulk_and_form_make_the_same_record(self):
        self.send_ok("parents", FATHER)
        with Form(self.env["school.parent"]) as form:
            form.name, form.relation = FATHER["name"], FATHER["relation"]
            form.function, form.email = FATHER["occupation"], FATHER["email"]
            form.portal_user_id = FATHER["portalUserId"]
        by_form, by_sync = form.save(), self.parent(FATHER["externalId"])
        by_form.phone = FATHER["phone"]
        apart = {"id", "display_name", "partner_id", "company_id", "commercial_partner_id"}
        apart |= {"create_uid", "create_date", "write_uid", "write_date"}
        stored = [n for n, f in self.env["res.partner"]._fields.items() if f.store and n not in apart]
        for name in stored:
            if self.env["res.partner"]._fields[name].type not in ("one2many", "many2many", "binary"):
                with self.subTest(name):
                    self.assertEqual(by_sync.partner_id[name], by_form.partner_id[name])

    def test_unlinking_a_record_forgets_its_bindings(self):
        self.send_ok("parents", FATHER)
        self.parent(FATHER["externalId"]).unlink()
        self.assertFalse(self.env["school.sync.binding"].search([("external_id", "=", FATHER["externalId"])]))

    def test_students_of_another_school_are_not_seen(self):
        self.send_ok("students", STUDENT)
        other = self.env["res.company"].create({"name": "Other School"})
        reader = new_test_user(
            self.env,
            "other_reader",
            groups="school_erp_sync.group_sync_manager",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        for model in ("school.student", "school.sync.binding", "school.sync.source", "school.sync.log"):
            self.assertFalse(self.env[model].with_user(reader).with_company(other).search([]), model)
        with self.assertRaises(AccessError):
            self.student(STUDENT["externalId"]).with_user(reader).read(["blood_group"])

    def test_health_is_not_for_every_colleague(self):
        self.send_ok("students", STUDENT)
        colleague = new_test_user(self.env, "colleague", groups="base.group_user,base.group_partner_manager")
        with self.assertRaises(AccessError):
            self.student(STUDENT["externalId"]).with_user(colleague).read(["blood_group"])

    def test_last_document_is_for_managers(self):
        self.send_ok("students", STUDENT)
        binding = self.env["school.sync.binding"].search([("external_id", "=", STUDENT["externalId"])])
        reader = new_test_user(self.env, "reader", groups="school_erp_sync.group_sync_reader")
        self.assertEqual(binding.with_user(reader).external_id, STUDENT["externalId"])
        with self.assertRaises(AccessError):
            binding.with_user(reader).read(["document"])
        self.assertIn("Rahul Sharma", binding.document_text)

    def test_portal_menu_of_links_opens_the_family(self):
        self.send_ok("parents", FATHER)
        self.send_ok("students", {**STUDENT, "parents": [FATHER["externalId"]]})
        student, parent = self.student(STUDENT["externalId"]), self.parent(FATHER["externalId"])
        self.assertEqual(self.env["school.parent"].search(student.action_open_parents()["domain"]), parent)
        self.assertEqual(self.env["school.student"].search(parent.action_open_students()["domain"]), student)
        self.assertEqual((student.parent_count, parent.student_count), (1, 1))

    def test_source_with_records_stays_in_its_school(self):
        self.send_ok("parents", FATHER)
        other = self.env["res.company"].create({"name": "Other School"})
        with self.assertRaises(UserError):
            self.source.sudo().company_id = other
