from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests.common import Form, tagged

from ..sync import engine, outbound
from .common import FATHER, MOTHER, STUDENT, AccountingCase

BILLING = {
    "externalId": "BIL-1",
    "studentExternalId": STUDENT["externalId"],
    "invoiceNumber": "PS-2025-0001",
    "issueDate": "2025-06-01",
    "dueDate": "2025-06-30",
    "currency": "USD",
    "status": "sent",
    "lines": [
        {"code": "SCHOOL_FEE", "label": "School Fee", "amount": 300},
        {"code": "BUS", "label": "Bus", "quantity": 3, "unitPrice": "33.10", "discount": 10},
    ],
    "total": "389.37",
    "notes": "First term",
}


@tagged("post_install", "-at_install")
class TestBilling(AccountingCase):
    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER, MOTHER)
        links = [{"externalId": FATHER["externalId"]}, {"externalId": MOTHER["externalId"], "pays": True}]
        self.send_ok("students", {**STUDENT, "parents": links})

    def billing(self, external_id="BIL-1"):
        return self._record("billings", external_id)

    def test_becomes_a_posted_invoice_of_the_guardian_who_pays(self):
        self.send_ok("billings", BILLING)
        billing, move = self.billing(), self.billing().move_id
        self.assertEqual((move.state, move.move_type, billing.state), ("posted", "out_invoice", "sent"))
        self.assertEqual(move.partner_id.name, MOTHER["name"])
        self.assertEqual((move.amount_total, move.amount_residual), (389.37, 389.37))
        self.assertEqual((str(move.invoice_date), str(move.invoice_date_due)), ("2025-06-01", "2025-06-30"))
        self.assertEqual((move.ref, move.payment_reference), ("PS-2025-0001", "PS-2025-0001"))
        self.assertEqual(move.invoice_line_ids.product_id.mapped("default_code"), ["SCHOOL_FEE", "BUS"])

    def test_address_state_and_tax_number_reach_the_invoice(self):
        address = {"permanent": "12 Lake Road", "city": "Mysuru", "state": "KA", "country": "IN", "pin": "570001"}
        said = {"address": address, "taxNumber": "29AAGCB7383J1Z4"}
        self.send_ok("parents", {**MOTHER, **said})
        self.send_ok("students", {**STUDENT, "externalId": "ALONE", **said, "taxNumber": "AAGCB7383J"})
        self.send_ok("billings", BILLING, {**BILLING, "externalId": "BIL-2", "studentExternalId": "ALONE"})
        for external_id, number in (("BIL-1", "29AAGCB7383J1Z4"), ("BIL-2", "AAGCB7383J")):
            move = self.billing(external_id).move_id
            html, _kind = self.env["ir.actions.report"]._render_qweb_html("account.report_invoice", move.ids)
            for text in ("12 Lake Road", "Mysuru", "KA", "India", "570001", number):
                self.assertIn(text, html.decode())
        self.assertEqual(self.document("parents", MOTHER["externalId"])["taxNumber"], "29AAGCB7383J1Z4")

    def test_comes_back_and_again_is_unchanged(self):
        self.send_ok("billings", BILLING)
        document = self.document("billings", "BIL-1")
        self.assertEqual(
            {key: document[key] for key in BILLING if key not in ("total", "status")},
            self.as_json(BILLING, "total", "status"),
        )
        self.assertEqual((document["total"], document["amountDue"], document["amountPaid"]), (389.37, 389.37, 0))
        self.assertEqual(self.statuses(self.send_ok("billings", BILLING)), ["unchanged"])
        self.assertEqual(len(self.billing().move_ids), 1)

    def as_json(self, document, *but):
        lines = [{**line, **({"unitPrice": 33.1} if "unitPrice" in line else {})} for line in document["lines"]]
        return {**{key: value for key, value in document.items() if key not in but}, "lines": lines}

    def test_payer_is_named(self):
        self.send_ok("billings", {**BILLING, "payerExternalId": FATHER["externalId"]})
        self.assertEqual(self.billing().move_id.partner_id.name, FATHER["name"])

    def test_statuses(self):
        states = {
            "draft": ("draft", "draft", 389.37),
            "sent": ("posted", "sent", 389.37),
            "overdue": ("posted", "sent", 389.37),
            "paid": ("posted", "paid", 0),
            "cancelled": ("cancel", "cancelled", 0),
        }
        for status, (move_state, state, due) in states.items():
            with self.subTest(status):
                self.send_ok("billings", {**BILLING, "externalId": status, "status": status})
                billing = self.billing(status)
                self.assertEqual((billing.move_id.state, billing.state), (move_state, state))
                if status != "cancelled":
                    self.assertEqual(billing.amount_due, due)
        # Due long ago: whoever reads it wants to know.
        self.assertEqual(self.document("billings", "sent")["status"], "overdue")
        self.assertEqual(self.document("billings", "paid")["status"], "paid")

    def test_payments_count_once_and_are_reconciled(self):
        first = {"externalId": "PAY-1", "date": "2025-06-10", "amount": 100, "method": "card", "reference": "X1"}
        partial = {**BILLING, "status": "partial", "payments": [first]}
        self.send_ok("billings", partial)
        self.assertEqual((self.billing().state, self.billing().amount_due), ("partial", 289.37))
        self.send_ok("billings", {**partial, "notes": "again"})
        self.assertEqual(len(self.billing().payment_ids), 1)
        second = {"externalId": "PAY-2", "date": "2025-06-20", "amount": "289.37"}
        self.send_ok("billings", {**partial, "status": "paid", "payments": [first, second]})
        billing = self.billing()
        self.assertEqual((billing.state, billing.amount_due, billing.amount_paid), ("paid", 0, 389.37))
        self.assertEqual(len(billing.payment_ids.payment_id), 2)
        self.assertEqual(self.document("billings", "BIL-1")["payments"], [first, {**second, "amount": 289.37}])

    def test_paid_without_payments_registers_what_is_open_once(self):
        self.send_ok("billings", {**BILLING, "status": "paid"})
        self.send_ok("billings", {**BILLING, "status": "paid", "notes": "changed"})
        self.assertEqual(self.billing().payment_ids.mapped("amount"), [389.37])

    def test_paid_with_too_little_is_refused_whole(self):
        payment = {"externalId": "PAY-1", "date": "2025-06-10", "amount": 100}
        report = self.send("billings", {**BILLING, "status": "paid", "payments": [payment]})
        self.assertEqual(self.codes(report), {"/payments": "payments_mismatch"})
        self.assertFalse(self.env["school.billing.payment"].search([("external_id", "=", "PAY-1")]))

    def test_total_must_match(self):
        report = self.send("billings", {**BILLING, "total": 400}, {**BILLING, "externalId": "BIL-2"})
        self.assertEqual(
            (self.statuses(report), self.codes(report)), (["failed", "created"], {"/total": "total_mismatch"})
        )
        self.assertIn("389.37", report.items[0].errors[0].detail)

    def test_draft_follows_its_document(self):
        self.send_ok("billings", {**BILLING, "status": "draft"})
        move = self.billing().move_id
        lines = [{"code": "SCHOOL_FEE", "amount": 500}]
        self.send_ok("billings", {**BILLING, "status": "draft", "lines": lines, "total": 500, "dueDate": "2025-07-15"})
        self.assertEqual((self.billing().move_id, move.amount_total), (move, 500))
        self.assertEqual(str(move.invoice_date_due), "2025-07-15")
        self.send_ok("billings", {**BILLING, "lines": lines, "total": 500})
        self.assertEqual(move.state, "posted")

    def test_posted_is_not_rewritten(self):
        self.send_ok("billings", BILLING)
        report = self.send("billings", {**BILLING, "lines": [{"code": "SCHOOL_FEE", "amount": 500}], "total": 500})
        self.assertEqual(self.statuses(report), ["conflict"])
        self.assertEqual(self.codes(report), {"/lines": "posted_invoice", "/total": "posted_invoice"})
        self.assertIn("389.37", report.items[0].errors[1].detail)
        self.assertEqual(self.billing().move_id.amount_total, 389.37)
        self.assertEqual(
            self.codes(self.send("billings", {**BILLING, "status": "draft"})), {"/status": "posted_invoice"}
        )

    def test_what_odoo_allows_on_a_posted_invoice_is_updated(self):
        self.send_ok("billings", BILLING)
        self.send_ok("billings", {**BILLING, "dueDate": "2025-08-31", "notes": "Extended", "invoiceNumber": "PS-X"})
        move = self.billing().move_id
        self.assertEqual((str(move.invoice_date_due), move.ref, move.state), ("2025-08-31", "PS-X", "posted"))
        self.assertIn("Extended", move.narration)

    def test_reverse_and_reissue_keeps_history_and_payments(self):
        self.source.sudo().posted_policy = "reissue"
        payment = {"externalId": "PAY-1", "date": "2025-06-10", "amount": 100}
        partial = {**BILLING, "status": "partial", "payments": [payment]}
        self.send_ok("billings", partial)
        old = self.billing().move_id
        self.send_ok("billings", {**partial, "lines": [{"code": "SCHOOL_FEE", "amount": 500}], "total": 500})
        billing = self.billing()
        self.assertEqual((old.payment_state, billing.move_id.amount_total), ("reversed", 500))
        self.assertEqual((billing.state, billing.amount_due), ("partial", 400))
        self.assertEqual(sorted(billing.move_ids.mapped("move_type")), ["out_invoice", "out_invoice", "out_refund"])

    def test_cancel_and_archive(self):
        self.send_ok("billings", BILLING)
        self.send_ok("billings", {**BILLING, "status": "cancelled"})
        self.assertEqual((self.billing().move_id.state, self.billing().state), ("cancel", "cancelled"))
        self.send_ok("billings", {**BILLING, "externalId": "BIL-2"})
        item = engine.archive(self.source, "billings", "BIL-2")
        self.assertEqual((item.status.value, self.billing("BIL-2").move_id.state), ("archived", "cancel"))

    def test_cancelled_or_deleted_is_billed_after_all_when_it_is_sent_again(self):
        self.send_ok("billings", BILLING)
        move = self.billing().move_id
        self.send_ok("billings", {**BILLING, "status": "cancelled"})
        self.send_ok("billings", {**BILLING, "lines": [{"code": "SCHOOL_FEE", "amount": 500}], "total": 500})
        self.assertEqual((move.state, move.amount_total, self.billing().move_id), ("posted", 500, move))
        self.send_ok("billings", {**BILLING, "externalId": "BIL-2"})
        engine.archive(self.source, "billings", "BIL-2")
        self.assertEqual(self.statuses(self.send_ok("billings", {**BILLING, "externalId": "BIL-2"})), ["updated"])
        self.assertEqual((self.billing("BIL-2").move_id.state, self.billing("BIL-2").active), ("posted", True))

    def test_credited_is_not_billed_again(self):
        self.send_ok("billings", BILLING)
        self.billing()._reverse_move()
        report = self.send("billings", {**BILLING, "notes": "once more"})
        self.assertEqual((self.statuses(report), self.codes(report)), (["conflict"], {"/status": "credited_invoice"}))

    def test_sent_after_paid_is_told(self):
        self.send_ok("billings", {**BILLING, "status": "paid"})
        report = self.send_ok("billings", BILLING)
        self.assertIn("is paid", report.items[0].warnings[0])

    def test_paid_is_not_cancelled(self):
        self.send_ok("billings", {**BILLING, "status": "paid"})
        report = self.send("billings", {**BILLING, "status": "cancelled"})
        self.assertEqual(self.codes(report), {"/status": "paid_invoice"})

    def test_what_the_accountant_does_shows_in_the_document(self):
        self.send_ok("billings", BILLING)
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=self.billing().move_id.ids
        ).create({"amount": 100, "payment_date": "2025-06-15"})._create_payments()
        document = self.document("billings", "BIL-1")
        self.assertEqual((document["status"], document["amountPaid"], document["amountDue"]), ("partial", 100, 289.37))
        self.billing()._reverse_move()
        self.assertEqual(self.document("billings", "BIL-1")["status"], "cancelled")

    def test_overdue_is_what_the_calendar_says(self):
        due = fields.Date.today() + timedelta(days=3)
        self.send_ok("billings", {**BILLING, "dueDate": due.isoformat()})
        self.assertEqual(self.document("billings", "BIL-1")["status"], "sent")
        self.assertFalse(self.billing().is_overdue)
        self.send_ok("billings", {**BILLING, "externalId": "old"})
        self.assertTrue(self.billing("old").is_overdue)
        self.assertIn(self.billing("old"), self.env["school.billing"].search([("is_overdue", "=", True)]))

    def test_taxes(self):
        tax = self.env["account.tax"].create(
            {"name": "School Tax", "amount": 10, "type_tax_use": "sale", "company_id": self.company.id}
        )
        taxed = {"code": "BOOKS", "label": "Books", "amount": 100, "taxes": ["school tax"]}
        self.send_ok("billings", {**BILLING, "lines": [taxed], "total": 110})
        self.assertEqual(self.billing().move_id.amount_tax, 10)
        self.assertEqual(self.billing().move_id.invoice_line_ids.tax_ids, tax)
        report = self.send("billings", {**BILLING, "externalId": "X", "lines": [{**taxed, "taxes": ["No Tax"]}]})
        self.assertEqual(self.codes(report), {"/lines/0/taxes/0": "unknown_tax"})

    def test_configuration_that_is_missing_is_named(self):
        bad = {**BILLING, "currency": "XAU", "lines": [{"code": "A", "amount": 1}], "total": 1}
        self.assertEqual(self.codes(self.send("billings", bad)), {"/currency": "inactive_currency"})
        self.env["account.journal"].search([("type", "in", ("bank", "cash"))]).active = False
        report = self.send("billings", {**BILLING, "status": "paid"})
        self.assertEqual(self.codes(report), {"/payments": "no_payment_journal"})
        self.env["account.journal"].search([("type", "=", "sale")]).active = False
        self.assertEqual(self.codes(self.send("billings", BILLING)), {"": "accounting_not_configured"})

    def test_archived_student(self):
        """Whoever has left gets a last bill."""
        engine.archive(self.source, "students", STUDENT["externalId"])
        report = self.send_ok("billings", BILLING)
        self.assertIn("archived", report.items[0].warnings[0])
        self.assertEqual(self.billing().move_id.state, "posted")

    def test_bad_billings_cost_one_more_application(self):
        """Whatever is wrong with a third of them is found at once; what is found before anything is made costs none."""
        tax = self.env["account.tax"].create(
            {"name": "School Tax", "amount": 10, "type_tax_use": "sale", "company_id": self.company.id}
        )
        taxed = [{"code": "BOOKS", "amount": 100, "taxes": [tax.name]}]
        paid = {"externalId": "P", "date": "2025-06-10", "amount": 1}
        found_early = (
            ({"total": "1.00"}, {"/total": "total_mismatch"}),
            ({"lines": [{"code": "A", "amount": -5}], "total": 5}, {"/total": "total_mismatch"}),
            ({"status": "paid", "payments": [paid]}, {"/payments": "payments_mismatch"}),
        )
        found_late = (
            ({"lines": taxed, "total": 100}, {"/total": "total_mismatch"}),
            ({"lines": [{**taxed[0], "amount": -5}], "total": -5}, {"/total": "total_mismatch"}),
            ({"lines": taxed, "total": 110, "status": "paid", "payments": [paid]}, {"/payments": "payments_mismatch"}),
        )
        moves = type(self.env["account.move"])
        for faults, most in ((found_early, 1), (found_late, 2)):
            documents = [{**BILLING, "externalId": f"{most}-{number}"} for number in range(18)]
            for index, document in enumerate(documents[::3]):
                document.update(faults[index % 3][0])
            with patch.object(moves, "_school_create", autospec=True, side_effect=moves._school_create) as made:
                report = self.send("billings", *documents)
            self.assertEqual(made.call_count, most)
            self.assertEqual(self.statuses(report), ["failed", "created", "created"] * 6)
            for index in range(6):
                self.assertEqual(self.codes(report, 3 * index), faults[index % 3][1])
            self.assertEqual({item.res_id for item in report.items[::3]}, {None})
        self.assertEqual(self.env["school.billing"].search_count([]), 24)
        report = self.send("billings", *({**BILLING, "externalId": f"bad {n}", "total": 1} for n in range(4)))
        self.assertEqual(self.statuses(report), ["failed"] * 4)

    def test_sentence_about_a_total(self):
        report = self.send("billings", {**BILLING, "total": 310})
        self.assertEqual(report.items[0].errors[0].detail, "The total is 310.00, but the lines add up to 389.37.")

    def test_payments_of_a_locked_period_are_told(self):
        self.company.sudo().fiscalyear_lock_date = "2025-06-15"
        payments = [{"externalId": f"P{day}", "date": f"2025-06-{day}", "amount": 5} for day in (10, 20)]
        billing = {**BILLING, "issueDate": "2025-06-18", "status": "partial", "payments": payments}
        report = self.send_ok("billings", billing)
        early, late = self.billing().payment_ids
        self.assertEqual((late.payment_id.move_id.date, late.date), (late.date, late.payment_id.date))
        self.assertEqual(
            report.items[0].warnings,
            [f'The period of 2025-06-10 is locked. Payment "P10" is accounted for on {early.payment_id.move_id.date}.'],
        )

    def test_reissue_in_another_currency_after_a_payment(self):
        self.env.ref("base.EUR").active = True
        self.source.sudo().posted_policy = "reissue"
        payment = {"externalId": "P1", "date": "2025-06-10", "amount": 10}
        paid = {**BILLING, "status": "partial", "payments": [payment]}
        self.send_ok("billings", paid)
        move = self.billing().move_id
        report = self.send("billings", {**paid, "currency": "EUR"})
        self.assertEqual(
            (self.statuses(report), self.codes(report)), (["conflict"], {"/currency": "registered_payment"})
        )
        self.assertEqual((self.billing().move_id, self.billing().currency_id.name), (move, "USD"))
        # An accountant who resets it to draft does not free the payments of their currency.
        move.button_draft()
        report = self.send("billings", {**paid, "currency": "EUR"})
        self.assertEqual(self.codes(report), {"/currency": "registered_payment"})
        self.send_ok("billings", {**BILLING, "externalId": "BIL-2"})
        self.send_ok("billings", {**BILLING, "externalId": "BIL-2", "currency": "EUR"})
        self.assertEqual(self.billing("BIL-2").move_id.currency_id.name, "EUR")

    def test_reissue_in_another_currency_after_a_payment_in_odoo(self):
        self.env.ref("base.EUR").active = True
        self.source.sudo().posted_policy = "reissue"
        self.send_ok("billings", BILLING)
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=self.billing().move_id.ids
        ).create({"amount": 100, "payment_date": "2025-06-15"})._create_payments()
        report = self.send("billings", {**BILLING, "currency": "EUR"})
        self.assertEqual(
            (self.statuses(report), self.codes(report)), (["conflict"], {"/currency": "registered_payment"})
        )

    def test_amounts_sent_count_where_odoo_rounds_the_sum(self):
        self.company.sudo().tax_calculation_rounding_method = "round_globally"
        self.env.ref("base.JPY").active = True
        thirds = {"code": "A", "label": "Hours", "quantity": 3, "unitPrice": "33.335"}
        cases = (
            ("amounts", "USD", [{**thirds, "amount": "100.01"}] * 2, "200.02"),
            ("prices", "USD", [thirds] * 2, "200.01"),
            ("discount", "USD", [{**thirds, "discount": 50, "amount": "50.00"}] * 2, "100.00"),
            ("yen", "JPY", [{"code": "A", "unitPrice": "100.5", "amount": 101}] * 2, 202),
        )
        for name, currency, lines, total in cases:
            with self.subTest(name):
                # Three at once take another way than one.
                documents = [
                    {**BILLING, "externalId": f"{name} {number}", "currency": currency, "lines": lines, "total": total}
                    for number in range(4)
                ]
                self.send_ok("billings", documents[0])
                self.send_ok("billings", *documents[1:])
                for document in documents:
                    billing = self.billing(document["externalId"])
                    self.assertEqual(billing.amount_total, float(total))
                    # Since Python 3.12, sum() rounds once, at the end: what no float can hold exactly remains.
                    self.assertAlmostEqual(sum(billing.move_id.line_ids.mapped("balance")), 0, 6)
                again = [self.document("billings", document["externalId"])["lines"] for document in documents]
                self.assertEqual(len({str(lines) for lines in again}), 1)
                self.assertEqual(self.statuses(self.send_ok("billings", *documents)), ["unchanged"] * 4)

    def test_yen_and_a_half(self):
        self.env.ref("base.JPY").active = True
        for method in ("round_per_line", "round_globally"):
            self.company.sudo().tax_calculation_rounding_method = method
            for index, (line, total) in enumerate(
                (
                    ({"unitPrice": "2.5"}, 3),
                    ({"unitPrice": "2.5", "amount": 3}, 3),
                    ({"unitPrice": "2.5", "amount": "3.0"}, 3),
                    ({"unitPrice": "2.5", "amount": "2.5"}, 3),
                    ({"unitPrice": "100.5", "quantity": 3, "amount": 302}, 302),
                )
            ):
                with self.subTest(method=method, line=line):
                    name = f"{method} {index}"
                    document = {**BILLING, "externalId": name, "currency": "JPY", "total": total}
                    self.send_ok("billings", {**document, "lines": [{"code": "A", **line}]})
                    self.assertEqual(self.billing(name).amount_total, total)
        half = {**BILLING, "currency": "JPY", "lines": [{"code": "A", "amount": "2.5"}], "total": 3}
        self.assertEqual(self.codes(self.send("billings", half)), {"/lines/0/amount": "too_precise"})

    def test_amount_that_is_not_what_the_price_comes_to(self):
        line = {"code": "A", "unitPrice": "100.2", "amount": 100}
        report = self.send("billings", {**BILLING, "lines": [line], "total": None})
        self.assertEqual(self.codes(report), {"/lines/0/amount": "total_mismatch"})

    def test_large_amounts_are_not_called_too_precise(self):
        for amount in (9999999999999, "999999999999.99"):
            report = self.send("billings", {**BILLING, "lines": [{"code": "A", "amount": amount}], "total": amount})
            self.assertNotIn("too_precise", self.codes(report).values())
        self.assertEqual(self.statuses(report), ["created"])
        self.assertEqual(self.billing().amount_total, 999999999999.99)

    def test_locked_period_is_told(self):
        self.company.sudo().sale_lock_date = "2025-12-31"
        report = self.send_ok("billings", BILLING)
        self.assertIn("locked", report.items[0].warnings[0])

    def test_journal_items_are_those_of_the_form(self):
        tax = self.env["account.tax"].create(
            {"name": "School Tax", "amount": 7, "type_tax_use": "sale", "company_id": self.company.id}
        )
        lines = [*BILLING["lines"], {"code": "BOOKS", "amount": 100, "taxes": ["School Tax"]}]
        self.send_ok("billings", {**BILLING, "lines": lines, "total": None})
        by_sync = self.billing().move_id
        with Form(self.env["account.move"].with_context(default_move_type="out_invoice")) as form:
            form.partner_id = by_sync.partner_id
            form.invoice_date = by_sync.invoice_date
            form.invoice_payment_term_id = self.env["account.payment.term"]
            form.invoice_date_due = by_sync.invoice_date_due
            for line in by_sync.invoice_line_ids:
                with form.invoice_line_ids.new() as new:
                    new.product_id = line.product_id
                    new.quantity, new.price_unit, new.discount = line.quantity, line.price_unit, line.discount
                    new.tax_ids.clear()
                    if line.product_id.default_code == "BOOKS":
                        new.tax_ids.add(tax)
        by_form = form.save()
        by_form.action_post()

        def items(move):
            return sorted(
                (
                    item.account_id.code,
                    item.balance,
                    item.amount_currency,
                    item.tax_line_id.id,
                    tuple(item.tax_ids.ids),
                    str(item.date_maturity),
                    item.display_type,
                    item.partner_id.id,
                )
                for item in move.line_ids
            )

        self.assertEqual(items(by_sync), items(by_form))

    def test_second_company_bills_in_its_own_books(self):
        north = self.env["res.company"].create({"name": "North School"})
        self.env["account.chart.template"].try_loading("generic_coa", company=north, install_demo=False)
        self.env.user.company_ids += north
        source = self.as_api_user(self.env["school.sync.source"].create({"name": "North SIS", "company_id": north.id}))
        self.send_ok("parents", FATHER, source=source)
        self.send_ok("students", {**STUDENT, "parents": [FATHER["externalId"]]}, source=source)
        self.send_ok("billings", {**BILLING, "status": "paid"}, source=source)
        self.send_ok("billings", BILLING)
        billing = self.env["school.billing"].search([("company_id", "=", north.id)])
        moves = billing.move_id + billing.payment_ids.payment_id.move_id
        self.assertEqual((moves.company_id, moves.line_ids.account_id.company_ids), (north, north))
        self.assertEqual(billing.state, "paid")
        self.assertEqual(self.billing().move_id.company_id, self.company)

    def test_queries_do_not_grow_with_unchanged_billings(self):
        documents = [{**BILLING, "externalId": f"B{number}"} for number in range(10)]
        self.send_ok("billings", *documents)

        def queries(sent):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.send_ok("billings", *sent)
            return self.env.cr.sql_log_count - before

        self.assertEqual(queries(documents), queries(documents[:2]))

    def test_a_page_of_billings(self):
        self.send_ok("billings", *({**BILLING, "externalId": f"B{number}"} for number in range(3)))
        page, cursor = outbound.read_page(self.source, "billings", limit=2)
        rest, end = outbound.read_page(self.source, "billings", limit=2, cursor=cursor)
        self.assertEqual([billing["externalId"] for billing in [*page, *rest]], ["B0", "B1", "B2"])
        self.assertIsNone(end)
