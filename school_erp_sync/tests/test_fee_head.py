from psycopg2 import IntegrityError

from odoo.exceptions import AccessError
from odoo.tests.common import new_test_user, tagged
from odoo.tools import mute_logger

from .test_billing_payments import STUDENT_ID, MoneyCase


@tagged("post_install", "-at_install")
class TestFeeHead(MoneyCase):
    """Product, account and taxes of a code, by a table in Odoo."""

    def setUp(self):
        super().setUp()
        accounts = self.env["account.account"]
        self.fees = accounts.create({"name": "Lab Fees", "code": "400099", "account_type": "income"})
        self.discounts = accounts.create({"name": "Scholarships", "code": "400098", "account_type": "income"})
        self.product = self.env["product.product"].create(
            {"name": "Laboratory", "default_code": "P-77", "type": "service", "taxes_id": False}
        )
        self.tax = self.env["account.tax"].create(
            {"name": "Lab Tax", "amount": 10, "type_tax_use": "sale", "company_id": self.company.id}
        )

    def head(self, code, **values):
        return self.env["school.fee.head"].create({"code": code, "company_id": self.company.id, **values})

    lines = (
        {"code": "LAB", "label": "Laboratory", "amount": 100},
        {"code": "GRANT", "label": "Scholarship", "amount": -30},
        {"code": "FEE", "label": "Tuition", "amount": 50},
    )

    def items(self, external_id="BIL-1"):
        lines = self.billing(external_id).move_id.invoice_line_ids
        return {line.name: (line.product_id, line.account_id, line.tax_ids) for line in lines}

    def test_code_has_the_product_account_and_taxes_of_its_row(self):
        self.head("LAB", product_id=self.product.id, account_id=self.fees.id, tax_ids=self.tax.ids)
        self.head("GRANT", account_id=self.discounts.id)
        # One by one, and many at once.
        for size in (1, 4):
            documents = [self.bill("sent", f"B{size}-{n}", lines=self.lines, total=130) for n in range(size)]
            self.send_ok("billings", *documents)
            for document in documents:
                items = self.items(document["externalId"])
                self.assertEqual(items["Laboratory"], (self.product, self.fees, self.tax))
                self.assertEqual(items["Scholarship"][1], self.discounts)
                self.assertEqual(items["Scholarship"][0].default_code, "GRANT")
                self.assertNotIn(items["Tuition"][1], self.fees + self.discounts)
                move = self.billing(document["externalId"]).move_id
                self.assertEqual(move.line_ids.filtered(lambda i: i.account_id == self.discounts).balance, 30)
                given = self.given(document["externalId"])
                self.assertEqual([line["code"] for line in given["lines"]], ["LAB", "GRANT", "FEE"])
            self.assertEqual(set(self.statuses(self.send_ok("billings", *documents))), {"unchanged"})
        self.assertFalse(self.env["product.product"].search([("default_code", "=", "LAB")]))

    def test_row_of_the_source_goes_before_one_for_all(self):
        self.head("LAB", account_id=self.discounts.id)
        self.head("LAB", account_id=self.fees.id, source_id=self.source.id)
        self.send_ok("billings", self.bill("sent", lines=self.lines[:1]))
        self.assertEqual(self.items()["Laboratory"][1], self.fees)
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.cr.savepoint():
            self.head("LAB", source_id=self.source.id)

    def test_fiscal_position_maps_account_and_taxes(self):
        self.head("LAB", account_id=self.fees.id, tax_ids=self.tax.ids)
        position = self.env["account.fiscal.position"].create({"name": "Abroad", "company_id": self.company.id})
        position.account_ids.create(
            {"position_id": position.id, "account_src_id": self.fees.id, "account_dest_id": self.discounts.id}
        )
        none = self.tax.copy({"name": "Lab Tax Abroad", "amount": 0})
        none.write({"fiscal_position_ids": position.ids, "original_tax_ids": self.tax.ids})
        guardian = self.student(STUDENT_ID).link_ids.filtered("pays").parent_id.partner_id
        guardian.with_company(self.company).property_account_position_id = position
        self.send_ok("billings", self.bill("sent", lines=self.lines[:1]))
        self.assertEqual(self.items()["Laboratory"][1:], (self.discounts, none))

    def test_changed_in_odoo_and_changed_at_the_source(self):
        row = self.head("LAB", product_id=self.product.id, account_id=self.fees.id)
        self.send_ok("billings", self.bill("draft", lines=self.lines[:1]))
        # The table counts for what is billed from then on.
        row.product_id = False
        self.assertEqual(self.given()["lines"][0]["code"], "LAB")
        self.send_ok("billings", self.bill("draft", lines=[{**self.lines[0], "amount": 120}]))
        self.assertEqual(self.items()["Laboratory"], (self.product, self.fees, self.env["account.tax"]))
        other = self.env["product.product"].create({"name": "Other", "default_code": "OTHER", "taxes_id": False})
        self.billing().move_id.invoice_line_ids.product_id = other
        self.assertEqual(self.given()["lines"][0]["code"], "OTHER")

    def test_discounts_of_installments_are_on_their_own_account(self):
        self.head("DISCOUNT", account_id=self.discounts.id)
        fees = {
            "externalId": "F",
            "studentExternalId": STUDENT_ID,
            "heads": [{"code": "FEE", "amount": 1000}],
            "discounts": [{"label": "Second child", "amount": 100}],
            "total": 900,
            "installmentPlan": {
                "schedule": [{"due": "2025-06-01", "amount": 450}, {"due": "2025-09-01", "amount": 450}]
            },
        }
        self.send_ok("fee-schedules", fees)
        schedule = self._record("fee-schedules", "F")
        schedule.action_bill()
        items = schedule.billing_ids.move_id.line_ids
        self.assertEqual(sum(items.filtered(lambda item: item.account_id == self.discounts).mapped("balance")), 100)

    def test_ambiguous_name_of_a_tax_is_refused(self):
        self.tax.copy({"name": "LAB TAX"})
        report = self.send("billings", self.bill("sent", lines=[{**self.lines[0], "taxes": ["Lab Tax"]}]))
        self.assertEqual(self.codes(report), {"/lines/0/taxes/0": "ambiguous_tax"})
        self.assertIn("several sales taxes", report.items[0].errors[0].detail)

    def test_only_who_manages_accounting_changes_the_table(self):
        row = self.head("LAB")
        clerk = new_test_user(self.env, "clerk", groups="account.group_account_invoice")
        chief = new_test_user(self.env, "chief", groups="account.group_account_manager")
        with self.assertRaises(AccessError):
            row.with_user(clerk).account_id = self.fees
        row.with_user(chief).account_id = self.fees
        self.assertEqual(row.with_user(clerk).account_id, self.fees)
