from contextlib import contextmanager
from datetime import timedelta
from itertools import count

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests.common import Form, new_test_user, tagged

from ..contract.employee import EmployeeDocument
from ..sync import employees as outbound
from ..sync.outbound import BadCursor
from .common import SyncCase

_numbers = count(1)


class EmployeeCase(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["school.sync.source"].search([("id", "!=", cls.source.id)]).sends_employees = False
        cls.strangers = set(cls.env["school.sync.employee"].search([]).mapped("external_id"))
        cls.science = cls.env["hr.department"].create({"name": "Science"})
        cls.arts = cls.env["hr.department"].create({"name": "Arts"})
        cls.teacher = cls.env["hr.job"].create({"name": "Teacher"})
        cls.principal = cls.env["hr.job"].create({"name": "Principal"})
        address = cls.company.partner_id.id
        cls.campus = cls.env["hr.work.location"].create({"name": "North Campus", "address_id": address})
        cls.boss = cls.make_employee("Meera Iyer")
        cls.asha = cls.make_employee(
            "Asha K Rao",
            work_email="asha@example.com",
            work_phone="+91 98765 01234",
            mobile_phone="+91 98765 43210",
            barcode="B0001",
            department_id=cls.science.id,
            job_id=cls.teacher.id,
            parent_id=cls.boss.id,
            work_location_id=cls.campus.id,
            private_street="1 Secret Road",
            birthday="1980-01-02",
            identification_id="ID-SECRET",
            wage=4711,
        )
        cls.settle()

    @classmethod
    def make_employee(cls, name="Ravi Rao", **values):
        employee = cls.env["hr.employee"].create({"name": name, "company_id": cls.company.id, **values})
        cls.settle()
        return employee

    @classmethod
    def settle(cls):
        """As at the end of a request: what is pending in the ORM is in the database, and read from there."""
        cls.env.flush_all()
        cls.env.invalidate_all()

    def compare(self):
        """Let Odoo's cron compare everything with what was sent."""
        with self.enter_registry_test_mode():
            self.env.ref("school_erp_sync.school_sync_employees_cron").method_direct_trigger()
        self.settle()

    @contextmanager
    def undone(self):
        with self.env.cr.savepoint() as savepoint:
            yield
            savepoint.rollback()
        self.env.invalidate_all(flush=False)
        self.env.registry.clear_cache()

    def row(self, employee=None, source=None):
        self.settle()
        uid = (employee or self.asha).school_sync_uid
        source = source or self.source
        return self.env["school.sync.employee"].search([("source_id", "=", source.id), ("external_id", "=", uid)])

    def say(self, *statuses):
        """Report ``statuses`` as the source would. :return: the items of the answer"""
        report = self.env(user=self.source.user_id, su=False)["school.sync.employee"]._apply_statuses(
            self.source, list(statuses)
        )
        self.settle()
        return report.as_json(single=False)["items"]

    def success(self, employee=None, **values):
        row = self.row(employee)
        return {"externalId": row.external_id, "version": row.version, "status": "success", **values}

    def error(self, employee=None, **values):
        message = {"message": "Refused", "code": "refused"}
        return {**self.success(employee), "status": "error", **message, **values}

    def outcome(self, *statuses):
        return [item["status"] for item in self.say(*statuses)]

    def page(self, **options):
        """A page, without the employees whom the database had before."""
        self.settle()
        items, cursor = outbound.read_page(self.source, **{"limit": 1000, **options})
        return [item for item in items if item["externalId"] not in self.strangers], cursor

    def listed(self, **options):
        return [item["externalId"] for item in self.page(**options)[0]]

    def told(self, employee=None):
        self.settle()
        return outbound.read_one(self.source, (employee or self.asha).school_sync_uid)


@tagged("post_install", "-at_install")
class TestMarking(EmployeeCase):
    """Every way in which something that is sent changes, and some in which nothing does."""

    def new_department(self):
        return self.env["hr.department"].create({"name": f"Department {next(_numbers)}"})

    def in_the_form(self):
        with Form(self.asha) as form:
            form.mobile_phone = "+91 90000 00001"

    def by_import(self):
        xml_id = self.asha.export_data(["id"])["datas"][0][0]
        result = self.env["hr.employee"].load(["id", "work_phone"], [[xml_id, "+91 90000 00002"]])
        self.assertTrue(result["ids"], result["messages"])

    def future_version(self):
        tomorrow = fields.Date.today() + timedelta(days=1)
        self.asha.create_version({"date_version": tomorrow, "department_id": self.arts.id})

    def version_that_becomes_current(self):
        self.future_version()
        self.settle()
        self.assertEqual(self.row().version, self.before, "a version of tomorrow is not sent today")
        with freeze_time(fields.Datetime.now() + timedelta(days=1, hours=1)):
            self.env["hr.employee"]._cron_update_current_version_id()
            self.settle()

    def version_made_current_by_its_date(self):
        self.future_version()
        self.settle()
        version = self.asha.version_ids.filtered(lambda v: v.department_id == self.arts)
        version.date_version = fields.Date.today() - timedelta(days=1)
        self.settle()
        self.asha.version_ids.filtered(lambda v: v.department_id != self.arts).date_version -= timedelta(days=9)

    def current_version_deleted(self):
        version = self.asha.create_version(
            {"date_version": fields.Date.today() - timedelta(days=3), "department_id": self.arts.id}
        )
        self.asha.current_version_id.date_version = fields.Date.today() - timedelta(days=9)
        self.settle()
        self.assertEqual(self.asha.current_version_id, version)
        self.before = self.row().version
        version.unlink()

    def current_version_archived(self):
        version = self.asha.create_version(
            {"date_version": fields.Date.today() - timedelta(days=3), "department_id": self.arts.id}
        )
        self.asha.version_ids.filtered(lambda v: v != version).date_version -= timedelta(days=9)
        self.settle()
        self.before = self.row().version
        version.active = False

    def version_of_today(self):
        self.asha.version_id.date_version -= timedelta(days=9)
        self.settle()
        self.before = self.row().version
        self.asha.create_version({"date_version": fields.Date.today(), "department_id": self.arts.id})

    def user_edits_own_profile(self):
        user = new_test_user(self.env, "asha", groups="base.group_user", email="asha@example.com")
        self.asha.user_id = user
        self.settle()
        self.before = self.row().version
        user.with_user(user).write({"email": "own.choice@example.com"})

    def contact_merged(self):
        other = self.env["res.partner"].create({"name": "Asha", "email": "merged@example.com"})
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.asha.work_contact_id + other).ids, other)

    def department_translated_in_the_dialog(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.company.partner_id.lang = "fr_FR"
        self.settle()
        self.assertEqual(self.outcome(self.success()), ["repeated"])
        self.science.update_field_translations("name", {"fr_FR": "Sciences naturelles"})

    def departed(self):
        reason = self.env["hr.departure.reason"].search([], limit=1)
        self.env["hr.departure.wizard"].create(
            {"employee_ids": [Command.set(self.asha.ids)], "departure_reason_id": reason.id}
        ).with_context(employee_termination=True).action_register_departure()

    def user_linked(self):
        user = new_test_user(self.env, "asha", groups="base.group_user", email="asha.rao@school.example")
        self.asha.user_id = user

    def manager_deleted(self):
        boss = self.make_employee("Short Boss")
        self.asha.parent_id = boss
        self.before = self.row().version
        boss.unlink()

    def rename_in_sql(self):
        self.settle()
        self.env.cr.execute('UPDATE hr_department SET name = \'{"en_US": "Physics"}\' WHERE id = %s', [self.science.id])
        self.env.invalidate_all()

    def renamed_in_sql(self):
        self.rename_in_sql()
        self.compare()

    CHANGES = {
        "form": in_the_form,
        "import": by_import,
        "import of the contact": lambda self: self.env["res.partner"].load(
            [".id", "email"], [[str(self.asha.work_contact_id.id), "imported@example.com"]]
        ),
        "name": lambda self: self.asha.write({"name": "Asha Kumari Rao"}),
        "name through the resource": lambda self: self.asha.resource_id.write({"name": "Devi Raman"}),
        "written in bulk": lambda self: (self.asha + self.boss).write({"work_phone": "+91 90000 00003"}),
        "mobile": lambda self: self.asha.write({"mobile_phone": "+91 90000 00004"}),
        "work e-mail": lambda self: self.asha.write({"work_email": "a.rao@example.com"}),
        "e-mail of the contact": lambda self: self.asha.work_contact_id.write({"email": "contact@example.com"}),
        "phone of the contact": lambda self: self.asha.work_contact_id.write({"phone": "+91 90000 00005"}),
        "contact merged into another": contact_merged,
        "another contact": lambda self: self.asha.write(
            {"work_contact_id": self.env["res.partner"].create({"name": "Asha", "email": "other@example.com"}).id}
        ),
        "badge": lambda self: self.asha.write({"barcode": "B0002"}),
        "badge taken away": lambda self: self.asha.write({"barcode": False}),
        "department": lambda self: self.asha.write({"department_id": self.arts.id}),
        "department of the version": lambda self: self.asha.version_id.write({"department_id": self.arts.id}),
        "department renamed": lambda self: self.science.write({"name": "Sciences"}),
        "department renamed by import": lambda self: self.env["hr.department"].load(
            [".id", "name"], [[str(self.science.id), "Imported"]]
        ),
        "department translated in the dialog": department_translated_in_the_dialog,
        "department deleted": lambda self: (self.arts.write({"name": "Gone"}), self.science.unlink()),
        "job": lambda self: self.asha.write({"job_id": self.principal.id}),
        "job renamed": lambda self: self.teacher.write({"name": "Senior Teacher"}),
        "job translated in the dialog": lambda self: self.teacher.update_field_translations(
            "name", {"en_US": "Instructor"}
        ),
        "job title": lambda self: self.asha.write({"job_title": "Head of Physics"}),
        "manager": lambda self: self.asha.write({"parent_id": False}),
        "manager of the department replaced": lambda self: (
            self.science.write({"manager_id": self.boss.id}),
            self.science.write({"manager_id": self.make_employee("New Boss").id}),
        ),
        "manager archived": lambda self: self.boss.action_archive(),
        "manager deleted": manager_deleted,
        "work location": lambda self: self.asha.write({"work_location_id": False}),
        "work location renamed": lambda self: self.campus.write({"name": "South Campus"}),
        "work location of the version": lambda self: self.asha.version_id.write({"work_location_id": False}),
        "company renamed": lambda self: self.company.write({"name": "Another Name"}),
        "company renamed through its contact": lambda self: self.company.partner_id.write({"name": "Another Name"}),
        "company's language": lambda self: (
            self.env["res.lang"]._activate_lang("fr_FR"),
            self.science.with_context(lang="fr_FR").write({"name": "Sciences naturelles"}),
            self.company.partner_id.write({"lang": "fr_FR"}),
        ),
        "archived": lambda self: self.asha.action_archive(),
        "archived with its resource": lambda self: self.asha.resource_id.write({"active": False}),
        "departed": departed,
        "restored": lambda self: (self.archive_first(), self.asha.action_unarchive()),
        "user linked": user_linked,
        "user edits their own profile": user_edits_own_profile,
        "version of today": version_of_today,
        "version becomes current by date": version_that_becomes_current,
        "version's date moved": version_made_current_by_its_date,
        "current version deleted": current_version_deleted,
        "current version archived": current_version_archived,
        "changed past the ORM": renamed_in_sql,
        "sent again by HR": lambda self: self.asha.action_school_sync_again(),
    }
    BACK_TO_WHAT_WAS = {
        "sent again by HR",
        "restored",
        "current version deleted",
        "current version archived",
        "manager deleted",
    }
    NO_CHANGES = {
        "nothing written": lambda self: self.asha.write({}),
        "the same again": lambda self: self.asha.write({"name": "Asha K Rao", "barcode": "B0001"}),
        "the same department again": lambda self: self.asha.write({"department_id": self.science.id}),
        "private address": lambda self: self.asha.write({"private_street": "2 Secret Road"}),
        "birthday": lambda self: self.asha.write({"birthday": "1981-01-02"}),
        "wage": lambda self: self.asha.write({"wage": 4712}),
        "identity number": lambda self: self.asha.write({"identification_id": "OTHER"}),
        "colour": lambda self: self.asha.write({"color": 3}),
        "manager renamed": lambda self: self.boss.write({"name": "Meera N Iyer"}),
        "another department renamed": lambda self: self.arts.write({"name": "Fine Arts"}),
        "department, in a language that is not sent": lambda self: (
            self.env["res.lang"]._activate_lang("de_DE"),
            self.science.with_context(lang="de_DE").write({"name": "Naturwissenschaft"}),
        ),
        "contact's city": lambda self: self.asha.work_contact_id.write({"city": "Mysore"}),
        "version of the future": future_version,
        "there and back within a request": lambda self: (
            self.asha.write({"mobile_phone": "1"}),
            self.asha.write({"mobile_phone": "+91 98765 43210"}),
        ),
        "department moved": lambda self: self.science.write({"parent_id": self.arts.id}),
        "version of the future edited": lambda self: (
            self.future_version(),
            self.asha.version_ids.filtered(lambda v: v.department_id == self.arts).write({"job_title": "Dean"}),
        ),
        "a note in the chatter": lambda self: self.asha.message_post(body="Hello"),
        "compared daily": lambda self: self.compare(),
        "Odoo's cron": lambda self: self.env["hr.employee"]._cron_update_current_version_id(),
        "user linked with the same address": lambda self: self.asha.write(
            {
                "user_id": new_test_user(self.env, "twin", email="asha@example.com", phone="+91 98765 01234").id,
            }
        ),
    }

    def archive_first(self):
        self.asha.action_archive()
        self.before = self.row().version

    def test_every_way_in_which_something_sent_changes(self):
        every_field = {info.alias for name, info in EmployeeDocument.model_fields.items()}
        changed_by_some = {"externalId", "id", "deleted", "teacherId"}
        for name, change in self.CHANGES.items():
            with self.subTest(name), self.undone():
                self.assertEqual(self.outcome(self.success()), ["synced"])
                sent, self.before = self.told(), self.row().version
                change(self)
                row = self.row()
                self.assertEqual((row.state, self.asha.school_sync_state), ("pending", "pending"))
                self.assertGreater(row.version, self.before)
                self.assertIn(row.external_id, self.listed())
                self.assertEqual(self.told()["externalId"], sent["externalId"])
                differing = {key for key in sent if sent[key] != self.told()[key]}
                changed_by_some |= differing
                if name not in self.BACK_TO_WHAT_WAS:
                    self.assertGreater(differing, {"version", "syncState"})
        self.assertEqual(changed_by_some | {"updatedAt"}, every_field, "each field that is sent is changed by some way")

    def test_what_alters_nothing_that_is_sent(self):
        for name, change in self.NO_CHANGES.items():
            with self.subTest(name), self.undone():
                self.assertEqual(self.outcome(self.success()), ["synced"])
                sent = self.told()
                change(self)
                self.assertEqual(self.told(), sent)
                self.assertEqual(self.asha.school_sync_state, "synced")
                self.assertNotIn(sent["externalId"], self.listed())

    def test_change_past_the_orm_is_found_before_it_is_called_synced(self):
        status = self.success()
        self.rename_in_sql()
        self.assertEqual(self.outcome(status), ["stale"])
        self.assertEqual((self.row().state, self.told()["department"]), ("pending", "Physics"))
        self.assertEqual(self.outcome(self.success()), ["synced"])

    def test_badge_tells_the_truth_before_the_request_ends(self):
        self.say(self.success())
        self.asha.mobile_phone = "+91 90000 00009"
        self.assertEqual(self.asha.school_sync_state, "pending")

    def test_a_thousand_are_marked_with_a_handful_of_queries(self):
        people = self.env["hr.employee"].create([{"name": f"Teacher {number}"} for number in range(40)])
        self.settle()
        self.assertEqual(set(people.mapped("school_sync_state")), {"pending"})
        people.mapped("mobile_phone")
        counts = []
        for some in (people[:3], people[:5], people):
            some.write({"mobile_phone": f"+91 9{len(some)}"})
            before = self.env.cr.sql_log_count
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*counts[1:])

    def test_identity_of_a_copy_is_its_own(self):
        (values,) = self.asha.copy_data()
        self.assertFalse([name for name in values if name.startswith("school_sync")])

    def test_merging_contacts_keeps_the_employee(self):
        other = self.env["res.partner"].create({"name": "Asha", "email": "asha@example.com"})
        uid = self.asha.school_sync_uid
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.asha.work_contact_id + other).ids, other)
        self.assertEqual((self.asha.work_contact_id, self.row().external_id), (other, uid))
        self.assertEqual(self.told()["workEmail"], "asha@example.com")


