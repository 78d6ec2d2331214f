import copy

from odoo.exceptions import UserError, ValidationError
from odoo.tests.common import tagged

from .common import STUDENT, AccountingCase

FEES = {
    "externalId": "FEE-APP-2025-000123",
    "studentExternalId": "STU-APP-2025-000123",
    "heads": [
        {"code": "SCHOOL_FEE", "label": "School Fee", "amount": 30000},
        {"code": "LIBRARY_FEE", "label": "Library Fee", "amount": 1500},
        {"code": "SKILL_FEE", "label": "Skill Fee", "amount": 2500},
        {"code": "TRANSPORT_FEE", "label": "Transport Fee", "amount": 6000},
    ],
    "discounts": [],
    "total": 40000,
    "installmentPlan": {
        "count": 3,
        "schedule": [
            {"due": "2025-06-01", "amount": 15000},
            {"due": "2025-09-01", "amount": 15000},
            {"due": "2025-12-01", "amount": 10000},
        ],
    },
    "firstPaymentLink": {"url": "https://pay.example/p/xyz", "invoiceId": "INV-001-APP-2025-000123"},
}


@tagged("post_install", "-at_install")
class TestFeeSchedule(AccountingCase):
    def setUp(self):
        super().setUp()
        self.send_ok("students", STUDENT)

    def schedule(self):
        return self._record("fee-schedules", FEES["externalId"])

    def test_printed_payload_is_taken_and_comes_back(self):
        self.send_ok("fee-schedules", FEES)
        self.assertEqual(
            {**self.document("fee-schedules", FEES["externalId"]), "currency": None}, {**FEES, "currency": None}
        )
        self.assertEqual(self.statuses(self.send_ok("fee-schedules", FEES)), ["unchanged"])

    def test_numbers_that_do_not_fit_are_told_with_the_numbers(self):
        bad = copy.deepcopy(FEES)
        bad["total"] = 39999
        bad["installmentPlan"]["count"] = 4
        bad["installmentPlan"]["schedule"][1]["due"] = "2025-06-01"
        report = self.send("fee-schedules", bad)
        self.assertEqual(
            self.codes(report),
            {
                "/total": "total_mismatch",
                "/installmentPlan/count": "count_mismatch",
                "/installmentPlan/schedule": "total_mismatch",
                "/installmentPlan/schedule/1/due": "not_in_order",
            },
        )
        self.assertIn("39999", report.items[0].errors[0].detail)
        self.assertIn("40000", report.items[0].errors[0].detail)

    def test_discount_is_taken_off(self):
        fees = {
            **FEES,
            "discounts": [{"code": "SIBLING", "label": "Sibling", "amount": "1000.50"}],
            "total": "38999.50",
        }
        fees["installmentPlan"] = {"schedule": [{"due": "2025-06-01", "amount": 38999.5}]}
        self.send_ok("fee-schedules", fees)
        self.schedule().action_bill()
        lines = self.schedule().billing_ids.move_id.invoice_line_ids
        self.assertEqual(lines.mapped("price_subtotal"), [30000, 1500, 2500, 6000, -1000.5])

    def test_finer_than_a_cent_and_unknown_currency_are_refused(self):
        fees = {"externalId": "F", "studentExternalId": STUDENT["externalId"], "currency": "XAU", "total": 0.005}
        report = self.send("fee-schedules", {**fees, "heads": [{"code": "A", "amount": 0.005}]})
        self.assertEqual(self.codes(report), {"/currency": "inactive_currency"})
        report = self.send("fee-schedules", {**fees, "currency": "USD", "heads": [{"code": "A", "amount": 0.005}]})
        self.assertEqual(self.codes(report), {"/heads/0/amount": "too_precise"})

    def test_installments_become_billings_once_and_add_up_by_head(self):
        self.send_ok("fee-schedules", FEES)
        schedule = self.schedule()
        schedule.action_bill()
        self.assertEqual(schedule.state, "billed")
        self.assertEqual(sorted(schedule.billing_ids.mapped("amount_total")), [10000, 15000, 15000])
        self.assertEqual(set(schedule.billing_ids.mapped("state")), {"draft"})
        for head in FEES["heads"]:
            lines = schedule.billing_ids.move_id.invoice_line_ids
            billed = lines.filtered(lambda line, code=head["code"]: line.product_id.default_code == code)
            self.assertEqual(sum(billed.mapped("price_subtotal")), head["amount"])
        with self.assertRaises(UserError):
            schedule.action_bill()

    def test_billed_schedule_does_not_change(self):
        self.send_ok("fee-schedules", FEES)
        self.schedule().action_bill()
        report = self.send(
            "fee-schedules", {**FEES, "heads": [{"code": "SCHOOL_FEE", "amount": 40000}]}, {**FEES, "externalId": "new"}
        )
        self.assertEqual(self.statuses(report), ["conflict", "created"])
        self.assertEqual(self.codes(report), {"/heads": "billed_already"})
        # The same, spelled otherwise, is no change.
        again = {**FEES, "discounts": FEES.get("discounts") or [], "heads": FEES["heads"][::-1]}
        self.assertEqual(self.statuses(self.send_ok("fee-schedules", again)), ["unchanged"])

    def test_heads_may_change_while_nothing_is_billed(self):
        self.send_ok("fee-schedules", FEES)
        self.send_ok("fee-schedules", {**FEES, "heads": [{"code": "SCHOOL_FEE", "amount": 40000}]})
        self.assertEqual(self.schedule().line_ids.mapped("amount"), [40000])

    def test_form_holds_the_same_rules(self):
        self.send_ok("fee-schedules", FEES)
        with self.assertRaises(ValidationError):
            self.schedule().total = 1

    def run_cron(self):
        with self.enter_registry_test_mode():
            self.env.ref("school_erp_sync.bill_due_installments_cron").method_direct_trigger()
        self.env.invalidate_all()

    def test_cron_bills_what_is_due_soon_and_nothing_twice(self):
        self.send_ok("fee-schedules", FEES)
        self.source.sudo().write({"bill_automatically": True, "bill_days_before": 10})
        for _run in range(2):
            self.run_cron()
            self.assertEqual(len(self.schedule().billing_ids), 3)
        self.assertEqual(set(self.schedule().billing_ids.mapped("state")), {"draft"})

    def other_school(self):
        """Another school with the same families: its source, which bills by itself."""
        north = self.env["res.company"].create({"name": "North School"})
        self.env["account.chart.template"].try_loading("generic_coa", company=north, install_demo=False)
        self.env.user.company_ids += north
        source = self.env["school.sync.source"].create({"name": "North SIS", "company_id": north.id})
        source.write({"bill_automatically": True, "bill_days_before": 10})
        source = self.as_api_user(source)
        self.send_ok("students", STUDENT, source=source)
        self.send_ok("fee-schedules", FEES, source=source)
        return source

    def test_cron_bills_each_school_with_the_settings_of_its_source(self):
        north = self.other_school()
        journal = self.source._get_invoice_journal().sudo().copy({"name": "Installments", "code": "INST"})
        self.source.sudo().write(
            {
                "bill_automatically": True,
                "bill_days_before": 10,
                "bill_action": "send",
                "invoice_journal_id": journal.id,
            }
        )
        self.send_ok("fee-schedules", FEES)
        self.run_cron()
        moves = self.schedule().billing_ids.move_id
        self.assertEqual((len(moves), moves.journal_id, set(moves.mapped("state"))), (3, journal, {"posted"}))
        self.assertTrue(all(moves.mapped("is_being_sent")))
        others = self.env["school.billing"].search([("company_id", "=", north.company_id.id)]).move_id
        self.assertEqual(
            (len(others), others.company_id, set(others.mapped("state"))), (3, north.company_id, {"draft"})
        )
        self.assertEqual(others.journal_id.company_id, north.company_id)
        self.assertFalse(any(others.mapped("is_being_sent")))

    def test_cron_goes_on_past_an_installment_and_a_school_that_fail(self):
        north = self.other_school()
        self.env["account.journal"].search([("company_id", "=", north.company_id.id)]).active = False
        self.source.sudo().write({"bill_automatically": True, "bill_days_before": 10, "bill_action": "post"})
        euro = self.env.ref("base.EUR")
        euro.active = True
        self.send_ok("fee-schedules", {**FEES, "externalId": "EURO", "currency": "EUR"}, FEES)
        # Odoo posts no invoice in a currency that is not active.
        euro.active = False
        self.send_ok("students", {**STUDENT, "externalId": "LEFT", "studentNumber": "L"})
        self.send_ok("fee-schedules", {**FEES, "externalId": "GONE", "studentExternalId": "LEFT"})
        self.student("LEFT").action_archive()
        self.run_cron()
        self.assertEqual(set(self.schedule().billing_ids.mapped("state")), {"sent"})
        self.assertFalse(self._record("fee-schedules", "GONE").billing_ids)
        self.assertFalse(self._record("fee-schedules", "EURO").billing_ids)
        problems = self.env["school.sync.incident"].search([("code", "=", "not_billed"), ("state", "=", "open")])
        self.assertEqual(problems.source_id, self.source.sudo() + north.sudo())
        failures = problems.filtered(lambda one: one.source_id == self.source.sudo()).failure_ids
        self.assertEqual(failures.mapped("external_id"), ["EURO"])
        self.assertIn("currency", failures.message)
        euro.active = True
        self.run_cron()
        self.assertEqual(len(self._record("fee-schedules", "EURO").billing_ids), 3)
        self.assertEqual(problems.filtered(lambda one: one.state == "open").source_id, north.sudo())
