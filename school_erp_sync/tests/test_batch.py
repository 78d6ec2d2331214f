"""What comes by the thousand is the same as what somebody types into a form."""

from datetime import date

from odoo import models
from odoo.fields import Command
from odoo.tests.common import Form, tagged

from .common import AccountingCase

# Who wrote a record when, what it is called in its source, and what another record cannot share.
OF_THE_RECORD = {"id", "create_uid", "create_date", "write_uid", "write_date", "sync_binding_ids", "display_name"}


# What differs between any two journal items, and what only billings fill.
_LINE_ACCIDENTS = ["move_id", "move_name", "epd_key", "school_student_id", "school_fee_head", "school_fee_head_id"]


def differences(one, other, but=()):
    """The stored fields in which two records differ, with both values; a record of their own counts as the same."""
    names = [
        name
        for name, field in one._fields.items()
        if (field.related_field if field.inherited else field).store
        and field.type not in ("one2many", "binary")
        and name not in OF_THE_RECORD | set(but)
    ]

    def comparable(record, value):
        if isinstance(value, models.BaseModel) and value in (record, getattr(record, "partner_id", None)):
            return "itself" if value == record else "its contact"
        return value

    return {
        name: (one[name], other[name]) for name in names if comparable(one, one[name]) != comparable(other, other[name])
    }


