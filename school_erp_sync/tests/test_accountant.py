from odoo.fields import Command
from odoo.tests.common import Form, new_test_user, tagged

from ..sync import engine
from .common import FATHER, MOTHER, STUDENT, AccountingCase
from .test_billing import BILLING
from .test_conflicts import ConflictCase

FATHER_ID = FATHER["externalId"]


@tagged("post_install", "-at_install")
class TestAccountant(ConflictCase, AccountingCase):
    """What accountants do with the invoices of billings, and what the next document makes of it."""

    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", {**STUDENT, "parents": [{"externalId": FATHER_ID, "pays": True}]})
        self.tax = self.env["account.tax"].create(
            {"name": "School Tax", "amount": 10, "type_tax_use": "sale", "company_id": self.company.id}
        )

    def billing(self):
        return self._record("billings", "BIL-1")

    def draft(self, **more):
        return {**BILLING, "status": "draft", "total": None, **more}

    def sent(self, **more):
        return {**BILLING, "total": None, **more}

    def test_accountant_who_knows_nothing_of_the_sync(self):
        self.send_ok("billings", self.draft())
        accountant = new_test_user(self.env, "accountant", groups="account.group_account_manager")
        invoice = self.billing().move_id.with_user(accountant)
        self.env.invalidate_all()
        with Form(invoice) as form:
            form.invoice_date_due = "2025-08-31"
            form.ref = "OURS"
            form.partner_id = self.parent(MOTHER["externalId"]).partner_id
            with form.invoice_line_ids.edit(0) as line:
                line.price_unit = 310
        self.env.flush_all()
        billing = self.billing()
        self.assertEqual(
            (str(billing.due_date), billing.invoice_number, billing.payer_id.name, billing.amount_total),
            ("2025-08-31", "OURS", MOTHER["name"], 399.37),
        )
        invoice.action_post()
        payment = (
            self.env["account.payment.register"]
            .with_user(accountant)
            .with_context(active_model="account.move", active_ids=invoice.ids)
        )
        payment.create({"amount": 100, "payment_date": "2025-06-15"})._create_payments()
        self.assertEqual(billing.state, "partial")
        invoice.copy().unlink()
        invoice.button_draft()
        invoice.button_cancel()
        self.env.flush_all()
        self.assertEqual(billing.state, "cancelled")
        self.send_ok("billings", self.draft(externalId="BIL-2"))
        other = self._record("billings", "BIL-2")
        other.move_id.with_user(accountant).unlink()
        self.env.flush_all()
        self.assertFalse(other.move_id)

    def test_invoice_of_a_draft_deleted(self):
        self.policy("odoo")
        self.send_ok("billings", self.draft())
        self.billing().move_id.unlink()
        self.send_ok("billings", self.sent(notes="Second term", lines=[{"code": "A", "amount": 5}]))
        invoice = self.billing().move_id
        self.assertEqual((invoice.state, invoice.amount_total), ("posted", 5))

    def test_invoice_of_a_draft_deleted_and_then_sent(self):
        self.send_ok("billings", self.draft())
        self.billing().move_id.unlink()
        self.send_ok("billings", self.sent())
        invoice = self.billing().move_id
        self.assertEqual((invoice.state, invoice.amount_total), ("posted", 389.37))

    def test_reissue_keeps_what_people_did(self):
        self.source.sudo().posted_policy = "reissue"
        self.send_ok("billings", self.sent())
        invoice = self.billing().move_id
        invoice.button_draft()
        account = invoice.invoice_line_ids[0].account_id.copy({"code": "SCHOOL.2"})
        invoice.invoice_line_ids[0].write({"price_unit": 250, "account_id": account.id})
        company = self.env["res.partner"].create({"name": "Employer", "is_company": True})
        invoice.partner_id = company
        invoice.action_post()
        self.send_ok("billings", self.sent(issueDate="2025-06-02"))
        again = self.billing().move_id
        self.assertNotEqual(again, invoice)
        self.assertEqual((str(again.invoice_date), again.state, again.amount_total), ("2025-06-02", "posted", 339.37))
        self.assertEqual((again.invoice_line_ids[0].account_id, again.partner_id), (account, company))

    def test_payment_terms_on_the_invoice(self):
        term = self.env["account.payment.term"].create(
            {
                "name": "Twice",
                "line_ids": [
                    Command.create({"value": "percent", "value_amount": 50, "nb_days": 0}),
                    Command.create({"value": "percent", "value_amount": 50, "nb_days": 60}),
                ],
            }
        )
        self.send_ok("billings", self.draft())
        invoice = self.billing().move_id
        invoice.invoice_payment_term_id = term
        self.assertEqual(str(self.billing().due_date), "2025-07-31")
        self.send_ok("billings", self.draft(dueDate="2025-09-30"))
        due = invoice.line_ids.filtered(lambda line: line.display_type == "payment_term")
        self.assertEqual([str(day) for day in due.mapped("date_maturity")], ["2025-09-30"])
        # Posted, it cannot change what is due when.
        invoice.invoice_payment_term_id = term
        self.send_ok("billings", self.sent(dueDate="2025-09-30"))
        report = self.send("billings", self.sent(dueDate="2025-10-31"))
        self.assertEqual(self.codes(report), {"/dueDate": "posted_invoice"})
        self.source.sudo().posted_policy = "reissue"
        self.send_ok("billings", self.sent(dueDate="2025-10-31"))
        due = self.billing().move_id.line_ids.filtered(lambda line: line.display_type == "payment_term")
        self.assertEqual([str(day) for day in due.mapped("date_maturity")], ["2025-10-31"])

    def test_another_payer_has_terms_of_its_own(self):
        self.env["ir.config_parameter"].set_param("account.use_invoice_terms", True)
        self.company.invoice_terms = "Pay or else"
        term = self.env["account.payment.term"].create(
            {"name": "60", "line_ids": [Command.create({"value": "percent", "value_amount": 100, "nb_days": 60})]}
        )
        self.parent(MOTHER["externalId"]).partner_id.with_company(self.company).property_payment_term_id = term
        self.send_ok("billings", self.draft())
        self.send_ok("billings", self.draft(payerExternalId=MOTHER["externalId"]))
        invoice = self.billing().move_id
        self.assertEqual(invoice.partner_id.name, MOTHER["name"])
        self.assertEqual((str(invoice.invoice_date_due), invoice.narration), ("2025-06-30", "<p>First term</p>"))
        self.assertEqual((str(self.billing().due_date), self.billing().notes), ("2025-06-30", "First term"))

    def test_terms_where_the_source_says_nothing(self):
        self.env["ir.config_parameter"].set_param("account.use_invoice_terms", True)
        self.company.invoice_terms = "Pay or else"
        customer = self.parent(FATHER["externalId"]).partner_id.with_company(self.company)
        customer.property_payment_term_id = self.env["account.payment.term"].create(
            {"name": "60", "line_ids": [Command.create({"value": "percent", "value_amount": 100, "nb_days": 60})]}
        )
        bare = {
            name: value for name, value in self.draft().items() if name not in ("dueDate", "notes", "invoiceNumber")
        }
        self.send_ok("billings", {**bare, "payerExternalId": FATHER["externalId"]})
        billing = self.billing()
        self.assertEqual(
            (str(billing.due_date), billing.notes, billing.move_id.narration),
            ("2025-07-31", False, "<p>Pay or else</p>"),
        )
        document = self.document("billings", billing.name)
        self.assertEqual((document["dueDate"], document.get("notes")), ("2025-07-31", None))
        for again in ({**bare, "dueDate": None}, bare, {**bare, "dueDate": document["dueDate"], "notes": ""}):
            self.assertEqual(self.statuses(self.send_ok("billings", again)), ["unchanged"])
        # What the source says goes before; what it takes back is Odoo's again.
        self.send_ok("billings", {**bare, "dueDate": "2025-09-30", "notes": "Thank you"})
        self.assertEqual((str(billing.move_id.invoice_date_due), billing.notes), ("2025-09-30", "Thank you"))
        self.assertFalse(billing.move_id.invoice_payment_term_id)
        self.send_ok("billings", {**bare, "notes": None, "dueDate": "2025-09-30"})
        self.assertEqual((billing.move_id.narration, billing.notes), ("<p>Pay or else</p>", False))
        self.send_ok("billings", {**bare, "status": "sent"})
        self.assertEqual(billing.move_id.payment_reference, billing.move_id.name)

    def test_guardian_of_another_school(self):
        other = self.env["res.company"].create({"name": "Other School"})
        contact = self.env["res.partner"].create({"name": "Aunt"})
        self.env["school.parent"].create({"partner_id": contact.id, "company_id": other.id})
        self.send_ok("billings", self.draft(payerExternalId=MOTHER["externalId"]))
        self.billing().move_id.partner_id = contact
        self.assertFalse(self.billing().payer_id)
        self.assertIsNone(self.document("billings", "BIL-1")["payerExternalId"])
        self.send_ok("billings", self.draft(payerExternalId=MOTHER["externalId"], notes="x"))
        self.assertEqual(self.billing().partner_id, contact)

    def test_customer_outside_the_school(self):
        company = self.env["res.partner"].create({"name": "Employer", "is_company": True})
        self.policy("odoo")
        self.send_ok("billings", self.draft())
        self.billing().move_id.partner_id = company
        report = self.send_ok("billings", self.draft(payerExternalId=MOTHER["externalId"]))
        self.assertEqual(self.billing().move_id.partner_id, company, report.items[0].warnings)

    def test_taxes_that_are_not_said_any_more(self):
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 100, "taxes": ["School Tax"]}]))
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 100}], total=100))
        self.assertEqual(self.billing().move_id.amount_total, 100)

    def test_lines_without_taxes_are_put_back_without(self):
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 100}]))
        self.billing().move_id.invoice_line_ids.price_unit = 90
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 120, "taxes": ["School Tax"]}]))
        self.assertEqual(self.billing().move_id.amount_total, 132)
        self.conflicts("settled").line_ids.action_restore()
        self.assertEqual(self.billing().move_id.amount_total, 90)

    def test_cancelled_with_other_lines_and_billed_after_all(self):
        lines = [{"code": "A", "amount": 500}]
        self.send_ok("billings", self.sent())
        self.send_ok("billings", self.sent(status="cancelled", lines=lines, dueDate="2025-07-31"))
        self.send_ok("billings", self.sent(lines=lines, dueDate="2025-07-31"))
        invoice = self.billing().move_id
        self.assertEqual((invoice.state, invoice.amount_total), ("posted", 500))
        self.assertEqual(str(invoice.invoice_date_due), "2025-07-31")

    def test_cancelled_in_odoo_stays_cancelled(self):
        self.send_ok("billings", self.sent())
        invoice = self.billing().move_id
        invoice.button_draft()
        invoice.button_cancel()
        self.send("billings", self.sent(notes="More"))
        self.assertEqual(invoice.state, "cancel")

    def test_reset_to_draft_in_odoo_stays_a_draft_until_the_source_says_otherwise(self):
        self.send_ok("billings", self.sent())
        invoice = self.billing().move_id
        invoice.button_draft()
        report = self.send_ok("billings", self.sent(notes="More"))
        self.assertEqual((invoice.state, "More" in invoice.narration), ("draft", True))
        self.assertIn("was reset to draft in Odoo", report.items[0].warnings[0])
        report = self.send_ok(
            "billings",
            self.sent(
                notes="More", status="partial", payments=[{"externalId": "P1", "date": "2025-06-05", "amount": 5}]
            ),
        )
        self.assertEqual((invoice.state, self.billing().amount_paid), ("posted", 5))

    def test_total_said_for_the_first_time_where_odoo_wins(self):
        self.policy("odoo")
        self.send_ok("billings", self.draft())
        invoice = self.billing().move_id
        invoice.invoice_line_ids[0].price_unit = 250
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 3}], total=3))
        self.assertEqual(invoice.amount_total, 339.37)

    def test_fine_quantities(self):
        self.send_ok("billings", self.sent(lines=[{"code": "A", "quantity": "0.125", "unitPrice": 80, "amount": 10}]))
        self.assertEqual(self.billing().move_id.amount_total, 10)

    def test_fine_discounts(self):
        self.send_ok("billings", self.sent(lines=[{"code": "A", "unitPrice": 3000, "discount": "33.335"}]))
        self.assertEqual(self.billing().move_id.amount_total, 1999.95)

    def test_half_a_cent(self):
        line = {"code": "A", "unitPrice": "100.05", "discount": 50, "amount": "50.03"}
        self.send_ok("billings", self.sent(lines=[line], total="50.03"))
        self.assertEqual(self.billing().move_id.amount_total, 50.03)

    def test_line_of_no_quantity_is_put_back(self):
        self.send_ok("billings", self.draft())
        invoice = self.billing().move_id
        invoice.invoice_line_ids[0].quantity = 0
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 3}]))
        self.conflicts("settled").line_ids.action_restore()
        self.assertEqual(self.billing().move_id.amount_total, 89.37)

    def test_changed_since(self):
        self.send_ok("billings", self.draft())
        billing = self.billing()
        self.env.flush_all()
        self.env.cr.execute("UPDATE school_billing SET write_date = '2025-01-01' WHERE id = %s", [billing.id])
        self.env.cr.execute("UPDATE account_move SET write_date = '2025-01-01' WHERE id = %s", [billing.move_id.id])
        self.env.cr.execute(
            "UPDATE account_move_line SET write_date = '2025-01-01' WHERE move_id = %s", [billing.move_id.id]
        )
        self.env.invalidate_all()
        since = billing._sync_changed_since("2025-06-01")
        self.assertNotIn(billing, billing.search(since))
        billing.move_id.invoice_line_ids[0].name = "Tuition"
        self.assertIn(billing, billing.search(since))

    def test_another_number(self):
        self.send_ok("billings", self.draft())
        invoice = self.billing().move_id
        invoice.ref = "OURS"
        self.send_ok("billings", self.draft(invoiceNumber="PS-2"))
        self.assertEqual((invoice.ref, invoice.payment_reference), ("PS-2", "PS-2"))

    def test_archived(self):
        self.send_ok("billings", self.sent())
        engine.archive(self.source, "billings", "BIL-1")
        self.send_ok("billings", self.sent(lines=[{"code": "A", "amount": 3}]))
        self.assertEqual((self.billing().move_id.state, self.billing().move_id.amount_total), ("posted", 3))

    def test_payment_of_an_invoice_that_was_corrected(self):
        self.send_ok("billings", BILLING)
        invoice = self.billing().move_id
        invoice.button_draft()
        invoice.invoice_line_ids[0].price_unit = 250
        invoice.action_post()
        payment = {"externalId": "PAY-1", "date": "2025-06-10", "amount": 100}
        self.send_ok("billings", {**BILLING, "status": "partial", "payments": [payment]})
        self.assertEqual(self.billing().amount_due, 239.37)

    def test_invoices_are_the_same_in_odoos_own_way(self):
        def made(switch):
            self.env["ir.config_parameter"].set_param("school_erp_sync.accelerate_invoices", switch)
            names = [f"{switch}-{number}" for number in range(4)]
            lines = [{"code": "TUITION", "unitPrice": "33.33", "discount": 10}, {"code": "BUS", "amount": 20}]
            self.send_ok("billings", *(self.sent(externalId=name, lines=lines) for name in names))
            return [
                [
                    (line.name or "", line.balance, line.account_id)
                    for line in self._record("billings", name).move_id.line_ids
                ]
                for name in names
            ]

        self.assertEqual(made("0"), made("1"))

    def test_prices_with_taxes_included(self):
        self.policy("ask")
        self.tax.price_include_override = "tax_included"
        lines = [{"code": "A", "quantity": 3, "unitPrice": "33.33", "taxes": ["School Tax"], "discount": 7}]
        self.send_ok("billings", self.draft(lines=lines))
        self.assertEqual(self.statuses(self.send_ok("billings", self.draft(lines=lines))), ["unchanged"])
        lines[0]["label"] = "Books"
        self.send_ok("billings", self.draft(lines=lines))
        given = self.document("billings", "BIL-1")
        self.send_ok("billings", {**given, "notes": "x"})
        lines[0]["quantity"] = 4
        self.send_ok("billings", self.draft(lines=lines))
        self.assertEqual(self.billing().amount_total, 123.99)

    def test_coins_of_other_countries(self):
        self.policy("ask")
        for code, amount, other in (("JPY", 101, 33), ("KWD", "10.125", "3.125")):
            self.env["res.currency"].with_context(active_test=False).search([("name", "=", code)]).active = True
            lines = [{"code": "A", "quantity": 3, "amount": amount}, {"code": "B", "unitPrice": "0.335", "quantity": 7}]
            document = self.draft(externalId=code, currency=code, lines=lines)
            self.send_ok("billings", document)
            self.assertEqual(self.statuses(self.send_ok("billings", document)), ["unchanged"])
            self.assertEqual(self.document("billings", code)["lines"][0]["quantity"], 3)
            self.send_ok("billings", {**document, "lines": [{"code": "A", "quantity": 3, "amount": other}, lines[1]]})
            invoice = self._record("billings", code).move_id
            self.assertEqual(invoice.invoice_line_ids[0].price_subtotal, float(other))
            invoice.currency_id = self.company.currency_id
            self.send("billings", {**document, "lines": [{**lines[0], "amount": other}, {**lines[1], "label": "C"}]})
            self.assertEqual(invoice.currency_id, self.company.currency_id)

    def test_discounts_of_100_percent_and_negative_lines(self):
        self.policy("ask")
        lines = [
            {"code": "A", "amount": 100},
            {"code": "B", "unitPrice": 50, "discount": 100},
            {"code": "C", "amount": -20},
            {"code": "D", "amount": 0},
        ]
        self.send_ok("billings", self.draft(lines=lines, total=80))
        self.send_ok("billings", self.draft(lines=[*lines[1:], {"code": "A", "amount": "110"}], total=90))
        self.assertEqual(self.billing().amount_total, 90)
        given = self.document("billings", "BIL-1")
        self.assertEqual(self.statuses(self.send_ok("billings", given)), ["unchanged"])


