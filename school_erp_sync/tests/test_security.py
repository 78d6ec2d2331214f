"""Who sees and does what inside Odoo, tried as each role by the ways that an internal user has."""

import json
from functools import partial

from lxml import etree

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests.common import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..sync import outbound
from .common import FATHER, STUDENT, AccountingCase
from .test_billing import BILLING

READER = "school_erp_sync.group_sync_reader"
WRITER = "school_erp_sync.group_sync_writer"
MANAGER = "school_erp_sync.group_sync_manager"
SENSITIVE = "school_erp_sync.group_sync_sensitive"
INVOICING = "account.group_account_invoice"
HR = "hr.group_hr_user"
SENSITIVE_FIELDS = ("religion", "caste_community", "blood_group", "allergy_ids", "condition_ids", "program_ids")
STUDENT_ID = STUDENT["externalId"]
# Neither a word of the contract nor of anybody's address.
SECRETS = {
    **STUDENT,
    "religion": "Zoroastrian-7",
    "casteCommunity": "Caste-7",
    "health": {"bloodGroup": "Rhnull-7", "allergies": ["Latex-7"], "medicalConditions": ["Asthma-7"]},
    "programs": [{"type": "ell", "name": "Program-7"}],
}


class SecurityCase(AccountingCase):
    def setUp(self):
        super().setUp()
        self.users = {}

    def user(self, *groups, **values):
        """Somebody with ``groups``, and nothing else."""
        if (groups, tuple(values)) not in self.users:
            login = f"user-{len(self.users)}-{self.id().rpartition('.')[2]}"
            self.users[groups, tuple(values)] = new_test_user(
                self.env, login, groups=",".join(groups or ("base.group_user",)), **values
            )
            if self.users[groups, tuple(values)]._is_internal():
                self.users[groups, tuple(values)].group_ids += self.env.ref("base.group_allow_export")
        return self.users[groups, tuple(values)]

    def ways_to(self, user, record, name):
        """By which ways ``user`` gets at field ``name`` of ``record``, which is not empty."""
        model, record = self.env[record._name].with_user(user), record.with_user(user)
        # What Odoo would not find true of every record without looking.
        condition = (name, "!=", False) if model._fields[name].relational else (name, "not in", ["?"])
        ways = {
            "read": lambda: record.read([name]),
            "search": lambda: model.search([condition]),
            "order": lambda: model.search([], order=name),
            "group": lambda: model.formatted_read_group([], groupby=[name], aggregates=["__count"]),
            "aggregate": lambda: model.formatted_read_group([], aggregates=[f"{name}:count_distinct"]),
            "export": lambda: record.export_data([name]),
            "web_read": lambda: record.web_read({name: {}}),
            "web_search": lambda: model.web_search_read([condition], {"display_name": {}}),
            "fields_get": lambda: model.fields_get([name])[name],
            "name_search": lambda: model.name_search("", [condition]),
        }
        found = set()
        for way, attempt in ways.items():
            with mute_logger("odoo.models", "odoo.addons.base.models.ir_rule"):
                try:
                    attempt()
                except (AccessError, KeyError):
                    continue
                except ValueError:
                    # There is no such field for grouping or ordering.
                    continue
            found.add(way)
        return found

    def paths_to(self, user, name):
        """From which models ``user`` searches students by field ``name``."""
        paths = {
            "school.billing": "student_id",
            "school.fee.schedule": "student_id",
            "school.enrollment": "student_id",
            "school.application": "student_id",
            "school.roster.assignment": "student_id",
            "school.parent.link": "student_id",
            "school.parent": "link_ids.student_id",
            "res.partner": "school_student_ids",
            "account.move": "school_billing_id.student_id",
        }
        found = set()
        for model, path in paths.items():
            attempts = {
                "search": partial(self.env[model].with_user(user).search, [(f"{path}.{name}", "!=", False)]),
                "group": partial(
                    self.env[model].with_user(user).formatted_read_group,
                    [],
                    groupby=[f"{path}.{name}"],
                    aggregates=["__count"],
                ),
                "order": partial(self.env[model].with_user(user).search, [], order=f"{path}.{name}"),
            }
            for way, attempt in attempts.items():
                try:
                    with mute_logger("odoo.models"):
                        attempt()
                except (UserError, ValueError):
                    continue
                found.add((model, way))
        return found

    def open_view(self, record, view_type="form"):
        """What the web client does to show ``record``: ask for the view, and for the fields in it."""
        view = record.get_view(view_type=view_type)

        def specification(node, model):
            spec = {}
            for field in node.xpath(".//field[not(ancestor::field)]"):
                sub = [child for child in field if child.tag in ("list", "form", "kanban")]
                name = field.get("name")
                if name not in self.env[model]._fields:
                    continue
                spec[name] = {"fields": {}} if self.env[model]._fields[name].relational else {}
                if self.env[model]._fields[name].type == "many2one":
                    spec[name] = {"fields": {"display_name": {}}}
                for child in sub:
                    spec[name]["fields"].update(
                        specification(
                            etree.fromstring(etree.tostring(child)), self.env[model]._fields[name].comodel_name
                        )
                    )
            return spec

        return record.web_read(specification(etree.fromstring(view["arch"]), record._name))


