from lxml import html

from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.modules.migration import load_script
from odoo.tests.common import new_test_user, tagged
from odoo.tools import file_path

from .common import FATHER, STUDENT, AccountingCase
from .test_billing import BILLING

INVOICING, READER = "account.group_account_invoice", "school_erp_sync.group_sync_reader"
ENROLLMENT = {
    "externalId": "ENR-1",
    "studentExternalId": STUDENT["externalId"],
    "academicYear": "2025-2026",
    "gradeLevel": "7",
    "sectionId": "A",
    "startDate": "2025-04-01",
    "endDate": "2026-04-01",
    "status": "active",
}
NEXT_YEAR = {
    **ENROLLMENT,
    "externalId": "ENR-2",
    "academicYear": "2026-2027",
    "gradeLevel": "8",
    "startDate": "2026-04-01",
    "endDate": None,
}
MODELS = ("account.move", "account.move.line", "account.invoice.report")


class InvoicedCase(AccountingCase):
    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER)
        self.send_ok("students", {**STUDENT, "parents": [{"externalId": FATHER["externalId"], "pays": True}]})

    def billing(self, external_id="BIL-1"):
        return self._record("billings", external_id)

    def user(self, *groups, **values):
        login = f"user{self.env['res.users'].search_count([])}"
        return new_test_user(self.env, login, groups=",".join(groups), company_id=self.company.id, **values)


