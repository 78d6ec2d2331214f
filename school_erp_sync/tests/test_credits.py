"""Credits of a billing, as a source sends them on withdrawal: credit notes of its invoice, each once."""

from odoo.tests.common import tagged

from .test_billing_payments import FATHER_ID, MoneyCase


@tagged("post_install", "-at_install")
class TestCredits(MoneyCase):
    def credit(self, amount=40, external_id="CR-1", **fields):
        lines = [{"code": "FEE", "amount": amount}]
        return {"externalId": external_id, "date": "2025-06-20", "lines": lines, "reason": "Withdrawal", **fields}

    def notes(self):
        return self.billing().move_ids.filtered(lambda move: move.move_type == "out_refund" and move.state == "posted")

    def test_a_credit_is_one_credit_note_of_the_invoice(self):
        self.send_ok("billings", self.bill(lines=[{"code": "FEE", "amount": 60}, {"code": "BUS", "amount": 40}]))
        billing, document = (
            self.billing(),
            self.bill(lines=[{"code": "FEE", "amount": 60}, {"code": "BUS", "amount": 40}]),
        )
        account = billing.move_id.invoice_line_ids.account_id[:1].copy({"code": "499999"})
        billing.move_id.invoice_line_ids.filtered(
            lambda line: line.product_id.default_code == "FEE"
        ).account_id = account
        document["credits"] = [self.credit(total=40)]
        self.send_ok("billings", document)
        note = self.notes()
        self.assertEqual((note.reversed_entry_id, note.partner_id), (billing.move_id, billing.partner_id))
        self.assertEqual((note.amount_total, str(note.invoice_date), note.ref), (40, "2025-06-20", "Withdrawal"))
        self.assertEqual((note.journal_id, note.invoice_line_ids.account_id), (billing.move_id.journal_id, account))
        given = self.given()
        self.assertEqual((billing.state, billing.amount_due, given["amountCredited"]), ("partial", 60, 40))
        self.assertEqual((given["amountPaid"], given["credits"]), (0, document["credits"]))
        # Said again, in other words, or as GET gives it, it is nothing new.
        other = {**self.credit(), "lines": [{"code": "FEE", "label": "FEE", "unitPrice": "20.00", "quantity": 2}]}
        for again in (document, {**document, "credits": [other]}, {**given, "externalId": "BIL-1"}):
            self.assertEqual(self.statuses(self.send_ok("billings", again)), ["unchanged"])
        # A second one, and the first is left out: it stays.
        self.send_ok("billings", {**document, "credits": [self.credit(60, "CR-2")]})
        self.assertEqual((len(self.notes()), billing.amount_due), (2, 0))

    def test_what_does_not_fit_is_refused(self):
        self.send_ok("billings", self.bill())
        for changes, codes in (
            ({"credits": [self.credit(-5)]}, {"/credits/0/lines": "out_of_range"}),
            ({"credits": [self.credit(total=41)]}, {"/credits/0/total": "total_mismatch"}),
            ({"credits": [self.credit(), self.credit()]}, {"/credits": "named_twice"}),
            ({"credits": [self.credit(date="1970-01-01")]}, {"/credits/0/date": "out_of_range"}),
            ({"credits": [self.credit("1.001")]}, {"/credits/0/lines/0/amount": "too_precise"}),
            (
                {"credits": [self.credit(lines=[{"code": "FEE", "amount": 1, "taxes": ["None"]}])]},
                {"/credits/0/lines/0/taxes/0": "unknown_tax"},
            ),
            ({"credits": [self.credit()], "status": "cancelled"}, {"/credits": "not_payable"}),
        ):
            with self.subTest(changes=changes):
                self.assertEqual(self.codes(self.send("billings", {**self.bill(), **changes})), codes)
        self.assertFalse(self.notes())

    def test_a_changed_credit_follows_the_policy_of_posted_invoices(self):
        self.send_ok("billings", self.bill(credits=[self.credit()]))
        report = self.send("billings", self.bill(credits=[self.credit(50)]))
        self.assertEqual(self.codes(report), {"/credits/0": "posted_invoice"})
        self.source.sudo().posted_policy = "reissue"
        self.send_ok("billings", self.bill(credits=[self.credit(50)]))
        self.assertEqual((self.notes().amount_total, self.billing().amount_due), (50, 50))
        # The invoice is drawn up anew, and is credited all the same.
        self.send_ok("billings", self.bill(lines=[{"code": "FEE", "amount": 90}], credits=[self.credit(50)]))
        self.assertEqual(self.billing().amount_due, 40)
        self.company.fiscalyear_lock_date = "2025-06-30"
        report = self.send("billings", self.bill(lines=[{"code": "FEE", "amount": 90}], credits=[self.credit(60)]))
        self.assertEqual(self.codes(report), {"/credits/0": "posted_invoice"})

    def test_paid_and_credited_is_paid_and_what_is_too_much_can_be_refunded(self):
        receipt = {"externalId": "RCT-1", "payerExternalId": FATHER_ID, "date": "2025-06-10", "amount": 100}
        receipt |= {"currency": "USD", "allocations": [{"billingExternalId": "BIL-1", "amount": 100}]}
        payments = [{"externalId": "P-1", "date": "2025-06-10", "amount": 60}]
        self.send_ok("billings", self.bill("paid", "BIL-2", payments=payments, credits=[self.credit()]))
        self.assertEqual((self.billing("BIL-2").state, self.given("BIL-2")["amountPaid"]), ("paid", 60))
        self.send_ok("billings", self.bill())
        self.send_ok("payments", receipt)
        self.send_ok("billings", self.bill(credits=[self.credit(100)]))
        self.send_ok("payments", {**receipt, "status": "refunded"})
        billing = self.billing()
        self.assertEqual((billing.amount_due, billing.amount_credited, billing.amount_paid), (0, 100, 0))
        self.assertFalse(self.notes().line_ids.filtered("amount_residual"))

    def test_credit_notes_made_in_odoo_are_given_back(self):
        self.send_ok("billings", self.bill())
        note = self.billing().move_id._reverse_moves([{"invoice_date": "2025-06-21"}])
        note.invoice_line_ids.price_unit = 30
        note.action_post()
        given = self.given()
        self.assertEqual(given["otherCredits"], [{"date": "2025-06-21", "number": note.name, "amount": 30}])
        self.assertEqual((given["amountCredited"], given["amountDue"]), (30, 70))
        # What an accountant has cancelled is not made again.
        self.send_ok("billings", self.bill(credits=[self.credit()]))
        self.notes().filtered("school_credit").button_cancel()
        self.send_ok("billings", self.bill(credits=[self.credit()], notes="Thank you"))
        self.assertEqual(self.billing().amount_due, 70)

    def test_a_billing_below_zero_is_a_credit_note(self):
        document = self.bill("draft", lines=[{"code": "FEE", "amount": -60}, {"code": "BUS", "amount": 20}], total=-40)
        self.send_ok("billings", document)
        self.assertEqual((self.billing().amount_total, self.billing().move_id.move_type), (-40, "out_invoice"))
        document["status"] = "sent"
        self.send_ok("billings", document, {**document, "externalId": "BIL-2"}, self.bill(external_id="BIL-3"))
        for external_id in ("BIL-1", "BIL-2"):
            billing, given = self.billing(external_id), self.given(external_id)
            move = billing.move_id
            self.assertEqual((move.move_type, move.state, move.amount_total), ("out_refund", "posted", 40))
            self.assertEqual((billing.amount_total, billing.amount_due, billing.is_overdue), (-40, -40, False))
            self.assertEqual((given["total"], given["lines"], given["status"]), (-40, document["lines"], "sent"))
            for again in ({**document, "externalId": external_id}, {**given, "externalId": external_id}):
                self.assertEqual(self.statuses(self.send_ok("billings", again)), ["unchanged"])
        payments = [{"externalId": "P-1", "date": "2025-06-10", "amount": 40}]
        report = self.send("billings", {**document, "payments": payments})
        self.assertEqual(self.codes(report), {"/payments": "not_payable"})
        report = self.send("billings", {**document, "lines": [{"code": "FEE", "amount": -50}], "total": -50})
        self.assertEqual(self.codes(report), {"/lines": "posted_invoice", "/total": "posted_invoice"})
        # Drawn up anew, it is a credit note over less, and then an invoice.
        self.source.sudo().posted_policy = "reissue"
        for amount, move_type in ((-50, "out_refund"), (30, "out_invoice")):
            self.send_ok("billings", {**document, "lines": [{"code": "FEE", "amount": amount}], "total": amount})
            billing = self.billing()
            self.assertEqual((billing.amount_due, billing.move_id.move_type), (amount, move_type))
            self.assertEqual(billing.move_id.state, "posted")
        # What the family has to the good pays the next billing that is said to be paid.
        self.send_ok("billings", self.bill("paid", "BIL-4", lines=[{"code": "FEE", "amount": 40}]))
        self.assertEqual((self.billing("BIL-4").state, len(self.billing("BIL-4").payment_ids)), ("paid", 0))
