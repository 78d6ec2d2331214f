from datetime import date

from dateutil.relativedelta import relativedelta

from odoo import fields, models

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