@tagged("post_install", "-at_install")
class TestDocument(EmployeeCase):
    def test_what_is_sent(self):
        document = self.told()
        EmployeeDocument.model_validate(document)
        self.assertEqual(list(document), [info.alias for info in EmployeeDocument.model_fields.values()])
        expected = {
            "externalId": self.asha.school_sync_uid,
            "id": self.asha.id,
            "version": 1,
            "syncState": "pending",
            "deleted": False,
            "active": True,
            "name": "Asha K Rao",
            "firstName": "Asha",
            "middleName": "K",
            "lastName": "Rao",
            "workEmail": "asha@example.com",
            "workPhone": "+91 98765 01234",
            "mobile": "+91 98765 43210",
            "barcode": "B0001",
            "department": "Science",
            "jobTitle": "Teacher",
            "manager": self.boss.school_sync_uid,
            "company": self.company.name,
            "workLocation": "North Campus",
            "teacherId": None,
            "updatedAt": self.row().changed_at.isoformat() + "Z",
        }
        self.assertEqual(document, expected)

    def test_nothing_private_is_sent(self):
        text = str(self.told())
        for secret in ("Secret", "1980", "4711", "ID-SECRET"):
            self.assertNotIn(secret, text)

    def test_tombstone_has_every_member(self):
        self.asha.action_school_sync_again()
        uid = self.asha.school_sync_uid
        employee_id = self.asha.id
        self.asha.unlink()
        self.settle()
        document = outbound.read_one(self.source, uid)
        EmployeeDocument.model_validate(document)
        self.assertEqual(list(document), [info.alias for info in EmployeeDocument.model_fields.values()])
        self.assertEqual((document["deleted"], document["active"], document["id"]), (True, False, employee_id))
        self.assertIsNone(document["name"])

    def test_who_reads_makes_no_difference(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.science.with_context(lang="fr_FR").name = "Sciences naturelles"
        self.source.sudo().user_id.lang = "fr_FR"
        self.assertEqual(self.told()["department"], "Science")


@tagged("post_install", "-at_install")
class TestDeletion(EmployeeCase):
    def delete(self):
        uid = self.asha.school_sync_uid
        self.asha.unlink()
        self.settle()
        return uid

    def test_tombstone_is_received_once(self):
        self.say(self.success())
        uid = self.delete()
        (tombstone,) = [item for item in self.page()[0] if item["externalId"] == uid]
        self.assertTrue(tombstone["deleted"])
        status = {"externalId": uid, "version": tombstone["version"], "status": "success"}
        self.assertEqual(self.outcome(status), ["synced"])
        self.assertNotIn(uid, self.listed(state=None))
        self.assertIsNone(outbound.read_one(self.source, uid))
        self.assertEqual(self.outcome(status), ["repeated"])
        self.assertFalse(self.env["school.sync.employee"].search([("external_id", "=", uid)]).name)

    def test_answer_by_odoos_id_reaches_the_tombstone(self):
        employee_id, uid = self.asha.id, self.delete()
        version = outbound.read_one(self.source, uid)["version"]
        self.assertEqual(self.outcome({"employeeId": employee_id, "version": version, "status": "success"}), ["synced"])

    def test_answer_to_the_living_does_not_bury(self):
        status = self.success()
        uid = self.delete()
        self.assertEqual(self.outcome(status), ["stale"])
        self.assertIn(uid, self.listed())

    def test_deleted_past_the_orm(self):
        uid = self.asha.school_sync_uid
        self.env.cr.execute("DELETE FROM hr_version WHERE employee_id = %s", [self.asha.id])
        self.env.cr.execute("DELETE FROM hr_employee WHERE id = %s", [self.asha.id])
        self.env.invalidate_all(flush=False)
        self.assertNotIn(uid, self.listed(state=None), "until it is found, nothing is known of it")
        self.assertIsNone(outbound.read_one(self.source, uid))
        self.compare()
        self.assertTrue(outbound.read_one(self.source, uid)["deleted"])

    def test_deleted_together(self):
        uids = (self.asha + self.boss).mapped("school_sync_uid")
        (self.asha + self.boss).unlink()
        self.assertEqual(sorted(self.listed()), sorted(uids))

    def test_tombstone_that_was_refused_is_sent_again(self):
        uid = self.delete()
        row = self.env["school.sync.employee"].search([("external_id", "=", uid)])
        status = {"externalId": uid, "version": row.version, "status": "error", "message": "Has classes"}
        self.assertEqual(self.outcome(status), ["error"])
        self.assertNotIn(uid, self.listed())
        hr = new_test_user(self.env, "hr_officer", groups="hr.group_hr_user")
        row.with_user(hr).action_send_again()
        self.assertIn(uid, self.listed())


@tagged("post_install", "-at_install")
class TestStatus(EmployeeCase):
    def test_success(self):
        answer = self.say(self.success(teacherId="T-1"))[0]
        uid, employee_id = self.asha.school_sync_uid, self.asha.id
        expected = {
            "externalId": uid,
            "employeeId": employee_id,
            "status": "synced",
            "version": 1,
            "syncState": "synced",
        }
        self.assertEqual(answer, expected)
        self.assertEqual((self.asha.school_sync_state, self.told()["teacherId"]), ("synced", "T-1"))

    def test_edited_since(self):
        status = self.success(teacherId="T-1")
        self.asha.name = "Asha Rao"
        answer = self.say(status)[0]
        self.assertEqual((answer["status"], answer["version"], answer["syncState"]), ("stale", 2, "pending"))
        self.assertEqual(answer["errors"][0]["code"], "stale_version")
        self.assertEqual((self.row().synced_version, self.told()["teacherId"]), (1, "T-1"))
        self.assertEqual(self.asha.school_sync_state, "pending")

    def test_error_of_an_older_version_is_of_no_interest(self):
        status = self.error()
        self.asha.name = "Asha Rao"
        self.assertEqual(self.outcome(status), ["stale"])
        self.assertEqual((self.row().state, self.row().message), ("pending", False))

    def test_error(self):
        self.assertEqual(self.outcome(self.error(message="No e-mail", code="no_email")), ["error"])
        row = self.row()
        self.assertEqual((row.state, row.message, row.code), ("error", "No e-mail", "no_email"))
        self.assertEqual((self.asha.school_sync_state, self.asha.school_sync_message), ("error", "No e-mail"))
        self.assertTrue(row.answered_at)
        self.assertEqual(self.listed(state="error"), [row.external_id])
        self.assertNotIn(row.external_id, self.listed())

    def test_success_after_an_error(self):
        self.say(self.error())
        self.assertEqual(self.outcome(self.success()), ["synced"])
        self.assertEqual((self.row().state, self.row().message, self.row().code), ("synced", False, False))

    def test_error_after_a_success(self):
        self.say(self.success())
        self.assertEqual(self.outcome(self.error()), ["error"])
        self.assertEqual((self.row().state, self.row().synced_version), ("error", 1))

    def test_answers_that_overtake_each_other(self):
        early, late = "2025-05-03T10:00:00Z", "2025-05-03T12:00:00+01:00"
        self.say(self.success(syncedAt=late))
        answer = self.say(self.error(syncedAt=early))[0]
        self.assertEqual((answer["status"], answer["errors"][0]["code"]), ("stale", "stale_answer"))
        self.assertEqual(self.row().state, "synced")
        self.assertEqual(self.outcome(self.error(syncedAt="2025-05-03T11:00:01Z")), ["error"])
        self.asha.name = "Asha Rao"
        self.assertEqual(
            self.outcome(self.success(syncedAt=early)), ["synced"], "the clocks of two versions are not compared"
        )

    def test_repeats(self):
        for status in (self.success(teacherId="T-1"), self.error()):
            with self.subTest(status["status"]):
                self.say(status)
                before = self.row().read()[0]
                self.assertEqual(self.outcome(status), ["repeated"])
                self.assertEqual(self.row().read()[0], before)

    def test_repeat_that_says_more_is_no_repeat(self):
        self.say(self.success())
        self.assertEqual(self.outcome(self.success(teacherId="T-9")), ["synced"])
        self.say(self.error())
        self.assertEqual(self.outcome(self.error(message="Another reason")), ["error"])

    def test_teacher_is_not_forgotten(self):
        self.say(self.success(teacherId="T-1"))
        self.say(self.error())
        self.assertEqual(self.told()["teacherId"], "T-1")

    def test_unknown(self):
        unknown = [
            {"externalId": "nobody", "version": 1, "status": "success"},
            {"employeeId": 2**31 - 1, "version": 1, "status": "error"},
            self.success(version=2),
        ]
        answers = self.say(*unknown)
        self.assertEqual([answer["status"] for answer in answers], ["unknown"] * 3)
        codes = [answer["errors"][0]["code"] for answer in answers]
        self.assertEqual(codes, ["unknown_employee", "unknown_employee", "unknown_version"])
        self.assertEqual(self.row().state, "pending")

    def test_by_odoos_id(self):
        for number in (self.asha.id, str(self.asha.id)):
            answer = self.say({"employeeId": number, "version": 1, "status": "success"})[0]
            self.assertEqual(answer["externalId"], self.asha.school_sync_uid)

    def test_invalid(self):
        good = self.success()
        for status, pointer in (
            (5, "/3"),
            ({}, "/3/version"),
            ({**good, "status": "maybe"}, "/3/status"),
            ({**good, "version": 0}, "/3/version"),
            ({**good, "version": True}, "/3/version"),
            ({**good, "version": "x"}, "/3/version"),
            ({**good, "syncedAt": "yesterday"}, "/3/syncedAt"),
            ({**good, "message": "x" * 3000}, "/3/message"),
            ({"version": 1, "status": "success"}, "/3"),
            ({**good, "employeeId": self.boss.id}, "/3/employeeId"),
        ):
            with self.subTest(str(status)[:80]):
                answer = self.say({}, {}, {}, status)[3]
                self.assertIn(answer["status"], ("invalid", "unknown"))
                self.assertIn(pointer, [error["pointer"] for error in answer["errors"]])
                self.assertEqual(self.row().state, "pending")
                if isinstance(status, dict) and "externalId" in status:
                    self.assertEqual(
                        answer["externalId"], good["externalId"], "so that the sender knows whom it is about"
                    )

    def test_source_that_is_given_none_any_more(self):
        status = self.success()
        self.source.sudo().sends_employees = False
        self.settle()
        self.assertEqual(self.outcome(status), ["synced"], "what it was given before")
        self.assertFalse(self.asha.school_sync_state)

    def test_one_bad_apple_spoils_nothing(self):
        self.assertEqual(self.outcome(5, self.success(), {}, self.success(self.boss)), ["invalid", "synced"] * 2)

    def test_several_of_one_employee_count_in_their_order(self):
        self.assertEqual(self.outcome(self.error(), self.success(), self.success()), ["error", "synced", "repeated"])
        self.assertEqual(self.row().state, "synced")

    def test_another_source_has_a_state_of_its_own(self):
        other = self.as_api_user(self.env["school.sync.source"].create({"name": "Other SIS"}))
        self.say(self.success())
        self.assertEqual((self.row().state, self.row(source=other).state), ("synced", "pending"))
        self.assertEqual(self.asha.school_sync_state, "synced", "the other one may never fetch anybody")
        status = {"externalId": self.boss.school_sync_uid, "version": 1, "status": "success"}
        other.env["school.sync.employee"]._apply_statuses(other, [status])
        self.settle()
        self.assertEqual(self.asha.school_sync_state, "pending", "the other one does")
        other.sudo().active = False
        self.assertEqual(self.asha.school_sync_state, "synced")

    def test_a_large_batch_takes_as_many_queries_as_a_small_one(self):
        people = self.env["hr.employee"].create([{"name": f"Teacher {number}"} for number in range(30)])
        self.settle()
        counts = []
        for some in (people[:1], people[1:6], people[6:]):
            statuses = [self.success(person) for person in some]
            before = self.env.cr.sql_log_count
            self.env["school.sync.employee"]._apply_statuses(self.source, statuses)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*counts[1:])