@tagged("post_install", "-at_install")
class TestContacts(SecurityCase):
    """Contacts that are only students are not for everybody who has a login."""

    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER)
        self.send_ok("students", {**STUDENT, "parents": [FATHER["externalId"]]})
        self.child = self.student(STUDENT_ID).partner_id
        self.father = self.parent(FATHER["externalId"]).partner_id

    def ways_to_see(self, user, contact):
        contacts = self.env["res.partner"].with_user(user)
        found = {
            "search": contacts.search([("id", "=", contact.id)]),
            "name": contacts.name_search(contact.name),
            "street": contacts.search([("street", "=", contact.street), ("id", "=", contact.id)]),
            "group": contacts.formatted_read_group([("id", "=", contact.id)], ["street"], ["__count"]),
            "web": contacts.web_search_read([("id", "=", contact.id)], {"street": {}})["records"],
            "suggested": [
                one
                for one in contacts.get_mention_suggestions(contact.name).get("res.partner", [])
                if one["id"] == contact.id
            ],
        }
        for way, attempt in {
            "read": lambda: contact.with_user(user).read(["street"]),
            "name shown": lambda: contact.with_user(user).read(["display_name"]),
            "export": lambda: contact.with_user(user).export_data(["street"]),
        }.items():
            try:
                with mute_logger("odoo.addons.base.models.ir_rule"):
                    found[way] = attempt()
            except UserError:
                found[way] = False
        return {way for way, result in found.items() if result}

    def test_colleagues_do_not_see_a_contact_that_is_only_a_student(self):
        for groups in ((), ("base.group_partner_manager",), (HR,), ("base.group_portal",), ("base.group_public",)):
            with self.subTest(groups):
                self.assertEqual(self.ways_to_see(self.user(*groups), self.child), set())

    def test_colleagues_see_guardians_as_any_contact(self):
        self.assertIn("read", self.ways_to_see(self.user(), self.father))

    def test_readers_see_students(self):
        for groups in ((READER,), (WRITER,), (MANAGER,)):
            with self.subTest(groups):
                self.assertLessEqual(
                    {"search", "name", "read", "export"}, self.ways_to_see(self.user(*groups), self.child)
                )

    def test_invoicing_sees_students_who_are_billed(self):
        accountant = self.user(INVOICING)
        self.assertEqual(self.ways_to_see(accountant, self.child), set())
        self.send_ok("students", {**STUDENT, "parents": []})
        self.send_ok("billings", {**BILLING, "status": "draft"})
        self.assertIn("read", self.ways_to_see(accountant, self.child))
        self.assertEqual(self.ways_to_see(self.user(), self.child), set())

    def test_contact_that_has_another_role_is_seen(self):
        self.env["school.parent"].create({"partner_id": self.child.id})
        self.assertIn("read", self.ways_to_see(self.user(), self.child))

    def test_student_who_works_here_is_seen(self):
        colleague = self.user()
        self.env["hr.employee"].create({"name": "Tutor", "work_contact_id": self.child.id})
        self.assertIn("read", self.ways_to_see(colleague, self.child))

    def test_student_with_a_login_sees_the_own_contact(self):
        login = new_test_user(self.env, "child", groups="base.group_portal", partner_id=self.child.id)
        self.assertIn("read", self.ways_to_see(login, self.child))
        self.assertEqual(self.ways_to_see(self.user(), self.child), set())

    def test_deleting_the_student_does_not_show_the_contact(self):
        self.student(STUDENT_ID).unlink()
        self.assertEqual(self.ways_to_see(self.user(), self.child), set())

    def test_student_made_by_hand(self):
        made = self.env["school.student"].with_user(self.user(WRITER)).create({"name": "By Hand", "street": "1 Road"})
        self.assertEqual(self.ways_to_see(self.user(), made.partner_id.sudo()), set())

    def test_contact_that_becomes_a_student(self):
        contact = self.env["res.partner"].create({"name": "Was There", "street": "1 Road"})
        self.assertIn("read", self.ways_to_see(self.user(), contact))
        self.env["school.student"].create({"partner_id": contact.id})
        self.assertEqual(self.ways_to_see(self.user(), contact), set())


