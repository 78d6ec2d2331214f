from odoo.fields import Command
from odoo.tests.common import tagged

from .common import FATHER, MOTHER, STUDENT, AccountingCase

FATHER_ID, MOTHER_ID, STUDENT_ID = FATHER["externalId"], MOTHER["externalId"], STUDENT["externalId"]


class MoneyCase(AccountingCase):
    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", self.child(FATHER_ID))

    def child(self, *payers):
        links = [{"externalId": one, "pays": one in payers} for one in (FATHER_ID, MOTHER_ID)]
        return {**STUDENT, "parents": links}

    def bill(self, status="sent", external_id="BIL-1", **fields):
        return {
            "externalId": external_id,
            "studentExternalId": STUDENT_ID,
            "issueDate": "2025-06-01",
            "dueDate": "2025-06-30",
            "currency": "USD",
            "status": status,
            "lines": [{"code": "FEE", "amount": 100}],
            **fields,
        }

    def billing(self, external_id="BIL-1"):
        return self._record("billings", external_id)

    def given(self, external_id="BIL-1"):
        return self.document("billings", external_id)

    def live_payments(self):
        return self.billing().payment_ids.payment_id.filtered(lambda one: one.state in ("in_process", "paid"))


@tagged("post_install", "-at_install")
class TestBillingPayments(MoneyCase):
    def payments(self, *amounts, date="2025-06-10"):
        return [
            {"externalId": f"P-{number}", "date": date, "amount": amount} for number, amount in enumerate(amounts, 1)
        ]

    def test_paid_and_then_the_payment_it_was_is_one_payment(self):
        self.send_ok("billings", self.bill("paid"))
        self.send_ok("billings", self.bill("paid", payments=self.payments(100)))
        self.assertEqual(self.live_payments().mapped("amount"), [100])
        self.assertEqual(str(self.live_payments().date), "2025-06-10")
        self.assertEqual(self.billing().payment_ids.mapped("external_id"), ["P-1"])
        given = self.given()
        self.assertEqual((given["amountPaid"], given["amountDue"], given["amountOverpaid"]), (100, 0, 0))
        self.assertEqual(self.billing().state, "paid")

    def test_paid_and_then_several_payments_are_those(self):
        self.send_ok("billings", self.bill("paid"))
        self.send_ok("billings", self.bill("paid", payments=self.payments(60, 40)))
        self.assertEqual(sorted(self.live_payments().mapped("amount")), [40, 60])
        self.assertEqual((self.billing().state, self.given()["amountPaid"]), ("paid", 100))

    def test_paid_and_then_payments_that_are_too_few_change_nothing(self):
        self.send_ok("billings", self.bill("paid"))
        report = self.send("billings", self.bill("paid", payments=self.payments(60)))
        self.assertEqual(self.codes(report), {"/payments": "payments_mismatch"})
        self.assertEqual((self.live_payments().mapped("amount"), self.billing().state), ([100], "paid"))

    def test_a_bounced_cheque_is_not_registered_again(self):
        """Cancelled or unreconciled by an accountant, a payment is no more paid by a document about something else."""
        for number, undo in enumerate((self.cancel, self.unreconcile)):
            with self.subTest(undo.__name__):
                external_id = f"BIL-{number}"
                document = self.bill("paid", external_id)
                self.send_ok("billings", document)
                billing = self.billing(external_id)
                undo(billing.payment_ids.payment_id)
                report = self.send_ok("billings", {**document, "notes": "Please pay", "dueDate": "2025-07-31"})
                self.assertIn("open", " ".join(report.items[0].warnings))
                self.assertEqual((len(billing.payment_ids), billing.amount_due), (1, 100))
                self.assertNotEqual(billing.state, "paid")
                # Said to be due, and then to be paid again, it is.
                self.send_ok("billings", {**document, "status": "sent"})
                self.send_ok("billings", document)
                self.assertEqual(billing.amount_due, 0)

    def cancel(self, payment):
        payment.action_draft()
        payment.action_cancel()

    def unreconcile(self, payment):
        payment.move_id.line_ids.remove_move_reconcile()

    def test_what_an_accountant_unreconciled_is_not_reconciled_by_the_next_payment(self):
        self.send_ok("billings", self.bill("partial", payments=self.payments(30)))
        first = self.billing().payment_ids
        self.unreconcile(first.payment_id)
        self.send_ok("billings", self.bill("partial", payments=self.payments(30, 20)))
        self.assertEqual(self.billing().amount_due, 80)

    def test_more_than_the_total_is_told(self):
        self.send_ok("billings", self.bill("paid", payments=self.payments(100, 50)))
        given = self.given()
        self.assertEqual((given["amountPaid"], given["amountDue"], given["amountOverpaid"]), (150, 0, 50))

    def test_what_accountants_registered_is_told(self):
        self.send_ok("billings", self.bill())
        register = self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=self.billing().move_id.ids
        )
        register.create({"amount": 40, "payment_date": "2025-06-15"})._create_payments()
        given = self.given()
        self.assertEqual(given["amountPaid"], 40)
        self.assertEqual([(one["date"], one["amount"]) for one in given["otherPayments"]], [("2025-06-15", 40)])

    def test_payment_waits_on_the_account_of_the_payment_method(self):
        journal = self.source._get_payment_journal().sudo()
        account = self.env["account.account"].create(
            {"name": "Cheques to Deposit", "code": "101499", "account_type": "asset_current", "reconcile": True}
        )
        journal.inbound_payment_method_line_ids.payment_account_id = account
        self.send_ok("billings", self.bill("paid", payments=self.payments(100)))
        self.assertEqual(self.live_payments().outstanding_account_id, account)
        self.assertEqual(self.billing().state, "paid")

    def test_receivable_of_the_customer_changed_after_invoicing(self):
        self.send_ok("billings", self.bill("sent"))
        account = self.env["account.account"].create(
            {"name": "School Families", "code": "121099", "account_type": "asset_receivable", "reconcile": True}
        )
        before = self.billing().move_id.line_ids.account_id
        self.billing().partner_id.property_account_receivable_id = account
        self.send_ok("billings", self.bill("paid", payments=self.payments(100)))
        self.assertEqual(self.billing().state, "paid")
        self.assertLessEqual(self.live_payments().destination_account_id, before)

    def test_lines_that_people_add_can_be_sent_as_they_are_given(self):
        for status in ("draft", "sent"):
            external_id = f"BIL-{status}"
            self.send_ok("billings", self.bill("draft", external_id=external_id))
            move = self.billing(external_id).move_id
            move.invoice_line_ids = [
                Command.create({"name": "Discount by hand", "price_unit": 10, "quantity": -1, "tax_ids": []}),
                Command.create({"name": "Stamp", "price_unit": 0, "quantity": 0, "tax_ids": []}),
            ]
            if status == "sent":
                move.action_post()
            before = [(line.name, line.quantity, line.price_unit) for line in move.invoice_line_ids]
            given = self.given(external_id)
            report = self.send_ok("billings", given)
            self.assertEqual(self.statuses(report), ["unchanged"], status)
            self.assertEqual([(line.name, line.quantity, line.price_unit) for line in move.invoice_line_ids], before)


