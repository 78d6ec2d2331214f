from datetime import date

from dateutil.relativedelta import relativedelta

from odoo import fields, models
from odoo.tools import SQL

from ..contract.base import dotted, pointer
from ..sync.item import Item


class ResCompany(models.Model):
    _inherit = "res.company"

    school_money_years_back = fields.Integer(
        "Years Back",
        default=10,
        required=True,
        help="A source may date billings, payments and installments up to this many years ago. Older dates are "
        "refused: one invoice of a wrong year changes the numbers of all later ones.",
    )
    school_money_years_ahead = fields.Integer(
        "Years Ahead",
        default=5,
        required=True,
        help="A source may date billings, payments and installments up to this many years from now. Later dates are "
        "refused.",
    )

    school_campus_plan_id = fields.Many2one(
        "account.analytic.plan",
        string="Plan of Campuses",
        domain=[("parent_id", "=", False)],
        help="Each line of a billing's invoice goes to an account of this plan, by the student's campus. Empty: off.",
    )
    school_grade_plan_id = fields.Many2one(
        "account.analytic.plan",
        string="Plan of Grades",
        domain=[("parent_id", "=", False)],
        help="Each line of a billing's invoice goes to an account of this plan, by the student's grade. Empty: off.",
    )
    school_fee_head_plan_id = fields.Many2one(
        "account.analytic.plan",
        string="Plan of Fee Heads",
        domain=[("parent_id", "=", False)],
        help="Each line of a billing's invoice goes to an account of this plan, by its fee head. Empty: off.",
    )

    _school_money_years = models.Constraint(
        "CHECK(school_money_years_back BETWEEN 0 AND 100 AND school_money_years_ahead BETWEEN 0 AND 100)",
        "Years Back and Years Ahead must be from 0 to 100.",
    )

    def _school_money_dates(self) -> tuple[date, date]:
        """Return the first and the last day that money of this school may be dated."""
        self.ensure_one()
        today = fields.Date.context_today(self)
        return (
            today - relativedelta(years=self.school_money_years_back),
            today + relativedelta(years=self.school_money_years_ahead),
        )

    def _school_check_money_dates(self, item: Item, dates: dict[tuple[str | int, ...], str]) -> None:
        """Refuse a document that dates money outside of the years of this school.

        :param dates: the ISO date at each path of the document that has changed
        """
        first, last = (day.isoformat() for day in self._school_money_dates())
        for where, day in dates.items():
            if not first <= day <= last:
                item.fail(
                    pointer(*where),
                    "out_of_range",
                    self.env._(
                        "%(field)s %(day)s is out of range. Send a date from %(first)s to %(last)s, or change the "
                        "range in Odoo, on the company %(company)s, under School Sync.",
                        field=dotted(where),
                        day=day,
                        first=first,
                        last=last,
                        company=self.display_name,
                    ),
                )

    def _school_claim_lists(self) -> None:
        """Let only one transaction at a time add to lists of this school in which Odoo allows repetition.

        Whoever else adds since our snapshot changes the same row: PostgreSQL then ends one of both, and Odoo runs it
        again, seeing what the other has added.
        """
        self.env.cr.execute(
            SQL("UPDATE res_company SET write_date = write_date WHERE id = %s", self.id), log_exceptions=False
        )

    def _school_get_plans(self) -> dict:
        """Return the analytic plans of invoices, by the field of a journal item that says the account."""
        # sudo: a source may bill, though it may not see the analytic plans of the school.
        company = self.sudo()
        plans = {
            "school_campus_id": company.school_campus_plan_id,
            "school_grade_id": company.school_grade_plan_id,
            "school_fee_head": company.school_fee_head_plan_id,
        }
        return {name: plan for name, plan in plans.items() if plan}

    def _school_make_analytic_accounts(self, campuses, grades, heads: dict[str, str | None]) -> None:
        """Make the accounts that are missing in the plans of this school.

        :param heads: what each fee head is called, by its code
        """
        names = {
            "school_campus_id": {campus.code: campus.name for campus in campuses},
            "school_grade_id": {grade.code: grade.name for grade in grades},
            "school_fee_head": heads,
        }
        # sudo: as above.
        self.env["account.analytic.account"].sudo()._school_make(
            {
                (self, plan, code): name or code
                for field, plan in self._school_get_plans().items()
                for code, name in names[field].items()
            }
        )
