"""Contacts that people merge in Odoo: what they are at school is merged with them, and every name keeps working."""

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests.common import new_test_user, tagged

from ..sync import engine, outbound
from .common import FATHER, STUDENT, AccountingCase
from .test_academics import APPLICATION, ENROLLMENT, ROSTER
from .test_billing import BILLING
from .test_fee_schedule import FEES

PHONE = "+91 9000000000"
DUPLICATE = {"externalId": "PAR-DUP", "name": "R. Sharma", "email": FATHER["email"], "phone": PHONE}
FATHER_ID, STUDENT_ID, DUPLICATE_ID = FATHER["externalId"], STUDENT["externalId"], DUPLICATE["externalId"]
SISTER = {"externalId": "STU-SISTER", "fullName": "Rita Sharma"}


class MergeCase(AccountingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Somebody who cares for contacts, and knows nothing of schools.
        cls.clerk = new_test_user(cls.env, "clerk", groups="base.group_user,base.group_partner_manager")

    def merge(self, survivor, *others):
        """Merge contacts as people do it in Odoo."""
        contacts = survivor.concat(*others)
        wizard = self.env["base.partner.merge.automatic.wizard"].with_user(self.clerk)
        values = {"partner_ids": [Command.set(contacts.ids)], "dst_partner_id": survivor.id, "state": "selection"}
        wizard.create(values).action_merge()
        self.env.flush_all()
        self.env.invalidate_all()

    def assert_apart(self, survivor, *others, words=()):
        with self.assertRaises(UserError) as refusal, self.env.cr.savepoint():
            self.merge(survivor, *others)
        for word in words:
            self.assertIn(word, str(refusal.exception))
        self.assertTrue(all(other.exists() for other in others))

    def links(self, record):
        return {
            (link.student_id.name, link.parent_id.name): {
                name for name in ("custodial", "emergency", "pickup", "pays") if link[name]
            }
            for link in record.link_ids
        }


@tagged("post_install", "-at_install")
class TestMergedGuardians(MergeCase):
    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER, DUPLICATE)
        links = [{"externalId": FATHER_ID, "pickup": True}, {"externalId": DUPLICATE_ID, "custodial": True}]
        self.student_document = {**STUDENT, "parents": links}
        self.sister_document = {**SISTER, "parents": [{"externalId": DUPLICATE_ID, "pays": True}]}
        self.send_ok("students", self.student_document, self.sister_document)
        self.father, self.duplicate = self.parent(FATHER_ID), self.parent(DUPLICATE_ID)

    def merge_both(self):
        self.merge(self.father.partner_id, self.duplicate.partner_id)

    def test_one_guardian_with_the_links_of_both(self):
        self.merge_both()
        self.assertFalse(self.duplicate.exists())
        self.assertEqual((self.parent(FATHER_ID), self.parent(DUPLICATE_ID)), (self.father, self.father))
        self.assertEqual(
            self.links(self.father),
            {
                (STUDENT["fullName"], FATHER["name"]): {"pickup", "custodial"},
                (SISTER["fullName"], FATHER["name"]): {"pays"},
            },
        )

    def test_every_document_is_known_as_before(self):
        self.merge_both()
        people = self.env["school.parent"].search_count([])
        for entity, document in (
            ("parents", FATHER),
            ("parents", DUPLICATE),
            ("students", self.student_document),
            ("students", self.sister_document),
        ):
            with self.subTest(document["externalId"]):
                self.assertEqual(self.statuses(self.send_ok(entity, document)), ["unchanged"])
        self.assertEqual(self.env["school.parent"].search_count([]), people)

    def test_what_each_name_says_next_is_applied(self):
        self.merge_both()
        self.send_ok("parents", {**DUPLICATE, "occupation": "Pilot"})
        self.assertEqual((self.father.function, self.father.name), ("Pilot", FATHER["name"]))
        report = self.send_ok(
            "parents", {**FATHER, "occupation": "Farmer"}, {**DUPLICATE, "occupation": "Pilot", "relation": "Uncle"}
        )
        self.assertEqual(self.statuses(report), ["updated", "updated"])
        self.assertEqual((self.father.function, self.father.relation), ("Farmer", "Uncle"))

    def test_both_names_are_read_and_listed(self):
        self.merge_both()
        by_name = {name: outbound.read_one(self.source, "parents", name) for name in (FATHER_ID, DUPLICATE_ID)}
        self.assertEqual({one["id"] for one in by_name.values()}, {self.father.id})
        page, _cursor = outbound.read_page(self.source, "parents", limit=10)
        self.assertEqual({one["externalId"]: one for one in page}, by_name)

    def test_each_document_calls_the_guardian_as_it_did(self):
        self.merge_both()
        self.assertEqual(
            self.document("students", SISTER["externalId"])["parents"], [{"externalId": DUPLICATE_ID, "pays": True}]
        )
        names = [link["externalId"] for link in self.document("students", STUDENT_ID)["parents"]]
        self.assertEqual(names, [FATHER_ID, DUPLICATE_ID])

    def test_what_a_document_says_of_the_guardian_under_the_old_name_is_no_conflict(self):
        self.source.sudo().conflict_policy = "odoo"
        self.merge_both()
        self.send_ok("students", {**self.sister_document, "parents": [{"externalId": DUPLICATE_ID, "pays": False}]})
        self.assertEqual(self.links(self.father)[SISTER["fullName"], FATHER["name"]], set())
        self.assertFalse(self.env["school.sync.conflict"].search([]))

    def test_one_name_does_not_take_away_what_the_other_says(self):
        self.send_ok("parents", {**FATHER, "students": [{"externalId": STUDENT_ID}]})
        self.send_ok("parents", {**DUPLICATE, "students": [{"externalId": SISTER["externalId"]}]})
        self.merge_both()
        brother = {"externalId": "STU-BROTHER", "fullName": "Ravi Sharma"}
        self.send_ok("students", brother)
        students = [{"externalId": STUDENT_ID}, {"externalId": "STU-BROTHER"}]
        self.send_ok("parents", {**FATHER, "students": students})
        self.assertEqual(
            {student for student, _guardian in self.links(self.father)},
            {STUDENT["fullName"], SISTER["fullName"], "Ravi Sharma"},
        )
        self.send_ok("parents", {**DUPLICATE, "students": []})
        self.assertEqual(
            {student for student, _guardian in self.links(self.father)}, {STUDENT["fullName"], "Ravi Sharma"}
        )

    def test_deleting_one_name_leaves_the_guardian(self):
        """The source merges its own duplicates as well, and tells that one of them is gone."""
        self.merge_both()
        engine.archive(self.source, "parents", DUPLICATE_ID)
        self.assertTrue(self.father.active)
        self.assertEqual(self.statuses(self.send_ok("parents", FATHER)), ["unchanged"])
        engine.archive(self.source, "parents", FATHER_ID)
        self.assertFalse(self.father.active)
        self.send_ok("parents", DUPLICATE)
        self.assertTrue(self.father.active)

    def test_payer_and_customer_of_invoices(self):
        self.send_ok("billings", {**BILLING, "payerExternalId": DUPLICATE_ID})
        billing = self._record("billings", "BIL-1")
        self.merge_both()
        self.assertEqual((billing.payer_id, billing.partner_id), (self.father, self.father.partner_id))
        self.assertEqual(billing.move_id.partner_id, self.father.partner_id)
        document = {**BILLING, "payerExternalId": DUPLICATE_ID}
        self.assertEqual(self.statuses(self.send_ok("billings", document)), ["unchanged"])
        self.assertEqual(self.document("billings", "BIL-1")["payerExternalId"], DUPLICATE_ID)

    def test_what_is_to_be_decided_goes_along(self):
        self.source.sudo().conflict_policy = "ask"
        self.duplicate.phone = "+91 1111111111"
        self.send("parents", {**DUPLICATE, "phone": "+91 2222222222"})
        conflict = self.env["school.sync.conflict"].search([("state", "=", "open")])
        self.merge_both()
        self.assertEqual((conflict.res_id, conflict.res_name), (self.father.id, FATHER["name"]))
        # Odoo's side is another one now, so whoever decides is shown it first.
        conflict.action_take_all()
        self.assertEqual((conflict.state, conflict.line_ids.odoo_value), ("open", FATHER["phone"]))
        conflict.action_take_all()
        self.assertEqual((conflict.state, self.father.phone), ("resolved", "+91 2222222222"))

    def test_guardian_and_plain_contact(self):
        """Whichever is kept, the guardian is."""
        for index, kept in enumerate((True, False)):
            with self.subTest(guardian_kept=kept):
                document = {"externalId": f"PAR-{index}", "name": "Ann Lee", "email": f"ann{index}@example.com"}
                self.send_ok("parents", document)
                role = self.parent(document["externalId"])
                plain = self.env["res.partner"].create(
                    {"name": "Ann Lee", "email": document["email"], "comment": "Plays the harp"}
                )
                self.merge(*((role.partner_id, plain) if kept else (plain, role.partner_id)))
                self.assertEqual(self.statuses(self.send_ok("parents", document)), ["unchanged"])
                self.assertIn("harp", role.partner_id.comment)

    def test_guardians_of_two_sources(self):
        other = self.as_api_user(self.env["school.sync.source"].create({"name": "Onboarding"}))
        self.send_ok("parents", {**FATHER, "externalId": "ONB-1", "portalUserId": "portal"}, source=other)
        role = self.env["school.parent"].search([("portal_user_id", "=", "portal")])
        self.merge(self.father.partner_id, role.partner_id, self.duplicate.partner_id)
        self.assertEqual(self.env["school.parent"].search([("name", "=", FATHER["name"])]), self.father)
        again = self.send_ok("parents", {**FATHER, "externalId": "ONB-1", "portalUserId": "portal"}, source=other)
        self.assertEqual(self.statuses(again), ["unchanged"])

    def test_two_guardians_whom_two_sources_know(self):
        """Each source knows both contacts; every name goes on to work, and one that is deleted takes nobody along."""
        other = self.as_api_user(self.env["school.sync.source"].create({"name": "Onboarding", "match_rule": "email"}))
        self.duplicate.email = "dup@example.com"
        documents = [{**FATHER, "externalId": "ONB-1"}, {**FATHER, "externalId": "ONB-2", "email": "dup@example.com"}]
        documents[1]["name"] = DUPLICATE["name"]
        report = self.send_ok("parents", *documents, source=other)
        self.assertEqual([item.res_id for item in report.items], [self.father.id, self.duplicate.id])
        self.duplicate.email = self.father.email
        self.merge_both()
        for source, names in ((self.source, (FATHER_ID, DUPLICATE_ID)), (other, ("ONB-1", "ONB-2"))):
            found = [outbound.read_one(source, "parents", name)["id"] for name in names]
            self.assertEqual(found, [self.father.id] * 2)
        for source, *sent in ((self.source, FATHER, DUPLICATE), (other, *documents)):
            self.assertEqual(self.statuses(self.send_ok("parents", *sent, source=source)), ["unchanged"] * 2)
        for source, name in ((other, "ONB-1"), (other, "ONB-2"), (self.source, FATHER_ID)):
            engine.archive(source, "parents", name)
            self.assertTrue(self.father.active)
        engine.archive(self.source, "parents", DUPLICATE_ID)
        self.assertFalse(self.father.active)

    def test_guardians_of_two_schools_stay_apart(self):
        company = self.env["res.company"].create({"name": "Other School"})
        other = self.as_api_user(self.env["school.sync.source"].create({"name": "Other", "company_id": company.id}))
        self.send_ok("parents", FATHER, source=other)
        theirs = self.env["school.parent"].search([("company_id", "=", company.id)])
        self.clerk.company_ids += company
        self.assert_apart(self.father.partner_id, theirs.partner_id, words=("Other School",))
        self.assert_apart(theirs.partner_id, self.father.partner_id)

    def test_archived_guardian_or_contact_does_not_hide_the_other(self):
        archived = self.env["res.partner"].create({"name": "R. Sharma", "email": FATHER["email"], "active": False})
        engine.archive(self.source, "parents", FATHER_ID)
        self.merge_both()
        self.assertTrue(self.father.active and self.father.partner_id.active)
        self.merge(archived, self.father.partner_id)
        self.assertEqual(self.father.partner_id, archived)
        self.assertTrue(archived.active)