@tagged("post_install", "-at_install")
class TestBatchIsForm(AccountingCase):
    def made(self, entity, *documents):
        """The records that ``documents`` became, sent in one batch."""
        report = self.send_ok(entity, *documents)
        self.env.flush_all()
        self.env.invalidate_all()
        return self.env[report.model].browse([item.res_id for item in report.items])

    def family(self, number):
        return {
            "externalId": f"PAR-{number}",
            "name": "Ramesh Sharma",
            "relation": "Father",
            "occupation": "Teacher",
            "phone": "+1 650-555-0111",
            "email": "Ramesh.Sharma@Example.com",
        }

    def test_parent_and_contact(self):
        *_others, sent = self.made("parents", *(self.family(number) for number in range(3)))
        with Form(self.env["school.parent"]) as form:
            form.name = "Ramesh Sharma"
            form.relation = "Father"
            form.function = "Teacher"
            form.phone = "+1 650-555-0111"
            form.email = "Ramesh.Sharma@Example.com"
        typed = form.record
        self.assertEqual(differences(sent, typed, but=["company_id"]), {})
        # A contact that a source sent is its school's.
        self.assertEqual(sent.partner_id.company_id, self.company)
        self.assertEqual(differences(sent.partner_id, typed.partner_id, but=["company_id"]), {})
        self.assertEqual(sent.partner_id.phone_sanitized, "+16505550111")
        self.assertEqual(sent.partner_id.email_normalized, "ramesh.sharma@example.com")

    def test_student_and_links(self):
        guardians = self.made("parents", self.family(1), self.family(2))
        document = {
            "fullName": "Asha Sharma",
            "dob": "2012-04-01",
            "gender": "Female",
            "nationality": "Indian",
            "languages": ["Hindi"],
            "address": {"permanent": "12 Lake Road", "city": "Pune", "pin": "411001"},
            "parents": [{"externalId": "PAR-1", "priority": 1, "pays": True}, {"externalId": "PAR-2", "priority": 2}],
        }
        *_others, sent = self.made("students", *({**document, "externalId": f"STU-{number}"} for number in range(3)))
        with Form(self.env["school.student"]) as form:
            form.name = "Asha Sharma"
            form.birth_date = date(2012, 4, 1)
            form.gender = "female"
            form.nationality = "Indian"
            form.language_ids.add(sent.language_ids)
            form.street = "12 Lake Road"
            form.city = "Pune"
            form.zip = "411001"
        typed = form.record
        typed.link_ids = [
            Command.create({"parent_id": guardian.id, "priority": priority, "pays": priority == 1})
            for priority, guardian in enumerate(guardians, 1)
        ]
        self.env.flush_all()
        self.assertEqual(differences(sent, typed), {})
        self.assertEqual(differences(sent.partner_id, typed.partner_id, but=["company_id"]), {})
        for one, other in zip(sent.link_ids, typed.link_ids, strict=True):
            self.assertEqual(differences(one, other, but=["student_id", "source_id", "said"]), {})

    def test_invoices_have_the_journal_items_of_the_form(self):
        """Two of a kind with their own amounts, one with taxes, and one in another currency."""
        self.made("parents", self.family(1))
        self.made("students", {"externalId": "STU-1", "fullName": "Asha", "parents": ["PAR-1"]})
        currency = self.env.ref("base.EUR")
        currency.active = True
        self.env["res.currency.rate"].create(
            {"name": "2024-01-01", "rate": 0.913, "currency_id": currency.id, "company_id": self.company.id}
        )
        tax = self.env["account.tax"].create(
            {"name": "School Tax", "amount": 7.25, "type_tax_use": "sale", "company_id": self.company.id}
        )

        documents = [
            self.billing(1, 300, "75.05"),
            self.billing(2, "1200.10", 40),
            self.billing(3, "10.10", "20.20"),
            self.billing(4, 100, 50, currency="EUR"),
            self.billing(5, 100, 50, currency="EUR"),
            self.billing(6, "33.33", "66.67", currency="EUR"),
        ]
        taxed = [
            {**document, "lines": [{**line, "taxes": [tax.name]} for line in document["lines"]]}
            for document in (
                self.billing(7, 100, 50),
                self.billing(8, 100, 50),
                self.billing(9, "99.99", "0.01"),
            )
        ]
        self.assert_as_typed([*documents, *taxed], tax, currency)

    def test_invoices_where_odoo_rounds_the_sum(self):
        self.company.sudo().tax_calculation_rounding_method = "round_globally"
        self.made("parents", self.family(1))
        self.made("students", {"externalId": "STU-1", "fullName": "Asha", "parents": ["PAR-1"]})
        thirds = {"code": "HOURS", "quantity": 3, "unitPrice": "33.335"}
        documents = [
            {**self.billing(number), "lines": [{**thirds, "label": f"{number}.{place}"} for place in range(2)]}
            for number in range(1, 5)
        ]
        invoices = self.assert_as_typed([*documents, self.billing(5, 100, 50), self.billing(6, 10, 5)])
        self.assertEqual(set(invoices[:4].mapped("amount_total")), {200.01})

    def test_invoices_of_customers_with_a_delivery_address(self):
        guardians = self.made("parents", self.family(1), self.family(2))
        self.env["res.partner"].create(
            {"name": "Hostel", "type": "delivery", "parent_id": guardians[1].partner_id.id, "zip": "411001"}
        )
        self.made("students", {"externalId": "STU-1", "fullName": "Asha", "parents": ["PAR-1", "PAR-2"]})
        documents = [
            {**self.billing(number, 10 * number, 5), "payerExternalId": f"PAR-{1 + number % 2}"}
            for number in range(1, 6)
        ]
        invoices = self.assert_as_typed(documents)
        self.assertEqual(invoices[0].partner_shipping_id.name, "Hostel")
        self.assertEqual(invoices[1].partner_shipping_id, guardians[0].partner_id)

    def test_invoices_of_a_locked_period(self):
        """Odoo accounts for them later, and writes another date when it posts them."""
        self.company.sudo().sale_lock_date = "2024-12-31"
        self.made("parents", self.family(1))
        self.made("students", {"externalId": "STU-1", "fullName": "Asha", "parents": ["PAR-1"]})
        invoices = self.assert_as_typed([self.billing(number, 10 * number, 5) for number in range(1, 5)])
        for invoice in invoices:
            self.assertGreater(invoice.date, date(2024, 12, 31))
            self.assertEqual(set(invoice.line_ids.mapped("date")), {invoice.date})
            self.assertEqual(invoice.invoice_date, date(2024, 5, 1))

    def billing(self, number, *amounts, **fields):
        return {
            "externalId": f"BIL-{number}",
            "studentExternalId": "STU-1",
            "invoiceNumber": f"INV-{number}",
            "issueDate": "2024-05-01",
            "dueDate": "2024-06-15",
            "currency": self.company.currency_id.name,
            "status": "sent",
            "lines": [
                {"code": f"FEE-{index}", "label": f"Fee {number}.{index}", "amount": amount}
                for index, amount in enumerate(amounts)
            ],
            **fields,
        }

    def assert_as_typed(self, documents, tax=None, currency=None):
        """The invoices of ``documents``, sent in one batch, after they were compared with the same typed by hand."""
        invoices = self.made("billings", *documents).move_id
        for document, invoice in zip(documents, invoices, strict=True):
            with self.subTest(document["externalId"]):
                typed = self.type_invoice(document, invoice, tax, currency)
                self.assertEqual(invoice.state, "posted")
                self.assertEqual(invoice.amount_total, typed.amount_total)
                self.assertEqual(
                    differences(
                        invoice,
                        typed,
                        but=[
                            *("name", "sequence_number", "access_token", "invoice_user_id"),
                            *("school_billing_id", "school_student_id", "school_fee_heads"),
                        ],
                    ),
                    {},
                )
                self.assertEqual(len(invoice.line_ids), len(typed.line_ids))
                for one, other in zip(invoice.line_ids.sorted("id"), typed.line_ids.sorted("id"), strict=True):
                    self.assertEqual(differences(one, other, but=_LINE_ACCIDENTS), {})
        return invoices

    def type_invoice(self, document, billed, tax=None, currency=None):
        """The invoice that somebody would make of ``document`` by hand, with the products that it was billed with."""
        products = {line.name: line.product_id for line in billed.invoice_line_ids}
        with Form(self.env["account.move"].with_context(default_move_type="out_invoice")) as form:
            form.partner_id = billed.partner_id
            form.invoice_date = date.fromisoformat(document["issueDate"])
            form.invoice_payment_term_id = self.env["account.payment.term"]
            form.invoice_date_due = date.fromisoformat(document["dueDate"])
            form.ref = document["invoiceNumber"]
            form.payment_reference = document["invoiceNumber"]
            if document["currency"] == "EUR":
                form.currency_id = currency
            for line in document["lines"]:
                with form.invoice_line_ids.new() as row:
                    row.product_id = products[line["label"]]
                    row.name = line["label"]
                    row.quantity = line.get("quantity", 1)
                    row.price_unit = float(line.get("unitPrice") or line["amount"])
                    row.tax_ids.clear()
                    if line.get("taxes"):
                        row.tax_ids.add(tax)
        form.record.action_post()
        return form.record