@tagged("post_install", "-at_install")
class TestListing(EmployeeCase):
    def test_pages_hold_everybody_once_while_states_change(self):
        people = self.env["hr.employee"].create([{"name": f"Teacher {number}"} for number in range(12)])
        self.settle()
        seen, cursor = [], None
        while True:
            items, cursor = self.page(limit=5, cursor=cursor)
            seen += [item["externalId"] for item in items]
            self.say(*({"externalId": i["externalId"], "version": i["version"], "status": "success"} for i in items))
            if cursor is None:
                break
            people[0].mobile_phone = f"+91 {len(seen)}"
        self.assertEqual(sorted(seen), sorted((people + self.asha + self.boss).mapped("school_sync_uid")))
        self.assertEqual(
            self.listed(), [people[0].school_sync_uid], "who was edited behind the cursor comes next round"
        )

    def test_states(self):
        self.say(self.error(), self.success(self.boss))
        asha, boss = self.asha.school_sync_uid, self.boss.school_sync_uid
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.listed(state="error"), [asha])
        self.assertEqual(self.listed(state="synced"), [boss])
        self.assertEqual(set(self.listed(state=None)), {asha, boss})

    def test_filters(self):
        asha, boss = self.asha.school_sync_uid, self.boss.school_sync_uid
        self.assertEqual(self.listed(department="Science"), [asha])
        self.assertEqual(self.listed(department="Scien"), [])
        self.assertEqual(self.listed(job_title="Teacher"), [asha])
        self.boss.action_archive()
        self.assertEqual((self.listed(active=True), self.listed(active=False)), ([asha], [boss]))
        self.asha.unlink()
        self.assertEqual((self.listed(active=True), set(self.listed(active=False))), ([], {asha, boss}))
        self.assertEqual(self.listed(department="Science"), [])

    def test_updated_since(self):
        since = fields.Datetime.context_timestamp(self.env["res.users"], self.row().changed_at)
        self.assertIn(self.asha.school_sync_uid, self.listed(state=None, updated_since=since))
        self.assertEqual(self.listed(state=None, updated_since=since + timedelta(seconds=1)), [])

    def test_pages_are_read_where_nothing_can_be_written(self):
        self.settle()
        with self.undone():
            self.env.cr.execute("SET TRANSACTION READ ONLY")
            self.assertEqual(len(outbound.read_page(self.source, limit=2, state=None)[0]), 2)
            self.assertTrue(outbound.read_one(self.source, self.asha.school_sync_uid))

    def test_cursor_of_another_list(self):
        for cursor in ("", "x", "WyJwYXJlbnRzIiwgMV0"):
            with self.assertRaises(BadCursor):
                self.page(cursor=cursor)

    def test_page_costs_the_same_number_of_queries_whatever_its_size(self):
        self.env["hr.employee"].create([{"name": f"Teacher {number}"} for number in range(20)])
        self.settle()
        counts = []
        for limit in (5, 5, 20):
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.page(limit=limit)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*counts[1:])