@tagged("post_install", "-at_install")
class TestTakeover(ConflictCase):
    def setUp(self):
        super().setUp()
        self.source.sudo().match_rule = "email"

    def contacts(self, numbers):
        self.env["res.partner"].create(
            [{"name": f"New {n}", "email": f"n{n}@x.example", "phone": "+91 1111111111"} for n in numbers]
        )

    def documents(self, numbers):
        return [
            {"externalId": f"P{n}", "name": f"New {n}", "email": f"n{n}@x.example", "updatedAt": "2020-01-01T00:00:00Z"}
            for n in numbers
        ]

    def test_no_query_a_contact_that_is_taken_over(self):
        for start, rule in ((0, "odoo"), (1000, "newest")):
            with self.subTest(rule):
                self.policy(rule)
                counts = []
                for numbers in (
                    range(start, start + 20),
                    range(start + 20, start + 40),
                    range(start + 40, start + 120),
                ):
                    self.contacts(numbers)
                    self.env.flush_all()
                    self.env.invalidate_all()
                    before = self.env.cr.sql_log_count
                    self.send_ok("parents", *self.documents(numbers))
                    self.env.flush_all()
                    counts.append(self.env.cr.sql_log_count - before)
                # The first twenty fill caches; a few statements take so many rows at a time.
                self.assertLess(counts[2] - counts[1], 20, counts)

    def test_state_of_a_contact_whose_country_is_said(self):
        self.source.sudo().match_rule = "reference"
        texas = self.env.ref("base.state_us_5")
        contact = self.env["res.partner"].create(
            {"name": "Old", "ref": "S1", "state_id": texas.id, "country_id": texas.country_id.id}
        )
        self.policy("odoo")
        self.send_ok("students", {"externalId": "S1", "fullName": "New", "address": {"country": "India", "city": "Y"}})
        self.assertEqual((contact.name, contact.state_id, contact.city), ("Old", texas, "Y"))
        self.policy("source")
        other = self.env["res.partner"].create({"name": "Old", "ref": "S2", "country_id": texas.country_id.id})
        self.send_ok("students", {"externalId": "S2", "fullName": "New", "address": {"state": "Texas"}})
        self.assertEqual(other.state_id.name, "Texas")
        self.env["res.partner"].create(
            {"name": "Old", "ref": "S3", "state_id": texas.id, "country_id": texas.country_id.id}
        )
        self.send_ok("students", {"externalId": "S3", "fullName": "New", "address": {"country": "India"}})
        self.assertEqual(self.document("students", "S3")["address"].get("state"), texas.name)
