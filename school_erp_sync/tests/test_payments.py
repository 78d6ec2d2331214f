"""Payments as documents: one receipt for several billings and siblings, and what becomes of it."""

from odoo.exceptions import UserError
from odoo.tests.common import tagged

from ..sync import engine
from .test_billing_payments import FATHER_ID, MOTHER_ID, MoneyCase


@tagged("post_install", "-at_install")
class TestPayments(MoneyCase):
    def setUp(self):
        super().setUp()
        sibling = {**self.child(FATHER_ID), "externalId": "STU-2", "fullName": "Rita Sharma"}
        self.send_ok("students", self.child(FATHER_ID), sibling)
        self.send_ok("billings", self.bill(), {**self.bill(external_id="BIL-2"), "studentExternalId": "STU-2"})

    def receipt(self, *amounts, **more):
        """A receipt of 150; ``amounts`` are for BIL-1, BIL-2, …"""
        allocations = [
            {"billingExternalId": f"BIL-{number}", "amount": amount}
            for number, amount in enumerate(amounts, 1)
            if amount
        ]
        return {
            "externalId": "RCT-1",
            "payerExternalId": FATHER_ID,
            "date": "2025-06-10",
            "amount": 150,
            "currency": "USD",
            **({"allocations": allocations} if amounts else {}),
            **more,
        }

    def payment(self, external_id="RCT-1"):
        return self._record("payments", external_id)

    def due(self):
        return [self.billing(name).amount_due for name in ("BIL-1", "BIL-2")]

    def booked(self):
        """The payments of the guardian that stand in the books, by amount."""
        payments = self.env["account.payment"].search([("partner_id", "=", self.parent(FATHER_ID).partner_id.id)])
        return sorted(one.amount_signed for one in payments if one.state in ("in_process", "paid"))

    def test_one_payment_pays_billings_of_siblings_by_just_what_is_allocated(self):
        self.send_ok("payments", self.receipt(60, 70, method="check", reference="4711"))
        payment = self.payment()
        self.assertEqual((self.due(), self.booked(), payment.amount_on_account), ([40, 30], [150], 20))
        booked = payment.payment_id
        self.assertEqual((booked.partner_id, str(booked.date)), (self.parent(FATHER_ID).partner_id, "2025-06-10"))
        self.assertIn("4711", booked.memo)
        self.assertEqual(self.billing().state, "partial")
        given = self.document("payments", "RCT-1")
        self.assertEqual((given["amountOnAccount"], given["allocations"]), (20, self.receipt(60, 70)["allocations"]))
        self.assertEqual(given["payment"]["number"], booked.name)
        given = self.given()
        self.assertEqual((given["amountPaid"], given["amountDue"], given.get("otherPayments")), (60, 40, None))
        self.assertEqual([(one["externalId"], one["amount"]) for one in given["payments"]], [("RCT-1", 60)])
        # Said again, in other words, or as GET gives it, it is nothing new; nor is what GET gives of the billing.
        again = self.receipt(60, 70, method="check", reference="4711", status="received", amount="150.00")
        again["allocations"].reverse()
        for entity, document in (
            ("payments", again),
            ("payments", self.document("payments", "RCT-1")),
            ("billings", {**given, "externalId": "BIL-1"}),
        ):
            self.assertEqual(self.statuses(self.send_ok(entity, document)), ["unchanged"])
        self.assertEqual((self.due(), self.booked()), ([40, 30], [150]))

    def test_an_accountant_goes_from_the_receipt_to_a_billing_and_back(self):
        self.send_ok("payments", self.receipt(60, 70))
        clerk = self.env["res.users"].create(
            {
                "name": "Clerk",
                "login": "clerk",
                "group_ids": [(6, 0, self.env.ref("account.group_account_invoice").ids)],
            }
        )
        allocation = self.payment().allocation_ids.with_user(clerk)[:1]
        for action, record in (
            (allocation.action_open_billing(), self.billing()),
            (allocation.action_open_payment(), self.payment()),
        ):
            self.assertEqual((action["res_model"], action["res_id"]), (record._name, record.id))

    def test_it_waits_for_a_billing_that_is_not_known(self):
        document = self.receipt(50, 0, 100)
        self.assertEqual(self.statuses(self.send("payments", document)), ["parked"])
        self.assertEqual(self.booked(), [])
        self.send_ok("billings", self.bill(external_id="BIL-3"))
        self.assertEqual((self.due(), self.billing("BIL-3").amount_due, self.booked()), ([50, 100], 0, [150]))

    def test_what_does_not_fit_is_refused_or_stays_on_account(self):
        self.send_ok(
            "billings",
            self.bill(external_id="MOTHERS", payerExternalId=MOTHER_ID),
            self.bill(external_id="EUROS", currency=self.euro()),
        )

        def allocated(name):
            return [{"billingExternalId": name, "amount": 10}]

        for changes, codes in (
            ({"allocations": self.receipt(90, 70)["allocations"]}, {"/allocations": "over_allocated"}),
            ({"allocations": allocated("MOTHERS")}, {"/allocations/0/billingExternalId": "other_customer"}),
            ({"allocations": allocated("EUROS")}, {"/allocations/0/billingExternalId": "other_currency"}),
            ({"allocations": allocated("BIL-1") * 2}, {"/allocations": "named_twice"}),
            ({"journal": "NONE"}, {"/journal": "unknown_journal"}),
            ({"payerExternalId": None}, {"/payerExternalId": "required"}),
            ({"amount": "1.001"}, {"/amount": "too_precise"}),
            ({"date": "1970-01-01"}, {"/date": "out_of_range"}),
        ):
            with self.subTest(changes=changes):
                self.assertEqual(self.codes(self.send("payments", {**self.receipt(), **changes})), codes)
        self.assertEqual(self.booked(), [])
        report = self.send_ok("payments", self.receipt(120, 30))
        self.assertIn("20.00 more than is due", " ".join(report.items[0].warnings))
        self.assertEqual((self.due(), self.payment().amount_on_account), ([0, 70], 20))
        # Nobody is named: it is booked for the customer of the billings.
        self.send_ok("payments", {**self.receipt(0, 70, payerExternalId=None), "externalId": "RCT-2", "amount": 70})
        self.assertEqual((self.due(), self.booked()), ([0, 0], [70, 150]))

    def euro(self):
        self.env.ref("base.EUR").active = True
        return "EUR"

    def test_another_currency_is_reconciled_for_what_is_allocated(self):
        self.euro()
        self.env["res.currency.rate"].create(
            [
                {"currency_id": self.env.ref("base.EUR").id, "name": day, "rate": rate}
                for day, rate in (("2025-01-01", 0.8), ("2025-06-05", 0.9))
            ]
        )
        self.send_ok("billings", self.bill(external_id="BIL-3", currency="EUR"))
        self.send_ok("payments", self.receipt(0, 0, 60, currency="EUR"))
        self.assertEqual((self.billing("BIL-3").amount_due, self.payment().amount_on_account), (40, 90))
        self.send_ok("payments", self.receipt(0, 0, 100, currency="EUR"))
        billing = self.billing("BIL-3")
        self.assertEqual((billing.amount_due, billing.state, self.payment().amount_on_account), (0, "paid", 50))
        self.assertFalse(billing.move_id.line_ids.filtered("amount_residual"))

    def test_a_newer_list_is_the_whole_list(self):
        self.send_ok("payments", self.receipt(60, 70))
        booked = self.payment().payment_id
        self.send_ok("payments", self.receipt(90))
        self.assertEqual((self.due(), self.payment().amount_on_account), ([10, 100], 60))
        self.send_ok("payments", self.receipt(reference="4711"))
        self.assertEqual((self.due(), self.payment().payment_id, self.booked()), ([10, 100], booked, [150]))
        self.send_ok("payments", self.receipt(allocations=[]))
        self.assertEqual((self.due(), self.payment().amount_on_account), ([100, 100], 150))

    def test_the_money_of_a_registered_payment_is_not_rewritten(self):
        self.send_ok("payments", self.receipt(60, 70))
        for path, value in (("amount", 160), ("date", "2025-06-11")):
            report = self.send("payments", self.receipt(60, 70, **{path: value}))
            self.assertEqual(self.codes(report), {f"/{path}": "registered_payment"})
        self.source.sudo().posted_policy = "reissue"
        self.send_ok("payments", self.receipt(60, 70, amount=130))
        self.assertEqual((self.due(), self.booked(), self.payment().amount_on_account), ([40, 30], [130], 0))

    def test_reversed_is_due_again_and_may_be_received_again(self):
        self.send_ok("payments", self.receipt(60, 70))
        first = self.payment().payment_id
        for _repeated in range(2):
            self.send_ok("payments", self.receipt(60, 70, status="reversed"))
            self.assertEqual((self.due(), self.booked(), first.state), ([100, 100], [], "canceled"))
        self.assertEqual(self.given().get("payments", []), [])
        self.send_ok("payments", self.receipt(60, 70, status="received"))
        self.assertEqual((self.due(), self.booked()), ([40, 30], [150]))
        self.assertNotEqual(self.payment().payment_id, first)

    def test_reversed_in_a_locked_period_is_reversed_on_the_day_it_came_back(self):
        self.send_ok("payments", self.receipt(60, 70))
        self.company.fiscalyear_lock_date = "2025-06-30"
        self.send_ok("payments", self.receipt(60, 70, status="reversed", returnDate="2025-07-03"))
        payment = self.payment()
        reversal = payment.payment_id.move_id.reversal_move_ids
        self.assertEqual((self.due(), payment.state, str(reversal.date)), ([100, 100], "reversed", "2025-07-03"))
        self.assertFalse((payment.payment_id.move_id + reversal).line_ids.filtered("amount_residual"))

    def test_refunded_is_money_given_back(self):
        self.send_ok("payments", self.receipt(60, 70))
        self.send_ok("payments", self.receipt(60, 70, status="refunded", returnDate="2025-07-03"))
        payment = self.payment()
        self.assertEqual((self.due(), self.booked(), payment.state), ([100, 100], [-150, 150], "refunded"))
        self.assertEqual(str(payment.refund_id.date), "2025-07-03")
        lines = payment.payment_id.move_id.line_ids + payment.refund_id.move_id.line_ids
        self.assertFalse(lines.filtered(lambda one: one.account_type == "asset_receivable" and one.amount_residual))
        report = self.send("payments", self.receipt(60, 70, status="received"))
        self.assertEqual(self.codes(report), {"/status": "registered_payment"})

    def test_what_an_accountant_undid_is_the_accountants(self):
        self.send_ok("payments", self.receipt(60, 70))
        payment, invoice = self.payment(), self.billing().move_id
        invoice.line_ids.remove_move_reconcile()
        given = self.document("payments", "RCT-1")
        self.assertEqual(given["allocations"], [{"billingExternalId": "BIL-2", "amount": 70}])
        self.send_ok("payments", self.receipt(60, 70, reference="4711"))
        self.send_ok("payments", self.receipt(60, 80))
        self.assertEqual(self.due(), [100, 20])
        report = self.send_ok("payments", self.receipt(65, 80))
        self.assertIn("changed in Odoo", " ".join(report.items[0].warnings))
        self.assertEqual(self.due(), [100, 20])
        payment.payment_id.action_cancel()
        self.assertEqual(self.document("payments", "RCT-1")["status"], "reversed")
        report = self.send_ok("payments", self.receipt(65, 80, reference="4712"))
        self.assertIn("cancelled", " ".join(report.items[0].warnings))
        self.assertEqual((self.due(), self.booked()), ([100, 100], []))
        with self.assertRaises(UserError):
            payment.unlink()

    def test_archived_is_reversed_and_sent_again_received(self):
        self.send_ok("payments", self.receipt(60, 70))
        engine.archive(self.source, "payments", "RCT-1")
        self.assertEqual((self.due(), self.booked(), self.payment().active), ([100, 100], [], False))
        self.send_ok("payments", self.receipt(60, 70))
        self.assertEqual((self.due(), self.booked(), self.payment().active), ([40, 30], [150], True))

    def test_it_pays_a_draft_once_a_document_posts_it(self):
        self.send_ok("billings", self.bill("draft", "BIL-3"))
        report = self.send_ok("payments", self.receipt(0, 0, 100))
        self.assertIn("not posted", " ".join(report.items[0].warnings))
        self.assertEqual(self.payment().amount_on_account, 150)
        self.send_ok("billings", self.bill("paid", "BIL-3"))
        self.assertEqual((self.billing("BIL-3").state, self.booked()), ("paid", [150]))

    def test_an_invoice_drawn_up_anew_is_paid_by_it(self):
        self.source.sudo().posted_policy = "reissue"
        self.send_ok("payments", self.receipt(60, 70))
        self.send_ok("billings", self.bill(lines=[{"code": "FEE", "amount": 90}]))
        self.assertEqual((self.due(), self.booked(), self.payment().amount_on_account), ([30, 30], [150], 20))

    def test_sent_with_the_billings_and_as_a_document_it_counts_once(self):
        """In any order, whatever the document says of its allocations."""
        bills = [
            self.bill(
                "partial", f"BIL-{number}", payments=[{"externalId": "RCT-1", "date": "2025-06-10", "amount": paid}]
            )
            for number, paid in ((1, 60), (2, 70))
        ]
        bills[1]["studentExternalId"] = "STU-2"
        for says in (self.receipt(60, 70), self.receipt()):
            for order in ("document first", "document last", "between"):
                with self.subTest(order, says=says.get("allocations")), self.env.cr.savepoint() as savepoint:
                    steps = [("billings", bills[0]), ("billings", bills[1])]
                    steps.insert(("document first", "between", "document last").index(order), ("payments", says))
                    for entity, document in steps:
                        self.send_ok(entity, document)
                    self.assertEqual((self.due(), self.booked()), ([40, 30], [150]))
                    self.assertEqual(self.payment().amount_on_account, 20)
                    for entity, document in steps:
                        self.assertEqual(self.statuses(self.send_ok(entity, document)), ["unchanged"])
                    savepoint.close(rollback=True)
                    self.env.invalidate_all()

    def test_it_is_the_payment_of_a_billing_that_was_said_to_be_paid(self):
        self.send_ok("billings", self.bill("paid"))
        self.assertEqual(self.booked(), [100])
        self.send_ok("payments", self.receipt(100))
        self.assertEqual((self.due(), self.booked()), ([0, 100], [150]))

    def test_a_payment_made_in_odoo_is_not_touched(self):
        register = self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=self.billing().move_id.ids
        )
        register.create({"amount": 70, "payment_date": "2025-06-15"})._create_payments()
        report = self.send_ok("payments", self.receipt(60, 70))
        self.assertIn("30.00 more than is due", " ".join(report.items[0].warnings))
        self.assertEqual((self.due(), self.booked(), self.payment().amount_on_account), ([0, 30], [70, 150], 50))

    def test_many_are_registered_together(self):
        receipts = [{**self.receipt(10, 5), "externalId": f"RCT-{number}", "amount": 15} for number in range(1, 6)]
        bad = {**receipts[0], "externalId": "RCT-9", "journal": "NONE"}
        report = self.send("payments", *receipts, bad)
        self.assertEqual(self.statuses(report), ["created"] * 5 + ["failed"])
        self.assertEqual((self.due(), self.booked()), ([50, 75], [15] * 5))

    def test_what_has_become_its_own_document_is_nobody_elses(self):
        """Of a billing that was said to be paid, and not how: one receipt is that payment; the next is other money."""
        self.send_ok("billings", self.bill("paid"))
        first = self.receipt(100, amount=100, date="2025-06-01")
        self.send_ok("payments", first)
        self.send_ok("payments", {**self.receipt(20, amount=20), "externalId": "RCT-2"})
        self.assertEqual((self.due(), self.booked(), self.payment().state), ([0, 100], [20, 100], "received"))
        other = {"externalId": "P-2", "date": "2025-06-10", "amount": 100}
        self.send_ok("billings", self.bill("paid", payments=[other]))
        self.assertEqual((self.due(), self.booked(), self.payment().date.day), ([0, 100], [20, 100, 100], 1))
        self.assertEqual(self.statuses(self.send_ok("payments", first)), ["unchanged"])

    def test_returned_before_it_was_sent_as_a_document(self):
        """A billing has reported the payment; that it came back is the first that its own document says."""
        paid = {"externalId": "RCT-1", "date": "2025-06-10", "amount": 60}
        for status, booked in (("reversed", []), ("refunded", [-60, 60])):
            with self.subTest(status), self.env.cr.savepoint() as savepoint:
                self.send_ok("billings", self.bill("partial", payments=[paid]))
                document = self.receipt(60, amount=60, status=status)
                for _repeated in range(2):
                    self.send_ok("payments", document)
                    self.assertEqual((self.due(), self.booked()), ([100, 100], booked))
                    self.assertEqual(self.payment().state, status)
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    def test_a_draft_with_an_allocation_keeps_its_currency(self):
        self.send_ok("billings", self.bill("draft", "BIL-3"))
        self.send_ok("payments", self.receipt(0, 0, 60))
        report = self.send("billings", self.bill("sent", "BIL-3", currency=self.euro()))
        self.assertEqual(self.codes(report), {"/currency": "registered_payment"})
        # Changed by somebody in Odoo, the money stays on account.
        self.billing("BIL-3").move_id.currency_id = self.env.ref("base.EUR")
        self.send_ok("billings", self.bill("sent", "BIL-3"))
        self.assertEqual((self.billing("BIL-3").amount_due, self.payment().amount_on_account), (100, 150))

    def test_a_credit_note_takes_no_payment(self):
        self.send_ok("billings", self.bill(external_id="BIL-3", lines=[{"code": "FEE", "amount": -100}]))
        report = self.send("payments", self.receipt(0, 0, 60))
        self.assertEqual(self.codes(report), {"/allocations/0/billingExternalId": "not_payable"})
        self.assertEqual(self.booked(), [])

    def test_of_a_draft_whose_invoice_somebody_deleted_it_is_the_familys(self):
        self.send_ok("billings", self.bill("draft", "BIL-3"))
        self.billing("BIL-3").move_id.unlink()
        self.send_ok("payments", self.receipt(0, 0, 60, payerExternalId=None))
        self.assertEqual(self.booked(), [150])

    def test_a_refusal_names_only_what_is_wrong(self):
        for changes, codes in (
            ({"amount": 0}, {"/amount": "out_of_range"}),
            ({"date": "2025-13-01"}, {"/date": "invalid_date"}),
        ):
            self.assertEqual(self.codes(self.send("payments", self.receipt(**changes))), codes)