@tagged("post_install", "-at_install")
class TestMergedStudents(MergeCase):
    def setUp(self):
        super().setUp()
        # Only readers of School Sync see the contacts of students.
        self.clerk.group_ids += self.env.ref("school_erp_sync.group_sync_reader")
        email = {"email": "rahul@example.com"}
        self.send_ok("parents", FATHER)
        self.other_document = {
            "externalId": "STU-DUP",
            "fullName": "R. Sharma",
            "dob": STUDENT["dob"],
            "health": {"allergies": ["Milk"]},
            "parents": [{"externalId": FATHER_ID, "pays": True}],
        }
        self.send_ok("students", STUDENT, self.other_document)
        self.one, self.other = self.student(STUDENT_ID), self.student("STU-DUP")
        (self.one + self.other).partner_id.write(email)

    def test_one_student_with_all_that_both_have(self):
        of_other = {"studentExternalId": "STU-DUP"}
        self.send_ok("applications", {**APPLICATION, **of_other})
        self.send_ok("enrollments", {**ENROLLMENT, **of_other})
        self.send_ok("roster-assignments", {**ROSTER, **of_other, "externalId": "ROS-1"})
        self.send_ok("fee-schedules", {**FEES, **of_other})
        self.send_ok("billings", {**BILLING, **of_other})
        self.merge(self.one.partner_id, self.other.partner_id)
        self.assertFalse(self.other.exists())
        names = ("application_ids", "enrollment_ids", "fee_schedule_ids", "billing_ids", "link_ids")
        self.assertEqual([len(self.one[name]) for name in names], [1] * 5)
        self.assertEqual(self.one.enrollment_ids.roster_assignment_ids.student_id, self.one)
        self.assertEqual(set(self.one.allergy_ids.mapped("name")), {"Peanuts", "Milk"})
        self.assertEqual(self.one.blood_group, "B+ve")
        for entity, document in (
            ("students", STUDENT),
            ("students", self.other_document),
            ("enrollments", {**ENROLLMENT, **of_other}),
            ("billings", {**BILLING, **of_other}),
            ("fee-schedules", {**FEES, **of_other}),
        ):
            self.assertEqual(self.statuses(self.send_ok(entity, document)), ["unchanged"], entity)
        self.assertEqual(self.document("enrollments", "ENR-1")["studentExternalId"], "STU-DUP")
        self.send_ok("enrollments", {**ENROLLMENT, **of_other, "sectionId": "C"})
        self.assertEqual(self.one.enrollment_ids.section_id.code, "C")

    def test_two_birth_dates_are_two_students(self):
        self.other.birth_date = "2011-01-01"
        self.assert_apart(self.one.partner_id, self.other.partner_id, words=("2010", "2011"))

    def test_two_places_at_once_are_shown(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("enrollments", {**ENROLLMENT, "externalId": "ENR-2", "studentExternalId": "STU-DUP"})
        self.merge(self.one.partner_id, self.other.partner_id)
        self.assertEqual(self.one.enrollment_ids.mapped("is_overlapping"), [True, True])

    def test_student_and_own_guardian_are_two_people(self):
        father = self.parent(FATHER_ID)
        self.one.partner_id.email = father.email
        self.send_ok("students", {**STUDENT, "parents": [{"externalId": FATHER_ID}]})
        self.assert_apart(father.partner_id, self.one.partner_id, words=(FATHER["name"], STUDENT["fullName"]))

    def test_student_who_is_somebody_elses_guardian_is_one_contact(self):
        father = self.parent(FATHER_ID)
        self.one.partner_id.email = father.email
        self.merge(father.partner_id, self.one.partner_id)
        self.assertEqual(self.one.partner_id, father.partner_id)
        self.assertEqual(self.statuses(self.send_ok("parents", FATHER)), ["unchanged"])
        self.assertEqual(self.statuses(self.send_ok("students", STUDENT)), ["unchanged"])