@tagged("post_install", "-at_install")
class TestSensitiveData(SecurityCase):
    """Health, religion and caste have a group of their own."""

    def setUp(self):
        super().setUp()
        self.send_ok("students", SECRETS)
        self.record = self.student(STUDENT_ID)

    def test_without_the_group_no_way_leads_there(self):
        for groups in ((READER,), (WRITER,), (MANAGER,), (INVOICING,), (HR,)):
            for name in SENSITIVE_FIELDS:
                with self.subTest(groups=groups, name=name):
                    self.assertEqual(self.ways_to(self.user(*groups), self.record, name), set())
                    self.assertEqual(self.paths_to(self.user(*groups), name), set())

    def test_with_the_group_they_are_read(self):
        nurse = self.user(READER, SENSITIVE)
        for name in SENSITIVE_FIELDS:
            self.assertLessEqual({"read", "search", "export"}, self.ways_to(nurse, self.record, name))
        with self.assertRaises(AccessError):
            self.record.with_user(nurse).religion = "Other"
        self.record.with_user(self.user(WRITER, SENSITIVE)).religion = "Other"

    def test_the_group_alone_opens_no_student(self):
        for name in (*SENSITIVE_FIELDS, "name"):
            self.assertLessEqual(self.ways_to(self.user(SENSITIVE), self.record, name), {"fields_get"})

    def test_writer_without_the_group_does_not_write_them(self):
        writer = self.user(WRITER)
        for name, value in {"religion": "x", "allergy_ids": [Command.clear()]}.items():
            with self.assertRaises(AccessError), mute_logger("odoo.models"):
                self.record.with_user(writer).write({name: value})
        self.record.with_user(writer).nationality = "Indian"

    def test_tags_of_health_are_not_listed(self):
        tags = self.env["school.tag"]
        self.assertEqual(set(tags.with_user(self.user(READER)).search([]).mapped("kind")), {"language"})
        kinds = tags.with_user(self.user(READER, SENSITIVE)).search([]).mapped("kind")
        self.assertEqual(set(kinds), {"language", "allergy", "condition"})

    def test_every_view_of_a_student_opens(self):
        for groups in ((READER,), (WRITER,), (MANAGER,), (READER, SENSITIVE)):
            record = self.record.with_user(self.user(*groups))
            for kind in ("form", "list", "kanban"):
                (seen,) = self.open_view(record, kind)
                self.assertEqual("allergy_ids" in seen, SENSITIVE in groups, (groups, kind))
            search = record.get_view(view_type="search")["arch"]
            self.assertEqual("allergy_ids" in search, SENSITIVE in groups, groups)
        with Form(self.record.with_user(self.user(WRITER))) as form:
            form.nationality = "Nepali"
        self.assertEqual(self.record.blood_group, "Rhnull-7")

    def test_payloads_are_for_managers_who_may_see_sensitive_data(self):
        source = self.source.sudo()
        log = self.env["school.sync.log"].search([], limit=1) or self._log("religion Zoroastrian-7")
        binding = self.env["school.sync.binding"].search([("external_id", "=", STUDENT_ID)])
        self.send("students", {**SECRETS, "externalId": "WAITS", "parents": ["nobody yet"]})
        parked = self.env["school.sync.parked"].search([("source_id", "=", source.id)])
        line = log.line_ids[:1]
        payloads = {
            log: ("request", "response", "request_text", "response_text"),
            binding: ("document", "document_text", "digest"),
            parked: ("document", "document_text"),
            line: ("document",),
        }
        for groups in ((READER,), (MANAGER,), (READER, SENSITIVE), (WRITER, SENSITIVE)):
            for record, names in payloads.items():
                for name in names:
                    with self.subTest(groups=groups, model=record._name, name=name):
                        ways = self.ways_to(self.user(*groups), record, name)
                        self.assertLessEqual(ways, {"fields_get"} if record == parked else set())
        for record, names in payloads.items():
            for name in names:
                self.assertIn("read", self.ways_to(self.user(MANAGER, SENSITIVE), record, name), (record, name))
        for groups in ((READER,), (MANAGER,), (READER, SENSITIVE), (MANAGER, SENSITIVE)):
            for record in payloads:
                if record == parked and MANAGER not in groups:
                    continue
                for kind in ("form", "list"):
                    self.open_view(record.with_user(self.user(*groups)), kind)

    def _log(self, text, report=None):
        report = report or self.send("students", {**SECRETS, "externalId": "BAD", "dob": "never"})
        exchange = {"request_id": "r1", "method": "POST", "path": "/api/students", "entity": "students"}
        exchange |= {"http_status": 207, "message": None, "duration": 1, "request": text, "response": text}
        self.source.env["school.sync.log"]._record(self.source, exchange, report)
        return self.env["school.sync.log"].search([("request_id", "=", "r1")], limit=1)

    def test_no_message_tells_the_values(self):
        long = "Rhnull-7" * 99
        bad = {**SECRETS, "externalId": "BAD", "religion": ["Zoroastrian-7"], "casteCommunity": "Caste-7\x01"}
        report = self.send("students", {**bad, "health": {"bloodGroup": long, "allergies": "Latex-7"}})
        self.assertEqual(self.statuses(report), ["failed"])
        self._log("x", report)
        reader = self.user(READER)
        for model in ("school.sync.log", "school.sync.log.line", "school.sync.incident", "school.sync.failure"):
            told = json.dumps(self.env[model].with_user(reader).search_read([]), default=str)
            for secret in ("Zoroastrian", "Caste-7", "Rhnull", "Latex"):
                self.assertNotIn(secret, told, model)

    def test_conflict_about_sensitive_data_is_decided_by_those_who_see_it(self):
        self.source.sudo().conflict_policy = "ask"
        self.record.religion = "Ours-7"
        self.record.nationality = "Nepali"
        self.send("students", {**SECRETS, "religion": "Theirs-7", "nationality": "Bhutanese"})
        conflict = self.env["school.sync.conflict"].search([("external_id", "=", STUDENT_ID), ("state", "=", "open")])
        manager, trusted = self.user(MANAGER), self.user(MANAGER, SENSITIVE)
        self.env.invalidate_all()
        self.assertEqual(conflict.with_user(manager).line_ids.mapped("path"), ["nationality"])
        self.assertEqual(conflict.with_user(manager).summary, "nationality")
        self.env.invalidate_all()
        self.assertEqual(conflict.with_user(trusted).line_ids.mapped("path"), ["nationality", "religion"])
        for model in ("school.sync.conflict", "school.sync.conflict.line"):
            told = json.dumps(self.env[model].with_user(manager).search_read([]), default=str)
            self.assertNotIn("Theirs-7", told)
        self.assertNotIn("document", self.env["school.sync.conflict"].with_user(manager).fields_get())
        with self.assertRaisesRegex(UserError, "Sensitive Data"):
            conflict.with_user(manager).action_take_all()
        conflict.with_user(trusted).action_take_all()
        self.assertEqual((self.record.religion, self.record.nationality), ("Theirs-7", "Bhutanese"))

    def test_manager_decides_and_applies_without_seeing_payloads(self):
        manager = self.user(MANAGER)
        self.send(
            "students", {**SECRETS, "externalId": "WAITS", "parents": [FATHER["externalId"]]}, parking_allowed=True
        )
        self.send_ok("parents", FATHER)
        self.send("students", {**SECRETS, "externalId": "WAITS-2", "parents": ["nobody yet"]})
        parked = self.env["school.sync.parked"].search([("external_id", "=", "WAITS-2")])
        parked.with_user(manager).action_retry()
        self.assertEqual(parked.state, "waiting")
        line = self._log("x").line_ids
        line.with_user(manager).action_send_again()
        with self.assertRaises(AccessError):
            line.with_user(self.user(READER, SENSITIVE)).action_send_again()


