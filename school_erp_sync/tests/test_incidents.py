from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command, Domain
from odoo.tests.common import new_test_user, tagged
from odoo.tools import mute_logger

from .common import FATHER, STUDENT
from .test_employees import EmployeeCase


@tagged("post_install", "-at_install")
class TestIncidents(EmployeeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang("fr_FR")
        cls.hr = new_test_user(cls.env, "hr_officer", groups="hr.group_hr_user", email="hr@school.example")
        cls.chief = new_test_user(
            cls.env, "chief", groups="base.group_user", email="chief@school.example", lang="fr_FR"
        )
        cls.source.sudo().notify_user_ids = [Command.set([cls.hr.id, cls.chief.id])]

    def exchange(self, *reports, entity="employees", status=200):
        exchange = {
            "request_id": "r1",
            "method": "POST",
            "path": "/api/x",
            "entity": entity,
            "http_status": status,
            "message": "Something is wrong" if status >= 400 else None,
            "duration": 5,
            "request": "{}",
            "response": "{}",
        }
        self.source.env["school.sync.log"]._record(self.source, exchange, *reports)
        self.settle()

    def status(self, *statuses):
        self.settle()
        report = self.source.env["school.sync.employee"]._apply_statuses(self.source, list(statuses))
        self.exchange(report)

    def parents(self, *documents, status=200):
        self.exchange(self.send("parents", *documents), entity="parents", status=status)

    def incidents(self, state="open"):
        return self.env["school.sync.incident"].search([("source_id", "=", self.source.id), ("state", "=", state)])

    def mails(self):
        incidents = self.incidents() + self.incidents("resolved")
        return self.env["mail.mail"].search(
            (Domain("model", "=", "school.sync.incident") & Domain("res_id", "in", incidents.ids))
            | (Domain("model", "=", "school.sync.source") & Domain("res_id", "=", self.source.id))
        )

    def activities(self, user):
        of_user = [("res_model", "=", "school.sync.incident"), ("user_id", "=", user.id)]
        return self.env["mail.activity"].with_user(user).search(of_user)

    def daily(self):
        """Let Odoo's cron send the daily summary."""
        with self.enter_registry_test_mode():
            self.env.ref("school_erp_sync.school_sync_notify_cron").method_direct_trigger()
        self.settle()

    def bad(self, number):
        return {**FATHER, "externalId": f"P{number}", "name": ""}

    def test_first_failure_of_a_kind_notifies_once(self):
        people = self.env["hr.employee"].create([{"name": f"Teacher {number}"} for number in range(5)])
        for person in people:
            self.status(self.error(person, code="no_email", message="No e-mail address"))
        incident = self.incidents()
        self.assertEqual((incident.entity, incident.code, incident.failure_count), ("employees", "no_email", 5))
        self.assertEqual(incident.message, "No e-mail address")
        for user in (self.hr, self.chief):
            self.assertEqual(len(self.activities(user)), 1)
        mails = self.mails()
        self.assertEqual(mails.mapped("state"), ["outgoing"] * 2, "one for each language, queued")
        self.assertEqual(mails.recipient_ids, (self.hr + self.chief).partner_id)
        self.assertIn("No e-mail address", mails[0].body_html)
        self.assertIn(f"res_id={incident.id}", mails[0].body_html)

    def test_another_kind_is_another_incident(self):
        self.status(self.error(code="no_email"), self.error(self.boss, code="no_job"))
        self.assertEqual(set(self.incidents().mapped("code")), {"no_email", "no_job"})

    def test_resolved_when_all_of_it_has_gone_through(self):
        self.status(self.error(), self.error(self.boss))
        self.status(self.success())
        self.assertEqual(self.incidents().failure_count, 1)
        self.assertTrue(self.activities(self.hr))
        self.status(self.success(self.boss))
        self.assertFalse(self.incidents())
        self.assertTrue(self.incidents("resolved").resolved_at)
        self.assertFalse(self.activities(self.hr))

    def test_said_again_is_still_failing(self):
        self.status(self.error())
        self.status(self.error())
        self.assertEqual((self.incidents().failure_count, len(self.mails())), (1, 2))
        self.status(self.success())
        self.status(self.success())
        self.assertFalse(self.incidents())

    def test_last_word_of_a_request_counts(self):
        self.status(self.error(), self.success())
        self.assertFalse(self.incidents() + self.incidents("resolved"), "it ended well, and nobody needs to know")
        self.status(self.success(self.boss), self.error(self.boss))
        self.assertEqual(self.incidents().failure_count, 1)

    def test_failed_in_the_moment_in_which_it_was_resolved(self):
        self.status(self.error())
        incident = self.incidents()
        self.status(self.success())
        self.status(self.error(self.boss, code="no_job"))
        # As another transaction does that has begun before: it sees the incident open, and adds to it.
        note = self.env["school.sync.failure"]._note
        note({"refused": incident}, {"X": ("refused", "Bad")})
        self.daily()
        self.assertEqual(set(self.incidents().mapped("code")), {"refused", "no_job"})
        self.assertEqual(incident.failure_count, 1)
        self.assertIn("Refused", self.mails()[0].body_html)
        incident.action_resolve()
        self.status(self.error(code="refused"))
        note({"refused": incident}, {"X": ("refused", "Bad"), self.asha.school_sync_uid: ("refused", "Bad")})
        self.daily()
        newer = self.incidents().filtered(lambda one: one.code == "refused")
        self.assertEqual((incident.state, incident.failure_count, newer.failure_count), ("resolved", 0, 2))

    def test_closed_by_hand(self):
        self.status({"externalId": "nobody", "version": 1, "status": "success"})
        self.status(self.error())
        unknown = self.incidents().filtered(lambda incident: incident.code == "unknown_employee")
        colleague = new_test_user(self.env, "colleague", groups="base.group_user")
        with self.assertRaises(AccessError):
            unknown.with_user(colleague).action_resolve()
        unknown.with_user(self.chief).action_resolve()
        self.settle()
        self.assertEqual(self.incidents().code, "refused", "the other one stays")
        self.assertFalse(unknown.failure_ids)
        self.assertFalse(self.activities(self.hr).filtered(lambda activity: activity.res_id == unknown.id))
        before = self.mails()
        self.status({"externalId": "nobody", "version": 1, "status": "success"})
        self.assertEqual(len(self.mails() - before), 2, "fails again: is told again")

    def test_failing_again_after_that_is_a_new_incident(self):
        self.status(self.error())
        self.status(self.success())
        self.asha.name = "Asha Rao"
        self.status(self.error())
        self.assertEqual((len(self.incidents()), len(self.incidents("resolved")), len(self.mails())), (1, 1, 4))

    def test_failing_in_another_way_resolves_the_first_one(self):
        self.status(self.error(code="no_email"))
        self.status(self.error(code="no_job"))
        self.assertEqual((self.incidents().code, self.incidents("resolved").code), ("no_job", "no_email"))

    def test_edited_and_sent_again_is_not_yet_resolved(self):
        self.status(self.error())
        self.asha.action_school_sync_again()
        self.status({"externalId": self.asha.school_sync_uid, "version": 1, "status": "success"})
        self.assertTrue(self.incidents(), "that was about the version before")

    def test_inbound_documents(self):
        self.parents(*(self.bad(number) for number in range(3)), status=422)
        self.parents(self.bad(9), FATHER, status=207)
        incident = self.incidents()
        self.assertEqual((incident.entity, incident.code, incident.failure_count), ("parents", "required", 4))
        self.assertEqual(len(self.mails()), 2)
        self.parents(*({**FATHER, "externalId": f"P{number}"} for number in (0, 1, 2)))
        self.assertTrue(self.incidents())
        self.parents({**FATHER, "externalId": "P9"})
        self.assertFalse(self.incidents())

    def test_documents_without_identity(self):
        self.parents({}, 5, status=422)
        self.assertTrue(self.incidents())
        self.parents(FATHER)
        self.assertFalse(self.incidents())

    def test_requests_that_fail_as_a_whole(self):
        self.exchange(entity="parents", status=413)
        self.assertEqual((self.incidents().code, self.incidents().message), ("http_413", "Something is wrong"))
        self.exchange(entity="parents", status=413)
        self.assertEqual(len(self.mails()), 2)
        self.parents(FATHER)
        self.assertFalse(self.incidents())

    def test_what_may_pass_by_itself_tells_nobody(self):
        for status in (429, 503):
            self.exchange(entity="parents", status=status)
        self.exchange(entity=None, status=404)
        self.assertFalse(self.incidents())

    def test_success_costs_one_query(self):
        report = self.send("parents", FATHER)
        observe = self.source.env["school.sync.incident"]._observe
        for _warm in range(2):
            before = self.env.cr.sql_log_count
            observe(self.source, {"entity": "parents", "http_status": 200, "message": None}, [report])
            cost = self.env.cr.sql_log_count - before
        self.assertLessEqual(cost, 1)

    def test_rolled_back_notifies_nobody(self):
        with self.env.cr.savepoint() as savepoint:
            self.status(self.error())
            self.assertTrue(self.mails())
            savepoint.rollback()
        self.env.invalidate_all(flush=False)
        self.assertFalse(self.mails() or self.incidents())

    def test_daily_summary_while_anything_fails(self):
        self.daily()
        self.assertFalse(self.mails())
        self.status(self.error(), self.error(self.boss))
        self.parents(self.bad(1), status=422)
        before = self.mails()
        self.daily()
        mails = self.mails() - before
        self.assertEqual(len(mails), 2, "one for each language")
        self.assertEqual(mails.recipient_ids, (self.hr + self.chief).partner_id)
        self.assertIn("2 open problem", mails[0].subject)
        for word in ("employees", "Refused", "parents", "Required"):
            self.assertIn(word, mails[0].body_html)

    def test_daily_summary_says_what_was_refused_and_what_was_not_understood(self):
        self.parents({**FATHER, "email": "nobody"})
        self.daily()
        self.assertFalse(self.mails(), "a value that is not understood is no problem")
        self.exchange(self.send("students", {**STUDENT, "parents": ["P1"]}), entity="students")
        self.parents(self.bad(1), status=422)
        before = self.mails()
        self.daily()
        body = (self.mails() - before)[0].body_html
        self.assertIn("parents/P1: It was refused on", body)
        self.assertIn("name must not be empty.", body)
        self.assertIn("1 record(s)", body)
        self.parents({**self.bad(1), "name": "Asha"})
        self.assertFalse(self.incidents())

    def test_daily_summary_is_sent_once_a_day(self):
        self.status(self.error())
        before = self.mails()
        self.daily()
        self.daily()
        self.assertEqual(len(self.mails() - before), 2)
        with freeze_time(fields.Datetime.now() + timedelta(days=1)):
            self.daily()
        self.assertEqual(len(self.mails() - before), 4)

    def test_daily_summary_is_in_the_language_of_each(self):
        self.env.ref("school_erp_sync.mail_template_daily").with_context(lang="fr_FR").subject = "Résumé du jour"
        self.status(self.error())
        self.daily()
        daily = self.mails().filtered(lambda mail: mail.model == "school.sync.source")
        subjects = {mail.recipient_ids: mail.subject for mail in daily}
        self.assertEqual(subjects[self.chief.partner_id], "Résumé du jour")
        self.assertIn("1 open problem", subjects[self.hr.partner_id])

    def test_nothing_is_summed_up_once_all_is_resolved(self):
        self.status(self.error())
        self.status(self.success())
        before = self.mails()
        self.daily()
        self.assertEqual(self.mails(), before)

    def test_mail_is_translated_and_edited(self):
        template = self.env.ref("school_erp_sync.mail_template_incident")
        template.with_context(lang="fr_FR").subject = "Problème avec {{ object.entity }}"
        template.subject = "Trouble: {{ object.entity }}"
        self.status(self.error())
        self.assertEqual(set(self.mails().mapped("subject")), {"Trouble: employees", "Problème avec employees"})

    def test_broken_template_refuses_nothing(self):
        self.env.ref("school_erp_sync.mail_template_incident").body_html = '<p t-out="object.no_such_field"/>'
        with (
            self.assertLogs("odoo.addons.school_erp_sync.models.school_sync_source_outbound", "ERROR"),
            mute_logger("odoo.addons.mail.models.mail_render_mixin"),
        ):
            self.status(self.error())
        self.assertTrue(self.incidents() and self.activities(self.hr))

    def test_people_see_what_they_are_told_and_others_do_not(self):
        self.parents(self.bad(1), status=422)
        incident = self.incidents()
        self.assertTrue(incident.with_user(self.chief).message)
        self.assertTrue(incident.with_user(self.chief).failure_ids.message)
        colleague = new_test_user(self.env, "colleague", groups="base.group_user")
        with self.assertRaises(AccessError):
            incident.with_user(colleague).read(["message"])
        self.source.sudo().notify_user_ids = [Command.unlink(self.hr.id)]
        with self.assertRaises(AccessError):
            incident.with_user(self.hr).read(["message"])
        self.status(self.error())
        employees = self.incidents() - incident
        self.assertTrue(employees.with_user(self.hr).message)

    def test_opens_what_fails(self):
        self.status(self.error())
        self.parents(self.bad(1), status=422)
        for incident in self.incidents():
            action = incident.action_open_failures()
            found = self.env[action["res_model"]].search(action["domain"])
            self.assertEqual(len(found), 1)

    def test_person_who_left_is_not_told(self):
        self.chief.active = False
        self.status(self.error())
        self.assertEqual(self.mails().recipient_ids, self.hr.partner_id)

    def test_who_has_no_address_gets_the_activity_alone(self):
        self.chief.partner_id.email = False
        self.status(self.error())
        self.assertTrue(self.activities(self.chief))
        self.assertEqual(self.mails().recipient_ids, self.hr.partner_id)

    def test_nobody_to_tell(self):
        self.source.sudo().notify_user_ids = False
        self.status(self.error())
        self.assertTrue(self.incidents())
        self.assertFalse(self.mails())

    def test_only_people_of_the_school_are_told(self):
        other = self.env["res.company"].create({"name": "Other School"})
        outsider = new_test_user(self.env, "outsider", company_id=other.id, company_ids=[Command.set(other.ids)])
        with self.assertRaises(ValidationError):
            self.source.sudo().notify_user_ids = [Command.link(outsider.id)]

    def test_hr_reads_the_answers_on_the_employee(self):
        self.status(self.error(message="The e-mail is taken"))
        self.asha.name = "Asha Rao"
        self.status({"externalId": self.asha.school_sync_uid, "version": 1, "status": "success"}, self.success())
        lines = self.asha.with_user(self.hr).school_sync_line_ids.sorted("id")
        self.assertEqual(lines.mapped("status"), ["refused", "stale", "synced"])
        self.assertEqual(lines[0].message, "The e-mail is taken")
        self.assertIn("The employee was changed in Odoo after version 1", lines[1].message)
        self.assertEqual(lines[0].source_name, self.source.name)
        self.parents(FATHER)
        others = self.env["school.sync.log.line"].search([("res_model", "=", "school.parent")])
        self.assertTrue(others)
        with self.assertRaises(AccessError):
            others.with_user(self.hr).read(["message"])
        log = lines.sudo().log_id[:1]
        self.assertEqual((log.received, log.failed), (1, 1))
        self.assertLessEqual(log.create_date, fields.Datetime.now())
