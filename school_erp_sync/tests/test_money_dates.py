from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.tests.common import tagged
from odoo.tools import mute_logger

from .common import STUDENT, AccountingCase
from .test_billing import BILLING

FEES = {
    "externalId": "FEE-1",
    "studentExternalId": STUDENT["externalId"],
    "heads": [{"code": "SCHOOL_FEE", "amount": 300}],
    "total": 300,
}


@tagged("post_install", "-at_install")
class TestMoneyDates(AccountingCase):
    def setUp(self):
        super().setUp()
        today = fields.Date.today()
        self.this_year, self.next_year = f"{today.year}-01-01", f"{today.year + 1}-12-31"
        self.before, self.after = (fields.Date.to_string(fields.Date.add(today, days=n)) for n in (-400, 800))
        self.company.write({"school_money_years_back": 1, "school_money_years_ahead": 2})

    def billing(self, **fields):
        return {**BILLING, "issueDate": self.this_year, "dueDate": self.next_year, **fields}

    def payment(self, day):
        return {"externalId": f"PAY-{day}", "date": day, "amount": 10}

    def schedule(self, *days):
        parts = [{"due": day, "amount": 300 / len(days)} for day in days]
        return {**FEES, "installmentPlan": {"schedule": parts}}

    def test_company_says_which_dates_are_taken(self):
        self.send_ok("students", STUDENT)
        for document, pointers in [
            (self.billing(issueDate=self.before), {"/issueDate"}),
            (self.billing(dueDate=self.after), {"/dueDate"}),
            (self.billing(issueDate=self.before, dueDate=self.after), {"/issueDate", "/dueDate"}),
            (self.billing(status="partial", payments=[self.payment(self.before)]), {"/payments/0/date"}),
        ]:
            with self.subTest(pointers):
                codes = self.codes(self.send("billings", document))
                self.assertEqual(codes, dict.fromkeys(pointers, "out_of_range"))
        self.assertEqual(
            self.codes(self.send("fee-schedules", self.schedule(self.before, self.this_year, self.after))),
            dict.fromkeys(("/installmentPlan/schedule/0/due", "/installmentPlan/schedule/2/due"), "out_of_range"),
        )
        detail = self.send("billings", self.billing(issueDate=self.before)).items[0].errors[0].detail
        self.assertIn(f"issueDate {self.before} is out of range. Send a date from", detail)
        self.assertIn(self.company.name, detail)
        self.company.write({"school_money_years_back": 2, "school_money_years_ahead": 3})
        self.send_ok("billings", self.billing(issueDate=self.before, dueDate=self.after))
        self.send_ok("fee-schedules", self.schedule(self.before, self.this_year, self.after))

    def test_date_that_was_taken_once_does_not_grow_too_old(self):
        self.send_ok("students", STUDENT)
        self.company.write({"school_money_years_back": 2})
        old = self.billing(issueDate=self.before, status="partial", payments=[self.payment(self.before)])
        fees = self.schedule(self.before, self.this_year)
        self.send_ok("billings", old)
        self.send_ok("fee-schedules", fees)
        self.company.write({"school_money_years_back": 1})
        self.assertEqual(self.statuses(self.send_ok("billings", {**old, "notes": "New"})), ["updated"])
        more = {**old, "notes": "New", "payments": [*old["payments"], self.payment(self.this_year)]}
        self.assertEqual(self.statuses(self.send_ok("billings", more)), ["updated"])
        self.assertEqual(
            self.statuses(self.send_ok("fee-schedules", self.schedule(self.before, self.next_year))), ["updated"]
        )

    def test_date_is_looked_at_when_a_parked_document_is_applied(self):
        self.company.write({"school_money_years_back": 2})
        self.assertEqual(self.statuses(self.send("billings", self.billing(issueDate=self.before))), ["parked"])
        self.company.write({"school_money_years_back": 1})
        self.send_ok("students", STUDENT)
        parked = self.env["school.sync.parked"].search([("source_id", "=", self.source.id)])
        self.assertEqual((parked.state, len(parked)), ("failed", 1))
        self.assertIn("issueDate", parked.message)
        self.assertFalse(self.env["school.billing"].search([("name", "=", "BIL-1")]))

    def test_wrong_date_is_refused_before_its_student_is_there(self):
        self.assertEqual(self.statuses(self.send("billings", self.billing(issueDate=self.before))), ["failed"])

    def test_years_are_from_0_to_100(self):
        for years in (-1, 101):
            with self.subTest(years), self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"):
                self.company.school_money_years_ahead = years
                self.company.flush_recordset()