@tagged("post_install", "-at_install")
class TestScope(EmployeeCase):
    def select(self, domain, source=None):
        (source or self.source).sudo().employee_domain = domain
        self.settle()

    def test_only_those_that_the_domain_selects(self):
        fresh = self.as_api_user(
            self.env["school.sync.source"].create(
                {"name": "Selective", "employee_domain": "[('department_id.name', '=', 'Science')]"}
            )
        )
        self.settle()
        self.assertEqual([item["name"] for item in outbound.read_page(fresh, limit=10)[0]], ["Asha K Rao"])

    def test_who_leaves_gets_a_tombstone_and_who_comes_back_is_sent(self):
        self.select("[('department_id.name', '=', 'Science')]")
        self.assertTrue(self.told(self.boss)["deleted"])
        self.assertFalse(self.told()["deleted"])
        self.say(self.success(self.boss))
        self.assertFalse(self.boss.school_sync_state)
        self.boss.department_id = self.science
        self.assertFalse(self.told(self.boss)["deleted"])
        self.assertEqual(self.boss.school_sync_state, "pending")
        self.science.name = "Natural Science"
        self.assertTrue(self.told(self.boss)["deleted"])

    def test_domain_that_is_none(self):
        for domain in ("", "nonsense", "[('no_such_field', '=', 1)]", "[1]", "{}", "[('name', '=', env.cr)]"):
            with self.subTest(domain), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.source.sudo().employee_domain = domain

    def test_another_school(self):
        other = self.env["res.company"].create({"name": "Other School"})
        self.env.user.company_ids = [Command.link(other.id)]
        theirs = self.as_api_user(self.env["school.sync.source"].create({"name": "North", "company_id": other.id}))
        self.settle()
        self.assertEqual(outbound.read_page(theirs, limit=10)[0], [])
        moved = self.make_employee("Moved", user_id=False)
        self.say(self.success(moved))
        moved.write({"company_id": other.id, "address_id": other.partner_id.id})
        self.settle()
        self.assertTrue(self.told(moved)["deleted"], "for the old school")
        (document,) = outbound.read_page(theirs, limit=10)[0]
        self.assertEqual((document["externalId"], document["company"]), (moved.school_sync_uid, "Other School"))

    def test_source_that_takes_no_employees(self):
        self.source.sudo().sends_employees = False
        self.settle()
        self.assertFalse(self.asha.school_sync_state)
        newcomer = self.make_employee()
        self.assertFalse(newcomer.school_sync_state)
        self.source.sudo().sends_employees = True
        self.settle()
        self.assertEqual((self.asha.school_sync_state, newcomer.school_sync_state), ("pending", "pending"))

    def test_source_that_is_deleted(self):
        self.source.sudo().unlink()
        self.settle()
        self.assertFalse(self.asha.school_sync_state)