@tagged("post_install", "-at_install")
class TestBillingPayer(MoneyCase):
    def customer(self):
        return self.billing().move_id.partner_id.name

    def test_a_draft_follows_whoever_pays(self):
        self.send_ok("billings", self.bill("draft"))
        self.assertEqual(self.customer(), FATHER["name"])
        self.send_ok("students", self.child(MOTHER_ID))
        self.assertEqual(self.customer(), MOTHER["name"])
        self.send_ok("billings", self.bill())
        self.assertEqual((self.customer(), self.billing().move_id.state), (MOTHER["name"], "posted"))
        self.assertFalse(self.billing().payer_id)

    def test_both_orders_end_at_one_customer(self):
        self.send_ok("students", self.child(MOTHER_ID))
        self.send_ok("billings", self.bill("draft"))
        self.assertEqual(self.customer(), MOTHER["name"])

    def test_a_posted_invoice_stays_addressed(self):
        self.send_ok("billings", self.bill())
        self.send_ok("students", self.child(MOTHER_ID))
        self.assertEqual(self.customer(), FATHER["name"])
        self.assertEqual(self.statuses(self.send_ok("billings", self.bill())), ["unchanged"])

    def test_a_customer_whom_somebody_chose_stays(self):
        employer = self.env["res.partner"].create({"name": "Employer"})
        self.send_ok("billings", self.bill("draft"))
        self.billing().move_id.partner_id = employer
        self.send_ok("students", self.child(MOTHER_ID))
        self.assertEqual(self.customer(), "Employer")

    def test_a_payer_who_is_named_stays(self):
        self.send_ok("billings", self.bill("draft", payerExternalId=FATHER_ID))
        self.send_ok("students", self.child(MOTHER_ID))
        self.assertEqual(self.customer(), FATHER["name"])

    def test_a_change_in_odoo_counts_too(self):
        self.send_ok("billings", self.bill("draft"))
        links = self.student(STUDENT_ID).link_ids
        links.filtered("pays").unlink()
        self.assertEqual(self.customer(), MOTHER["name"])

    def test_two_who_pay_deserve_a_warning(self):
        self.send_ok("students", self.child(FATHER_ID, MOTHER_ID))
        report = self.send_ok("billings", self.bill())
        self.assertIn("Several guardians pay", report.items[0].warnings[0])
        self.assertEqual(self.customer(), FATHER["name"])

    def test_product_of_the_school_goes_before_a_shared_one(self):
        products = self.env["product.product"]
        own = products.create({"name": "Own Fee", "default_code": "FEE", "company_id": self.company.id})
        shared = products.create({"name": "Shared Fee", "default_code": "FEE", "company_id": False})
        self.send_ok("billings", self.bill())
        self.assertEqual(self.billing().move_id.invoice_line_ids.product_id, own)
        own.default_code = "OLD"
        self.send_ok("billings", self.bill(external_id="BIL-2"))
        self.assertEqual(self.billing("BIL-2").move_id.invoice_line_ids.product_id, shared)


