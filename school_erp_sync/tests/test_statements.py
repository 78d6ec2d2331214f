from datetime import timedelta

from lxml import html

from odoo import fields
from odoo.tests.common import HttpCase, tagged

from ..sync import statements
from .common import FATHER, MOTHER, STUDENT
from .test_billing import BILLING
from .test_invoiced import INVOICING, READER, InvoicedCase

NOTHING = {"billed": 0, "paid": 0, "credited": 0, "due": 0, "overdue": 0, "onAccount": 0}
SISTER = {**STUDENT, "externalId": "SISTER", "fullName": "Asha Sharma", "dob": "2012-01-01"}
LINES = {"lines": [{"code": "FEE", "amount": 100}], "total": 100}


@tagged("post_install", "-at_install")
class TestStatements(InvoicedCase, HttpCase):
    """What the books say of a family, whoever entered it."""

    def setUp(self):
        super().setUp()
        self.send_ok("parents", MOTHER)
        self.send_ok("students", {**SISTER, "parents": [{"externalId": FATHER["externalId"], "pays": True}]})

    def bill(self, external_id, student=None, **fields):
        student_id = (student or STUDENT)["externalId"]
        document = {**BILLING, **LINES, "externalId": external_id, "studentExternalId": student_id, **fields}
        self.send_ok("billings", document)
        return self.billing(external_id).move_id

    def statement(self, entity="parents", external_id=FATHER["externalId"]):
        self.env.invalidate_all()
        return statements.read(self.source, entity, external_id)

    def assert_totals(self, statement, **by_name):
        found = {student["name"]: student["totals"] for student in statement["students"]}
        self.assertEqual(
            found, {name.title(): [{"currency": "USD", **NOTHING, **amounts}] for name, amounts in by_name.items()}
        )
        for total in (statement["totals"], *found.values()):
            (total,) = total
            self.assertAlmostEqual(
                total["billed"] - total["paid"] - total["credited"], total["due"] - total["onAccount"]
            )

    def test_billed_paid_credited_and_due_for_each_child(self):
        later = fields.Date.to_string(fields.Date.context_today(self.source) + timedelta(days=30))
        paid = [{"externalId": "PAY-1", "date": "2025-06-10", "amount": 130}]
        self.bill("R1", status="paid", payments=paid)
        open_move = self.bill("R2", dueDate=later)
        late = self.bill("A1", SISTER, invoiceNumber="A-1")
        reversal = self.env["account.move.reversal"].create(
            {"move_ids": late.ids, "journal_id": late.journal_id.id, "date": fields.Date.today()}
        )
        reversal.refund_moves()
        credit = reversal.new_move_ids
        credit.invoice_line_ids.price_unit = 20
        credit.action_post()
        (credit.line_ids + late.line_ids).filtered(lambda line: line.account_type == "asset_receivable").reconcile()
        register = self.env["account.payment.register"].with_context(active_model="account.move", active_ids=late.ids)
        register.create({"amount": 50}).action_create_payments()

        statement = self.statement()
        rahul, asha = "Rahul Sharma", "Asha Sharma"
        self.assertEqual([student["name"] for student in statement["students"]], [asha, rahul])
        self.assert_totals(
            statement,
            **{
                rahul: {"billed": 200, "paid": 130, "due": 100, "onAccount": 30},
                asha: {"billed": 100, "paid": 50, "credited": 20, "due": 30, "overdue": 30},
            },
        )
        self.assertEqual(
            statement["totals"],
            [
                {
                    "currency": "USD",
                    "billed": 300,
                    "paid": 180,
                    "credited": 20,
                    "due": 130,
                    "overdue": 30,
                    "onAccount": 30,
                }
            ],
        )
        (of_asha,), (of_rahul,) = (student["openInvoices"] for student in statement["students"])
        link = of_asha.pop("link")
        self.assertEqual(
            of_asha,
            {
                "number": late.name,
                "billingExternalId": "A1",
                "issueDate": "2025-06-01",
                "dueDate": "2025-06-30",
                "currency": "USD",
                "total": 100,
                "due": 30,
                "overdue": True,
            },
        )
        self.assertEqual((of_rahul["number"], of_rahul["dueDate"], of_rahul["overdue"]), (open_move.name, later, False))
        self.assertFalse(open_move.is_manually_modified)
        # A guardian opens the link without a login.
        self.assertIn(late.name, self.url_open(link).text)

        of_student = self.statement("students", SISTER["externalId"])
        self.assertEqual(
            of_student["students"], [{**statement["students"][0], "openInvoices": [of_asha | {"link": link}]}]
        )

    def test_reissued_and_bounced(self):
        self.source.sudo().posted_policy = "reissue"
        self.bill("R1", status="paid")
        self.bill("R2")
        self.bill("R2", lines=[{"code": "FEE", "amount": 120}], total=120)
        # A cheque that bounced.
        payment = self.billing("R1").payment_ids.payment_id
        payment.action_draft()
        payment.action_cancel()
        self.assert_totals(
            self.statement(), **{"Rahul Sharma": {"billed": 320, "credited": 100, "due": 220, "overdue": 220}}
        )

    def test_what_is_of_no_student_and_of_others(self):
        father = self.parent(FATHER["externalId"]).partner_id
        receivable = father.property_account_receivable_id
        other = self.env["account.account"].search([("account_type", "=", "income")], limit=1)
        journal = self.env["account.journal"].search(
            [("type", "=", "general"), ("company_id", "=", self.company.id)], limit=1
        )
        mother = self.parent(MOTHER["externalId"]).partner_id
        opening = self.env["account.move"].create(
            {
                "journal_id": journal.id,
                "line_ids": [
                    (0, 0, {"account_id": receivable.id, "partner_id": partner.id, "debit": 40})
                    for partner in father + mother
                ]
                + [(0, 0, {"account_id": other.id, "credit": 80})],
            }
        )
        opening.action_post()
        self.bill("M1", payerExternalId=MOTHER["externalId"])
        statement = self.statement()
        (rest,) = statement["students"]
        self.assertEqual((rest["externalId"], rest["name"], rest["openInvoices"]), (None, None, []))
        self.assertEqual(rest["totals"], [{"currency": "USD", **NOTHING, "billed": 40, "due": 40}])
        # What is for a student is on the student's, whoever pays.
        self.assert_totals(
            self.statement("students", STUDENT["externalId"]),
            **{"Rahul Sharma": {"billed": 100, "due": 100, "overdue": 100}},
        )
        # A source is not told of students whom it does not know.
        second = self.as_api_user(self.env["school.sync.source"].create({"name": "Second", "match_rule": "email"}))
        self.send_ok("parents", MOTHER, source=second)
        told = statements.read(second, "parents", MOTHER["externalId"])
        self.assertEqual([student["name"] for student in told["students"]], [None])
        self.assertEqual(told["totals"], [{"currency": "USD", **NOTHING, "billed": 140, "due": 140, "overdue": 100}])

    def test_over_http(self):
        self.bill("R1")
        key = self.source.sudo().action_generate_key()["context"]["default_key"]
        headers = {"Authorization": f"Bearer {key}"}

        def get(path, method="GET", **more):
            return self.url_open(f"/api/statements/{path}", headers={**headers, **more}, method=method)

        answer = get(f"parents/{FATHER['externalId']}")
        self.assertEqual((answer.status_code, answer.json()["name"]), (200, FATHER["name"]))
        self.assertEqual(answer.json()["students"][0]["openInvoices"][0]["billingExternalId"], "R1")
        self.assertEqual(
            get(f"parents/{FATHER['externalId']}", **{"If-None-Match": answer.headers["ETag"]}).status_code, 304
        )
        for path, status in (
            ("parents/NOBODY", 404),
            (f"students/{FATHER['externalId']}", 404),
            ("teachers/T1", 404),
            ("parents", 404),
            (f"parents/{FATHER['externalId']}?limit=1", 400),
        ):
            with self.subTest(path):
                answer = get(path)
                self.assertEqual((answer.status_code, answer.json()["status"]), (status, status))
        for method in ("POST", "DELETE"):
            answer = get("students/S1", method)
            self.assertEqual((answer.status_code, answer.headers.get("Allow")), (405, "GET, HEAD, OPTIONS"))
        # A key that may read people and not invoices.
        self.source.user_id.sudo().group_ids = [(6, 0, [self.env.ref(READER).id])]
        self.assertEqual(get(f"parents/{FATHER['externalId']}").status_code, 403)

    def test_printed(self):
        move = self.bill("R1")
        self.bill("A1", SISTER, status="paid")
        guardian = self.parent(FATHER["externalId"])
        report = self.env["ir.actions.report"].with_user(self.user(INVOICING, READER))
        content, _type = report._render_qweb_html("school_erp_sync.report_statement", guardian.ids)
        text = " ".join(html.fromstring(content).text_content().split())
        for expected in (FATHER["name"], "Asha Sharma", "Rahul Sharma", move.name, "06/30/2025 (overdue)", "$ 100.00"):
            self.assertIn(expected, text)
        bound = self.env["ir.actions.actions"].with_user(self.user(INVOICING, READER)).get_bindings("school.parent")
        self.assertIn("Statement", [action["name"] for action in bound["report"]])
