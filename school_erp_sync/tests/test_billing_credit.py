from odoo import fields
from odoo.fields import Command
from odoo.tests.common import tagged

from ..sync import engine
from .test_billing_payments import MoneyCase


@tagged("post_install", "-at_install")
class TestBillingCredit(MoneyCase):
    """What a family has left on account, credit notes, discounts for early payment, and cancelled invoices."""

    def pay(self, *amounts, prefix="P", date="2025-06-10"):
        return [
            {"externalId": f"{prefix}-{number}", "date": date, "amount": amount}
            for number, amount in enumerate(amounts, 1)
        ]

    def fee(self, amount):
        return [{"code": "FEE", "amount": amount}]

    def amounts(self, external_id="BIL-1"):
        given = self.given(external_id)
        return {name[6:]: given[name] for name in ("amountPaid", "amountCredited", "amountDue", "amountOverpaid")}

    def test_credit_on_account_pays_the_next_billing(self):
        self.send_ok("billings", self.bill("paid", payments=self.pay(150)))
        self.assertEqual(self.amounts(), {"Paid": 150, "Credited": 0, "Due": 0, "Overpaid": 50})
        self.send_ok("billings", self.bill("paid", "BIL-2", lines=self.fee(50)))
        self.assertEqual(self.billing("BIL-2").state, "paid")
        self.assertFalse(self.billing("BIL-2").payment_ids)
        self.assertEqual(self.amounts(), {"Paid": 100, "Credited": 0, "Due": 0, "Overpaid": 0})
        self.assertEqual(self.amounts("BIL-2"), {"Paid": 50, "Credited": 0, "Due": 0, "Overpaid": 0})
        self.assertEqual(sum(self.env["account.payment"].search([]).mapped("amount")), 150)

    def test_credit_is_used_once_and_the_rest_is_paid(self):
        self.send_ok("billings", self.bill("paid", payments=self.pay(150)))
        again = [self.bill("paid", f"BIL-{number}", lines=self.fee(40)) for number in (2, 3)]
        self.send_ok("billings", *again)
        billings = self.billing("BIL-2") + self.billing("BIL-3")
        self.assertEqual(billings.mapped("state"), ["paid", "paid"])
        self.assertEqual(sum(billings.payment_ids.mapped("amount")), 30)
        self.assertEqual(self.statuses(self.send_ok("billings", *again)), ["unchanged"] * 2)

    def test_credit_completes_the_payments_that_are_named(self):
        self.send_ok("billings", self.bill("paid", payments=self.pay(150)))
        short = self.bill("paid", "BIL-2", payments=self.pay(50, prefix="Q"))
        self.send_ok("billings", short)
        self.assertEqual((self.billing("BIL-2").state, self.amounts()["Overpaid"]), ("paid", 0))
        report = self.send("billings", {**short, "externalId": "BIL-3", "payments": self.pay(50, prefix="R")})
        self.assertEqual(self.codes(report), {"/payments": "payments_mismatch"})

    def test_credit_of_others_and_credit_that_is_not_asked_for_stay(self):
        self.env.ref("base.EUR").active = True
        self.send_ok("billings", self.bill("paid", payments=self.pay(150)))
        self.send_ok("billings", self.bill("sent", "BIL-2"))
        self.send_ok("billings", self.bill("paid", "BIL-3", currency="EUR"))
        self.send_ok("students", self.child("PAR-APP-2025-000123-M"))
        self.send_ok("billings", self.bill("paid", "BIL-4"))
        self.assertEqual(self.amounts()["Overpaid"], 50)
        self.assertEqual((self.amounts("BIL-2")["Due"], len(self.billing("BIL-4").payment_ids)), (100, 1))

    def credit(self, move, amount=None):
        wizard = self.env["account.move.reversal"].with_context(active_model="account.move", active_ids=move.ids)
        note = self.env["account.move"].browse(
            wizard.create({"journal_id": move.journal_id.id}).refund_moves()["res_id"]
        )
        if amount:
            note.invoice_line_ids.price_unit = amount
        note.action_post()
        lines = (move + note).line_ids.filtered(lambda line: line.account_type == "asset_receivable")
        lines.filtered(lambda line: not line.reconciled).reconcile()
        return note

    def test_credit_note_made_in_odoo(self):
        self.send_ok("billings", self.bill("partial", payments=self.pay(30)))
        billing = self.billing()
        note = self.credit(billing.move_id, 20)
        self.assertIn(note, billing.move_ids)
        self.assertEqual(self.amounts(), {"Paid": 30, "Credited": 20, "Due": 50, "Overpaid": 0})
        self.assertEqual(billing.state, "partial")
        report = self.send("billings", self.bill("cancelled"))
        self.assertEqual(self.codes(report), {"/status": "paid_invoice"})
        self.send_ok("billings", self.bill("paid", payments=self.pay(30, 50)))
        self.assertEqual(self.amounts(), {"Paid": 80, "Credited": 20, "Due": 0, "Overpaid": 0})
        self.send_ok("billings", self.bill("sent", "BIL-2"))
        self.credit(self.billing("BIL-2").move_id)
        self.assertEqual(self.given("BIL-2")["status"], "cancelled")
        self.assertEqual(self.amounts("BIL-2"), {"Paid": 0, "Credited": 100, "Due": 0, "Overpaid": 0})

    def test_invoice_credited_in_part_is_not_cancelled_whole(self):
        self.send_ok("billings", self.bill("sent"))
        self.credit(self.billing().move_id, 20)
        report = self.send("billings", self.bill("cancelled"))
        self.assertEqual(self.codes(report), {"/status": "credited_invoice"})
        self.assertIn("20.00", report.items[0].errors[0].detail)

    def test_discount_for_early_payment_is_taken(self):
        term = self.env["account.payment.term"].create(
            {
                "name": "2 % within ten days",
                "early_discount": True,
                "discount_percentage": 2,
                "discount_days": 10,
                "line_ids": [Command.create({"value": "percent", "value_amount": 100, "nb_days": 30})],
            }
        )
        for external_id, day, state in (("BIL-1", "2025-06-10", "paid"), ("BIL-2", "2025-06-20", "partial")):
            self.send_ok("billings", self.bill("draft", external_id))
            self.billing(external_id).move_id.invoice_payment_term_id = term
            self.send_ok("billings", self.bill("sent", external_id))
            payments = self.pay(98, prefix=external_id, date=day)
            self.send_ok("billings", self.bill("partial", external_id, payments=payments))
            self.assertEqual(self.billing(external_id).state, state)
        self.assertEqual(self.amounts(), {"Paid": 98, "Credited": 2, "Due": 0, "Overpaid": 0})
        discount = self.company.account_journal_early_pay_discount_loss_account_id
        lines = self.billing().payment_ids.payment_id.move_id.line_ids
        self.assertEqual(lines.filtered(lambda line: line.account_id == discount).balance, 2)

    def bounce(self, payment, how):
        if how == "cancelled":
            payment.action_draft()
            payment.action_cancel()
        else:
            payment.move_id._reverse_moves(cancel=True)

    def test_a_bounced_cheque_is_registered_again_under_its_id(self):
        for how in ("cancelled", "reversed"):
            with self.subTest(how):
                paid = self.bill("paid", how, payments=self.pay(100, prefix=how))
                self.send_ok("billings", paid)
                billing = self.billing(how)
                first = billing.payment_ids.payment_id
                self.bounce(first, how)
                self.assertEqual((self.given(how)["status"] in ("sent", "overdue"), billing.amount_due), (True, 100))
                self.assertFalse(self.given(how).get("payments"))
                # Said as before it stays bounced; on another day it was paid in again.
                self.send_ok("billings", {**paid, "notes": "Please pay"})
                self.assertEqual(billing.amount_due, 100)
                again = {**paid, "payments": self.pay(100, prefix=how, date="2025-06-24")}
                self.send_ok("billings", again)
                self.assertEqual((billing.state, billing.amount_due, len(billing.payment_ids)), ("paid", 0, 1))
                self.assertNotEqual(billing.payment_ids.payment_id, first)
                self.assertEqual(str(billing.payment_ids.payment_id.date), "2025-06-24")
                self.assertEqual(self.statuses(self.send_ok("billings", again)), ["unchanged"])
                # Left out, and then said again, as it was.
                self.bounce(billing.payment_ids.payment_id, how)
                self.send_ok("billings", {**paid, "status": "sent", "payments": []})
                self.assertEqual(billing.amount_due, 100)
                self.send_ok("billings", again)
                self.assertEqual(billing.amount_due, 0)

    def test_cancelled_in_a_locked_period_is_credited(self):
        self.send_ok("billings", self.bill("sent"), self.bill("sent", "BIL-2"))
        self.company.sudo().sale_lock_date = "2025-12-31"
        self.send_ok("billings", self.bill("cancelled"))
        billing = self.billing()
        self.assertEqual((billing.state, billing.move_id.state), ("cancelled", "posted"))
        note = billing.move_ids - billing.move_id
        self.assertEqual((note.move_type, note.state, note.amount_total), ("out_refund", "posted", 100))
        self.assertGreater(note.date, fields.Date.to_date("2025-12-31"))
        self.assertEqual(self.given()["status"], "cancelled")
        engine.archive(self.source, "billings", "BIL-2")
        self.assertEqual(self.billing("BIL-2").move_id.payment_state, "reversed")

    def test_cancelled_in_a_journal_that_keeps_every_entry_is_credited(self):
        journal = self.source._get_invoice_journal().sudo().copy({"name": "Sealed", "code": "SEAL"})
        journal.restrict_mode_hash_table = True
        self.source.sudo().invoice_journal_id = journal
        self.send_ok("billings", self.bill("sent"))
        billing = self.billing()
        self.assertTrue(billing.move_id.inalterable_hash)
        self.send_ok("billings", self.bill("cancelled"))
        self.assertEqual((billing.state, billing.move_id.state), ("cancelled", "posted"))