@tagged("post_install", "-at_install")
class TestBranch(AccountingCase):
    """A campus that is a branch of its district bills with what the district has."""

    def test_branch_uses_journal_tax_and_product_of_its_parent(self):
        district = self.company
        campus = self.env["res.company"].create({"name": "North Campus", "parent_id": district.id})
        self.env.user.company_ids |= campus
        source = self.as_api_user(self.env["school.sync.source"].create({"name": "SIS", "company_id": campus.id}))
        tax = self.env["account.tax"].create(
            {"name": "District Tax", "amount": 10, "type_tax_use": "sale", "company_id": district.id}
        )
        product = self.env["product.product"].create(
            {"name": "Fee", "default_code": "FEE", "company_id": district.id, "taxes_id": False}
        )
        self.send_ok("students", {"externalId": "S", "fullName": "Leela"}, source=source)
        self.send_ok("parents", {"externalId": "P", "name": "Asha", "students": ["S"]}, source=source)
        document = {
            "externalId": "B",
            "studentExternalId": "S",
            "payerExternalId": "P",
            "issueDate": "2025-06-01",
            "dueDate": "2025-06-30",
            "currency": "USD",
            "status": "paid",
            "lines": [{"code": "FEE", "amount": 100, "taxes": ["District Tax"]}],
        }
        report = self.send_ok("billings", document, source=source)
        move = self.env["school.billing"].browse(report.items[0].res_id).move_id
        self.assertEqual((move.company_id, move.payment_state), (campus, "paid"))
        self.assertEqual(move.journal_id.company_id, district)
        self.assertEqual((move.invoice_line_ids.tax_ids, move.invoice_line_ids.product_id), (tax, product))