@tagged("post_install", "-at_install")
class TestSourceWithoutTheRight(SecurityCase):
    """A source whose user may not see sensitive data neither stores nor gets it, and is told so."""

    def setUp(self):
        super().setUp()
        self.sensitive = self.env.ref(SENSITIVE)

    def drop_right(self):
        self.source.sudo().user_id.group_ids = [Command.unlink(self.sensitive.id)]

    def test_source_gets_back_what_it_sent(self):
        self.send_ok("students", STUDENT)
        self.assertEqual(self.document("students", STUDENT_ID), STUDENT)

    def test_without_the_right_the_rest_is_stored_and_the_sender_is_told(self):
        self.drop_right()
        report = self.send_ok("students", STUDENT)
        self.assertEqual(self.statuses(report), ["created"])
        (warning,) = report.items[0].warnings
        for path in ("religion", "casteCommunity", "health.bloodGroup", "health.allergies"):
            self.assertIn(path, warning)
        record = self.student(STUDENT_ID)
        self.assertFalse(record.religion or record.blood_group or record.allergy_ids)
        self.assertEqual(record.nationality, "Indian")
        self.assertEqual(self.statuses(self.send_ok("students", STUDENT)), ["unchanged"])
        binding = self.env["school.sync.binding"].search([("external_id", "=", STUDENT_ID)])
        self.assertFalse({"religion", "casteCommunity", "health"} & binding.document.keys())

    def test_null_and_empty_objects_clear_nothing(self):
        self.send_ok("students", STUDENT)
        self.drop_right()
        for health in (None, {}, {"bloodGroup": None}):
            self.send_ok(
                "students", {"externalId": STUDENT_ID, "fullName": "Rahul", "religion": None, "health": health}
            )
        record = self.student(STUDENT_ID)
        self.assertEqual((record.name, record.religion, record.blood_group), ("Rahul", "Hindu", "B+ve"))
        self.assertEqual(record.allergy_ids.mapped("name"), ["Peanuts"])

    def test_get_is_silent_about_it(self):
        self.send_ok("students", STUDENT)
        self.drop_right()
        expected = {key: STUDENT[key] for key in STUDENT.keys() - {"religion", "casteCommunity", "health"}}
        self.assertEqual(self.document("students", STUDENT_ID), expected)
        (listed,), _cursor = outbound.read_page(self.source, "students", limit=10)
        self.assertNotIn("health", listed)

    def test_what_was_left_out_is_applied_once_the_right_is_given(self):
        self.drop_right()
        self.send_ok("students", STUDENT)
        self.source.sudo().user_id.group_ids = [Command.link(self.sensitive.id)]
        self.assertEqual(self.statuses(self.send_ok("students", STUDENT)), ["updated"])
        self.assertEqual(self.student(STUDENT_ID).religion, "Hindu")

    def test_new_source_may_no_more_than_who_makes_it(self):
        for groups, expected in (((MANAGER,), False), ((MANAGER, SENSITIVE), True)):
            source = self.env["school.sync.source"].with_user(self.user(*groups)).create({"name": "SIS"})
            self.assertEqual(source.sudo().user_id.has_group(SENSITIVE), expected)
            self.assertEqual(source.sees_sensitive_data, expected)
            self.assertTrue(source._generate_key())

    def test_a_key_is_no_way_around_the_group(self):
        source = self.source.sudo().with_user(self.user(MANAGER))
        with self.assertRaisesRegex(AccessError, "Sensitive Data"):
            source.action_generate_key()
        self.source.sudo().with_user(self.user(MANAGER, SENSITIVE)).action_generate_key()
        self.drop_right()
        source.action_generate_key()