@tagged("post_install", "-at_install")
class TestInvoiced(InvoicedCase):
    """Invoices and their items say whom they are for, and the class at that time."""

    def said(self, record):
        return (
            record.school_student_name,
            record.school_class or "",
            record.school_grade_id.code or "",
            record.school_year_id.code or "",
        )

    def assert_said(self, move, *expected):
        self.assertEqual({self.said(record) for record in (move, *move.line_ids)}, {(STUDENT["fullName"], *expected)})

    def test_invoice_and_items_say_student_class_grade_year_and_head(self):
        self.send_ok("enrollments", ENROLLMENT, NEXT_YEAR)
        self.send_ok("billings", BILLING, *({**BILLING, "externalId": f"BIL-{number}"} for number in range(2, 6)))
        # Made one by one and made together, they say the same.
        for number in range(1, 6):
            move = self.billing(f"BIL-{number}").move_id
            self.assert_said(move, "Grade 7 A", "7", "2025-2026")
            self.assertEqual(move.school_fee_heads, "BUS, SCHOOL_FEE")
            heads = {line.product_id.default_code or False: line.school_fee_head for line in move.line_ids}
            self.assertEqual(heads, {"SCHOOL_FEE": "SCHOOL_FEE", "BUS": "BUS", False: False})

    def test_class_is_that_of_the_day_of_the_invoice(self):
        self.send_ok("enrollments", ENROLLMENT, NEXT_YEAR)
        later = {**BILLING, "issueDate": "2026-05-01", "dueDate": "2026-05-30"}
        before = {**BILLING, "issueDate": "2025-02-01", "dueDate": "2025-05-30"}
        self.send_ok("billings", {**later, "externalId": "LATER"}, {**before, "externalId": "BEFORE"})
        self.assert_said(self.billing("LATER").move_id, "Grade 8 A", "8", "2026-2027")
        # Fees of a year are billed before it begins.
        self.assert_said(self.billing("BEFORE").move_id, "Grade 7 A", "7", "2025-2026")
        fees = {"externalId": "FEE-1", "studentExternalId": STUDENT["externalId"], "heads": [], "total": 0}
        self.send_ok("academic-years", {"externalId": "Y27", "name": "2026-2027", "code": "2026-2027"})
        heads = [{"code": "SCHOOL_FEE", "amount": 1000}]
        plan = {"count": 1, "schedule": [{"due": "2026-06-01", "amount": 1000}]}
        fees |= {"academicYearExternalId": "Y27", "heads": heads, "total": 1000, "installmentPlan": plan}
        self.send_ok("fee-schedules", fees)
        self.send_ok("billings", {**BILLING, "externalId": "AHEAD", "feeScheduleExternalId": "FEE-1"})
        self.assert_said(self.billing("AHEAD").move_id, "Grade 8 A", "8", "2026-2027")

    def test_enrollment_that_comes_after_the_invoice(self):
        self.send_ok("billings", BILLING)
        move = self.billing().move_id
        self.assert_said(move, "", "", "")
        journal_items = [(line.balance, line.write_date) for line in move.line_ids]
        self.send_ok("enrollments", ENROLLMENT)
        self.assert_said(move, "Grade 7 A", "7", "2025-2026")
        self.assertEqual([(line.balance, line.write_date) for line in move.line_ids], journal_items)
        # A student who moves up keeps what old invoices say.
        self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": "8"})
        self.assert_said(move, "Grade 7 A", "7", "2025-2026")

    def test_reissue_credit_notes_and_another_student(self):
        self.source.sudo().posted_policy = "reissue"
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("students", {**STUDENT, "externalId": "SISTER", "fullName": "Asha Sharma", "dob": "2012-01-01"})
        self.send_ok("billings", BILLING)
        self.send_ok("billings", {**BILLING, "lines": [{"code": "SPORT", "amount": 50}], "total": 50})
        moves = self.billing().move_ids
        self.assertEqual(sorted(moves.mapped("move_type")), ["out_invoice", "out_invoice", "out_refund"])
        for move in moves:
            self.assert_said(move, "Grade 7 A", "7", "2025-2026")
        self.assertEqual(self.billing().move_id.school_fee_heads, "SPORT")
        refund = moves.filtered(lambda move: move.move_type == "out_refund")
        self.assertEqual(refund.school_fee_heads, "BUS, SCHOOL_FEE")
        sister = {"studentExternalId": "SISTER", "lines": [{"code": "SPORT", "amount": 50}], "total": 50}
        self.send_ok("billings", {**BILLING, **sister})
        move = self.billing().move_id
        self.assertEqual((move.school_student_name, move.line_ids.mapped("school_class")), ("Asha Sharma", [False] * 2))

    def test_found_grouped_and_exported_by_those_who_collect_fees(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("billings", BILLING)
        move = self.billing().move_id
        self.env.flush_all()
        student = self.student(STUDENT["externalId"])
        for groups in ((INVOICING,), ("account.group_account_readonly",), (INVOICING, READER)):
            user = self.user(*groups, "base.group_allow_export")
            for name in MODELS:
                self.env.invalidate_all()
                model = self.env[name].with_user(user)
                head = "school_fee_heads" if name == "account.move" else "school_fee_head"
                of_move = Domain("id" if name == "account.move" else "move_id", "=", move.id)
                for domain in (
                    Domain("school_student_name", "ilike", "rahul"),
                    Domain("school_class", "=", "Grade 7 A"),
                    Domain("school_grade_id", "ilike", "7"),
                    Domain("school_year_id", "ilike", "2025-2026"),
                    Domain(head, "ilike", "BUS"),
                ):
                    with self.subTest(groups=groups, model=name, domain=domain):
                        self.assertTrue(model.search(of_move & domain))
                        self.assertFalse(model.search(of_move & ~domain & Domain(head, "ilike", "BUS")))
                names = ["school_student_id", "school_class", "school_grade_id", "school_year_id", head]
                (group,) = model.formatted_read_group(of_move & Domain(head, "ilike", "BUS"), names, ["__count"])
                self.assertEqual(group["school_student_id"], (student.id, STUDENT["fullName"]))
                self.env.invalidate_all()
                records = model.search(of_move & Domain(head, "ilike", "BUS"))
                (row, *_others) = records.export_data(["school_student_id", "school_class", "school_year_id"])["datas"]
                self.assertEqual(row, [STUDENT["fullName"], "Grade 7 A", "2025-2026"])
                for view in ("list", "search", *(["form"] if name == "account.move" else [])):
                    model.get_view(view_type=view)

    def test_those_who_see_invoices_only_do_not_see_children(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("billings", BILLING)
        move = self.billing().move_id
        guardian = self.user("base.group_portal", partner_id=move.partner_id.id)
        self.assertEqual(self.env["account.move"].with_user(guardian).search([]), move)
        for record in (move, move.line_ids):
            for name in ("school_student_id", "school_student_name", "school_class", "school_grade_id"):
                with self.subTest(name), self.assertRaises(AccessError):
                    record.with_user(guardian).read([name])
                with self.subTest(name), self.assertRaises(AccessError):
                    record.with_user(guardian).search([(name, "!=", False)])
        # Whoever may copy an invoice and not see whom it is for, copies the rest.
        self.assertEqual(move.with_user(guardian)._school_add_copied([{}], ("school_student_id",)), [{}])
        self.assertEqual(move.copy().school_student_name, STUDENT["fullName"])

    def test_printed_on_the_invoice(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("billings", BILLING)
        report = self.env["ir.actions.report"].with_user(self.user(INVOICING))
        content, _type = report._render_qweb_html("account.report_invoice", self.billing().move_id.ids)
        text = " ".join(html.fromstring(content).text_content().split())
        self.assertIn(f"Student {STUDENT['fullName']}", text)
        self.assertIn("Class Grade 7 A", text)

    def test_two_students_who_are_one(self):
        other = {**STUDENT, "externalId": "TWICE", "dob": None}
        self.send_ok("students", other)
        self.send_ok("billings", {**BILLING, "studentExternalId": "TWICE"})
        survivor = self.student(STUDENT["externalId"])
        self.student("TWICE").sudo()._merge_into(survivor)
        move = self.billing().move_id
        self.assertEqual(move.school_student_id | move.line_ids.school_student_id, survivor)

    def test_invoices_of_an_older_version(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("billings", BILLING)
        move = self.billing().move_id
        self.env.flush_all()
        for table in ("account_move", "account_move_line"):
            names = [name for name, field in self.env[table.replace("_", ".")]._fields.items() if field.store]
            ours = [name for name in names if name.startswith("school_") and not name.endswith("billing_ids")]
            changes = ", ".join(f"{name} = NULL" for name in ours if name != "school_billing_id")
            self.env.cr.execute(f"UPDATE {table} SET {changes}")
        self.env.invalidate_all()
        script = file_path("school_erp_sync/migrations/19.0.1.1.0/post-migrate.py")
        load_script(script, "post_migrate")._say_whom_invoices_are_for(self.env)
        self.env.invalidate_all()
        self.assert_said(move, "Grade 7 A", "7", "2025-2026")
        self.assertEqual(move.school_fee_heads, "BUS, SCHOOL_FEE")


@tagged("post_install", "-at_install")
class TestAnalyticPlans(InvoicedCase):
    """Lines of invoices go to analytic accounts of the plans that the company chose."""

    def setUp(self):
        super().setUp()
        names = {"campus": "School", "grade": "Grade", "fee_head": "Fee Head"}
        self.plans = {
            key: self.env["account.analytic.plan"].create({"name": f"{name} of the test"})
            for key, name in names.items()
        }
        self.company.write({f"school_{key}_plan_id": plan.id for key, plan in self.plans.items()})
        self.send_ok("schools", {"externalId": "NORTH", "name": "North Campus", "code": "N"})
        self.send_ok("enrollments", {**ENROLLMENT, "schoolExternalId": "NORTH"})

    def accounts(self, move):
        """The accounts of each line, by plan, as its analytic items have them once it is posted."""
        result = {}
        for line in move.invoice_line_ids:
            found = line.distribution_analytic_account_ids
            result[line.school_fee_head] = {account.plan_id.name.split()[0]: account.name for account in found}
            items = line.analytic_line_ids
            if move.state == "posted":
                self.assertEqual(sum(items.mapped("amount")), -line.balance)
                columns = [plan._column_name() for plan in found.plan_id]
                self.assertEqual({items[name].id for name in columns}, set(found.ids))
        return result

    def test_lines_go_to_accounts_that_are_made_when_needed(self):
        self.send_ok("billings", BILLING, *({**BILLING, "externalId": f"BIL-{number}"} for number in range(2, 6)))
        place = {"School": "North Campus", "Grade": "Grade 7"}
        expected = {"SCHOOL_FEE": {**place, "Fee": "School Fee"}, "BUS": {**place, "Fee": "Bus"}}
        for number in range(1, 6):
            self.assertEqual(self.accounts(self.billing(f"BIL-{number}").move_id), expected)
        accounts = self.env["account.analytic.account"].search(
            [("plan_id", "in", [plan.id for plan in self.plans.values()])]
        )
        self.assertEqual(sorted(accounts.mapped("code")), ["7", "BUS", "N", "SCHOOL_FEE"])
        self.assertEqual(accounts.company_id, self.company)
        # Balances are Odoo's, whose reports know nothing of schools.
        grade = accounts.filtered(lambda account: account.plan_id == self.plans["grade"])
        lines = self.env["account.analytic.line"].search([(self.plans["grade"]._column_name(), "=", grade.id)])
        self.assertAlmostEqual(sum(lines.mapped("amount")), 5 * 389.37)

    def test_off_by_default_and_one_by_one(self):
        self.company.write({"school_campus_plan_id": False, "school_fee_head_plan_id": False})
        self.send_ok("billings", BILLING)
        self.assertEqual(
            self.accounts(self.billing().move_id), dict.fromkeys(("SCHOOL_FEE", "BUS"), {"Grade": "Grade 7"})
        )
        self.company.school_grade_plan_id = False
        self.send_ok("billings", {**BILLING, "externalId": "BIL-2"})
        self.assertFalse(any(self.billing("BIL-2").move_id.line_ids.mapped("analytic_distribution")))

    def test_enrollment_that_comes_later_and_another_student(self):
        guardians = [{"externalId": FATHER["externalId"], "pays": True}]
        names = {"externalId": "SISTER", "fullName": "Asha Sharma", "dob": "2012-01-01"}
        self.send_ok("students", {**STUDENT, **names, "parents": guardians})
        sister = {"studentExternalId": "SISTER", "externalId": "BIL-S"}
        self.send_ok("billings", {**BILLING, **sister}, {**BILLING, "status": "draft"})
        move, draft = self.billing("BIL-S").move_id, self.billing().move_id
        self.assertEqual(self.accounts(move)["BUS"], {"Fee": "Bus"})
        other = self.env["account.analytic.plan"].create({"name": "Project of the test"})
        project = self.env["account.analytic.account"].create({"name": "Fair", "plan_id": other.id})
        for line in (move + draft).invoice_line_ids:
            key = ",".join([*line.analytic_distribution, str(project.id)])
            line.analytic_distribution = {key: 100}
        self.send_ok("enrollments", {**ENROLLMENT, **sister, "externalId": "ENR-S", "gradeLevel": "3"})
        self.assertEqual(self.accounts(move)["BUS"], {"Fee": "Bus", "Grade": "Grade 3", "Project": "Fair"})
        changed = {**BILLING, "status": "draft", "studentExternalId": "SISTER"}
        changed["lines"] = [*BILLING["lines"], {"code": "SPORT", "label": "Sport", "amount": 10}]
        self.send_ok("billings", {**changed, "total": "399.37"})
        accounts = self.accounts(draft)
        self.assertEqual(accounts["BUS"], {"Fee": "Bus", "Grade": "Grade 3", "Project": "Fair"})
        self.assertEqual(accounts["SPORT"], {"Fee": "Sport", "Grade": "Grade 3"})

    def test_rules_of_other_plans_apply(self):
        other = self.env["account.analytic.plan"].create({"name": "Project of the test"})
        project = self.env["account.analytic.account"].create({"name": "Fair", "plan_id": other.id})
        self.env["account.analytic.distribution.model"].create({"analytic_distribution": {str(project.id): 100}})
        self.send_ok("billings", BILLING)
        self.assertEqual(self.accounts_of("BUS"), {"School", "Grade", "Fee", "Project"})

    def accounts_of(self, head):
        (line,) = self.billing().move_id.invoice_line_ids.filtered(lambda one: one.school_fee_head == head)
        return {account.plan_id.name.split()[0] for account in line.distribution_analytic_account_ids}

    def test_same_as_in_odoos_own_way(self):
        def made(prefix):
            documents = [
                {
                    **BILLING,
                    "externalId": f"{prefix}{number}",
                    "invoiceNumber": f"N{number}",
                    "lines": [{"code": "SCHOOL_FEE", "amount": 100 + number % 2}, {"code": "BUS", "amount": 7}],
                    "total": None,
                }
                for number in range(6)
            ]
            self.send_ok("billings", *documents)
            moves = [self.billing(document["externalId"]).move_id for document in documents]
            return [
                [
                    (line.name, line.balance, line.account_id, line.analytic_distribution, line.school_class)
                    + tuple(
                        (one.amount, one.name, *(one[plan._column_name()].id for plan in self.plans.values()))
                        for one in line.analytic_line_ids
                    )
                    for line in move.line_ids.sorted(lambda line: (line.display_type, line.school_fee_head or ""))
                ]
                for move in moves
            ]

        together = made("A")
        self.env["ir.config_parameter"].set_param("school_erp_sync.accelerate_invoices", "0")
        self.assertEqual(made("B"), together)