@tagged("post_install", "-at_install")
class TestHr(EmployeeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hr = new_test_user(cls.env, "hr_officer", groups="hr.group_hr_user")

    def as_hr(self, employee=None):
        return (employee or self.asha).with_user(self.hr)

    def test_hr_sees_why_and_sends_again(self):
        self.say(self.error(message="The e-mail is taken"))
        asha = self.as_hr()
        self.assertEqual(asha.school_sync_message, "The e-mail is taken")
        row = asha.school_sync_ids
        self.assertEqual((row.state, row.message, row.source_name), ("error", "The e-mail is taken", self.source.name))
        asha.action_school_sync_again()
        self.assertEqual((asha.school_sync_state, self.row().version), ("pending", 2))
        self.assertIn(asha.school_sync_uid, self.listed())

    def test_hr_searches_and_groups_by_state(self):
        self.say(self.error(), self.success(self.boss))
        employees = self.env["hr.employee"].with_user(self.hr)
        self.assertEqual(employees.search([("school_sync_state", "=", "error")]), self.asha)
        groups = dict(
            employees._read_group([("id", "in", (self.asha + self.boss).ids)], ["school_sync_state"], ["__count"])
        )
        self.assertEqual(groups, {"error": 1, "synced": 1})

    def test_hr_form_opens_and_saves(self):
        with Form(self.as_hr()) as form:
            form.mobile_phone = "+91 90000 00011"
        self.assertEqual(self.asha.school_sync_state, "pending")

    def test_hr_may_not_write_what_is_told(self):
        with self.assertRaises(AccessError):
            self.row().with_user(self.hr).write({"state": "synced"})
        with self.assertRaises(AccessError):
            self.env["school.sync.source"].with_user(self.hr).search([]).read(["name"])

    def test_colleagues_see_nothing_and_may_not_send(self):
        colleague = new_test_user(self.env, "colleague", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.asha.with_user(colleague).read(["school_sync_state"])
        with self.assertRaises(AccessError):
            self.row().with_user(colleague).read(["message"])
        with self.assertRaises(AccessError):
            self.asha.with_user(colleague).action_school_sync_again()

    def test_api_user_reads_employees_through_the_api_only(self):
        with self.assertRaises(AccessError):
            self.asha.with_user(self.source.user_id).read(["birthday"])

    def test_hr_of_one_school_is_not_hr_of_another(self):
        other = self.env["res.company"].create({"name": "Other School"})
        self.env.user.company_ids = [Command.link(other.id)]
        theirs = self.as_api_user(self.env["school.sync.source"].create({"name": "North", "company_id": other.id}))
        stranger = self.make_employee("Stranger", company_id=other.id)
        status = {"externalId": stranger.school_sync_uid, "version": 1, "status": "error", "message": "Theirs"}
        report = theirs.env["school.sync.employee"]._apply_statuses(theirs, [status])
        exchange = {"request_id": "r", "method": "POST", "path": "/api/teacher/status", "entity": "employees"}
        exchange |= {"http_status": 200, "message": None, "duration": 1, "request": "", "response": ""}
        theirs.env["school.sync.log"]._record(theirs, exchange, report)
        self.settle()
        hr_env = self.env(user=self.hr, context={"allowed_company_ids": self.company.ids})
        for model in ("school.sync.employee", "school.sync.incident", "school.sync.failure", "school.sync.log.line"):
            with self.subTest(model):
                of_theirs = self.env[model].sudo().search([("company_id", "=", other.id)])
                self.assertTrue(of_theirs)
                self.assertFalse(hr_env[model].search([("company_id", "=", other.id)]))
                with self.assertRaises(AccessError):
                    of_theirs.with_env(hr_env).read(["company_id"])
        with self.assertRaises(AccessError):
            stranger.with_env(hr_env).action_school_sync_again()
        with self.assertRaises(AccessError):
            theirs.env["school.sync.employee"].with_env(hr_env).browse(
                self.row(stranger, source=theirs).id
            ).action_send_again()

    def test_refused_tombstone_of_one_who_stays_is_sent_again(self):
        self.source.sudo().employee_domain = "[('id', '=', 0)]"
        self.settle()
        self.say(self.error())
        self.assertEqual(self.asha.school_sync_state, "error")
        self.as_hr().action_school_sync_again()
        self.assertEqual((self.row().state, self.asha.school_sync_state), ("pending", "pending"))

    def test_source_that_is_archived_is_not_sent_to(self):
        self.source.sudo().active = False
        with self.assertRaises(UserError):
            self.as_hr().action_school_sync_again()

    def test_manager_of_the_sync_who_is_not_of_hr_chooses_who_is_sent(self):
        manager = new_test_user(self.env, "sync_manager", groups="school_erp_sync.group_sync_manager")
        source = self.source.with_user(manager)
        with Form(source) as form:
            form.employee_domain = "[('department_id.name', '=', 'Science')]"
        self.settle()
        self.assertEqual(source.pending_employee_count, len(outbound.read_page(self.source, limit=1000)[0]))
        self.assertTrue(self.told(self.boss)["deleted"])

    def test_nobody_to_send_to(self):
        self.source.sudo().employee_domain = "[('id', '=', 0)]"
        self.say(self.success())
        with self.assertRaises(UserError):
            self.as_hr().action_school_sync_again()