@tagged("post_install", "-at_install")
class TestRoles(SecurityCase):
    """What each role may do, and what it may not."""

    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER)
        self.send_ok("students", {**SECRETS, "parents": [{"externalId": FATHER["externalId"], "pays": True}]})
        self.send_ok("billings", BILLING)
        self.billing = self._record("billings", BILLING["externalId"])

    def incident(self, entity="parents"):
        source = self.source.sudo()
        incidents = self.env["school.sync.incident"]
        code = f"kind_{incidents.search_count([])}"
        return incidents.create(
            {"source_id": source.id, "company_id": source.company_id.id, "entity": entity, "code": code}
        )

    def test_problems_are_closed_by_those_who_are_told_hr_and_managers(self):
        told = self.user("base.group_user", name="Told")
        self.source.sudo().notify_user_ids = told
        for entity, may in (("parents", (told, self.user(MANAGER))), ("employees", (told, self.user(HR)))):
            for user in may:
                incident = self.incident(entity)
                self.assertTrue(incident.with_user(user).may_be_closed)
                incident.with_user(user).action_resolve()
                self.assertEqual(incident.state, "resolved")
            incident = self.incident(entity)
            for user in (self.user(READER), self.user(WRITER), self.user(INVOICING), self.user(READER, SENSITIVE)):
                with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_rule"):
                    incident.with_user(user).action_resolve()
            self.assertFalse(incident.with_user(self.user(READER)).may_be_closed)
            self.assertEqual(incident.state, "open")
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_rule"):
            self.incident("students").with_user(self.user(HR)).action_resolve()

    def test_manager_of_the_sync_does_not_invoice(self):
        manager = self.user(MANAGER)
        self.assertFalse(manager.has_group(INVOICING))
        self.assertFalse(self.env["account.move"].with_user(manager).has_access("read"))
        self.assertFalse(self.env["account.payment"].with_user(manager).has_access("read"))

    def test_manager_edits_families(self):
        manager = self.user(MANAGER)
        with Form(self.student(STUDENT_ID).with_user(manager)) as form:
            form.nationality = "Nepali"
            form.city = "Pokhara"
        with Form(self.parent(FATHER["externalId"]).with_user(manager)) as form:
            form.phone = "+91 1111111111"
        self.student(STUDENT_ID).with_user(manager).link_ids.relation = "Uncle"
        self.assertEqual(self.student(STUDENT_ID).link_ids.relation, "Uncle")

    def schedule(self):
        schedule = self.env["school.fee.schedule"].create(
            {
                "student_id": self.student(STUDENT_ID).id,
                "total": 100,
                "line_ids": [Command.create({"code": "FEE", "amount": 100})],
                "installment_ids": [Command.create({"due_date": "2030-01-01", "amount": 100})],
            }
        )
        return schedule

    def test_billing_installments_says_which_right_is_missing(self):
        for groups in ((MANAGER,), (INVOICING,), (READER, INVOICING)):
            with self.assertRaisesRegex(AccessError, "Invoicing"):
                self.schedule().with_user(self.user(*groups)).action_bill()
        for groups in ((MANAGER, INVOICING), (WRITER,)):
            schedule = self.schedule()
            schedule.with_user(self.user(*groups)).action_bill()
            self.assertEqual(schedule.state, "billed")

    def test_invoicing_opens_a_billing_and_sees_whose_it_is(self):
        year = self.env["school.academic.year"].create({"name": "2026", "code": "2026"})
        grade = self.env["school.grade"].create({"name": "Grade 7", "code": "7"})
        self.env["school.enrollment"].create(
            {
                "student_id": self.student(STUDENT_ID).id,
                "academic_year_id": year.id,
                "grade_id": grade.id,
                "date_start": "2020-01-01",
            }
        )
        self.env.invalidate_all()
        for group in (INVOICING, "account.group_account_readonly"):
            user = self.user(group)
            billing = self.billing.with_user(user)
            for kind in ("list", "form"):
                (seen,) = self.open_view(billing, kind)
                self.assertEqual((seen["student_name"], seen["student_class"]), ("Rahul Sharma", "Grade 7"))
                self.assertNotIn("student_id", seen)
            self.assertEqual(billing.search([("student_name", "ilike", "rahul")]), billing)
            self.assertFalse(billing.search([("student_name", "ilike", "nobody")]))
            for kind in ("list", "form"):
                self.open_view(self.schedule().with_user(user), kind)
            with self.assertRaises(AccessError):
                billing.student_id.mapped("religion")
            for name in ("name", "street", "birth_date"):
                with (
                    self.subTest(name),
                    self.assertRaises(AccessError),
                    mute_logger("odoo.addons.base.models.ir_model"),
                ):
                    self.student(STUDENT_ID).with_user(user).read([name])
            self.assertEqual(self.paths_to(user, "street"), set())
            self.assertEqual(self.paths_to(user, "birth_date"), set())
            for model in (
                "school.student",
                "school.parent",
                "school.parent.link",
                "school.enrollment",
                "school.sync.log",
            ):
                self.assertFalse(self.env[model].with_user(user).has_access("read"), model)
            menus = self.env["ir.ui.menu"].with_user(user)._visible_menu_ids()
            self.assertIn(self.env.ref("school_erp_sync.school_billing_menu").id, menus)
            self.assertNotIn(self.env.ref("school_erp_sync.school_student_menu").id, menus)

    def test_readers_open_what_they_are_shown(self):
        for groups in ((READER,), (WRITER,), (MANAGER,), (READER, SENSITIVE), (MANAGER, SENSITIVE)):
            for record in (self.billing, self.schedule(), self.student(STUDENT_ID), self.parent(FATHER["externalId"])):
                for kind in ("list", "form"):
                    with self.subTest(groups=groups, model=record._name, kind=kind):
                        self.env.invalidate_all()
                        self.open_view(record.with_user(self.user(*groups)), kind)

    def test_employees_are_chosen_by_what_is_sent_only(self):
        source = self.source.sudo()
        for domain in (
            "[('ssnid', 'like', '1')]",
            "[('private_street', '!=', False)]",
            "[('user_id.login', '=', 'admin')]",
            "[('version_ids.wage', '>', 1000)]",
            "['|', ('name', '=', 'x'), '!', ('birthday', '=', False)]",
            "[('department_id', 'any', [('manager_id.ssnid', '=', '1')])]",
            "[('parent_id', 'any', [('birthday', '!=', False)])]",
            "[('parent_id.birthday', '!=', False)]",
            "[('create_uid', '=', 1)]",
        ):
            with self.subTest(domain), self.assertRaises(ValidationError), self.env.cr.savepoint():
                source.employee_domain = domain
        for domain in (
            "[]",
            "[('active', '=', True), '|', ('department_id.name', '=', 'Science'), ('job_title', 'ilike', 'teacher')]",
            "[('department_id', 'any', [('name', '=', 'Science')])]",
            "[('department_id', 'child_of', 1)]",
            "[('work_email', '!=', False)]",
        ):
            source.employee_domain = domain

    def test_private_data_of_employees_is_not_searched_through_their_sync_status(self):
        employee = self.env["hr.employee"].create({"name": "Asha", "ssnid": "SECRET-7", "private_street": "1 Road"})
        self.env.flush_all()
        rows = self.env["school.sync.employee"].with_user(self.user(READER))
        self.assertIn("Asha", rows.search([("employee_id", "=", employee.id)]).mapped("name"))
        for path in ("employee_id.ssnid", "employee_id.private_street", "employee_id.current_version_id.wage"):
            for attempt in (
                partial(rows.search, [(path, "!=", False)]),
                partial(rows.formatted_read_group, [], groupby=[path], aggregates=["__count"]),
            ):
                with self.subTest(path), self.assertRaises(AccessError), mute_logger("odoo.models"):
                    attempt()
        # Nor through the contact, which Odoo joins to a student or guardian with all rights.
        for model in ("school.student", "school.parent"):
            people = self.env[model].with_user(self.user(READER))
            for path in ("employee_ids.ssnid", "partner_id.employee_ids.ssnid", "partner_id.credit_limit"):
                with self.subTest(path), self.assertRaises(AccessError), mute_logger("odoo.models"):
                    people.search([(path, "!=", False)])


@tagged("post_install", "-at_install")
class TestSchools(SecurityCase):
    """Two schools: no role of one sees anything of the other."""

    def test_no_role_of_another_school_sees_anything(self):
        self.source.sudo().conflict_policy = "ask"
        self.send_ok("parents", FATHER)
        self.send_ok("students", {**SECRETS, "parents": [FATHER["externalId"]]})
        self.send_ok("billings", BILLING)
        self.send("students", {**SECRETS, "externalId": "WAITS", "parents": ["nobody yet"]})
        self.student(STUDENT_ID).nationality = "Nepali"
        self.send("students", {**SECRETS, "nationality": "Bhutanese"})
        report = self.send("students", {**SECRETS, "externalId": "BAD", "dob": "never"})
        exchange = {"request_id": "r1", "method": "POST", "path": "/api/students", "entity": "students"}
        exchange |= {"http_status": 207, "message": None, "duration": 1, "request": "{}", "response": "{}"}
        self.source.env["school.sync.log"]._record(self.source, exchange, report)
        other = self.env["res.company"].create({"name": "Other School"})
        there = {"company_id": other.id, "company_ids": [Command.set(other.ids)]}
        everything = (READER, WRITER, MANAGER, SENSITIVE, INVOICING, HR)
        models = [name for name in self.env if name.startswith("school.") and not self.env[name]._abstract]
        filled = [name for name in models if self.env[name].search_count([], limit=1)]
        self.assertLessEqual(
            {
                "school.student",
                "school.billing",
                "school.sync.parked",
                "school.sync.conflict.line",
                "school.sync.failure",
            },
            set(filled),
        )
        here = {self.env[name].sudo().search([], limit=1).id for name in ("school.student",)}
        self.assertTrue(here)
        for groups in (*((group,) for group in everything), everything):
            user = self.user(*groups, **there)
            for name in filled:
                # Words, without anything of a person, are shared by the schools of one database.
                if name == "school.tag":
                    continue
                model = self.env[name].with_user(user).with_company(other)
                ours = self.env[name].search([])
                if "company_id" in model._fields:
                    ours = ours.filtered(lambda record: record.company_id == self.company)
                if not model.has_access("read"):
                    continue
                with self.subTest(groups=groups, model=name):
                    self.env.invalidate_all()
                    self.assertFalse(model.search([]) & ours.with_env(model.env))
                    self.assertFalse(model.browse(ours.ids)._filtered_access("read"))
                    grouped = model.formatted_read_group([("id", "in", ours.ids)], [], ["__count"])
                    self.assertEqual(grouped[0]["__count"], 0)
            child = self.student(STUDENT_ID).partner_id
            self.env.invalidate_all()
            self.assertFalse(
                self.env["res.partner"].with_user(user).with_company(other).search([("id", "=", child.id)])
            )
