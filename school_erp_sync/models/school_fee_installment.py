from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..contract.money import to_decimal
from ..sync.allot import allot


class SchoolFeeInstallment(models.Model):
    """A part of a fee schedule, due on a day."""

    _name = "school.fee.installment"
    _description = "Fee Installment"
    _order = "schedule_id, due_date, number"
    _rec_name = "number"

    schedule_id = fields.Many2one("school.fee.schedule", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="schedule_id.company_id", store=True, precompute=True)
    currency_id = fields.Many2one(related="schedule_id.currency_id")
    number = fields.Integer("No.", default=1)
    due_date = fields.Date(required=True)
    amount = fields.Monetary(required=True)
    billing_id = fields.Many2one(
        "school.billing", readonly=True, copy=False, ondelete="set null", index="btree_not_null"
    )
    billing_state = fields.Selection(related="billing_id.state", string="Billing Status")
    amount_due = fields.Monetary(related="billing_id.amount_due", string="Due")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_billed(self):
        if billed := self.filtered("billing_id")[:1]:
            raise UserError(
                self.env._(
                    "Installment %(number)s of %(schedule)s cannot be deleted: it has the billing %(billing)s. Cancel "
                    "and delete the billing first.",
                    number=billed.number,
                    schedule=billed.schedule_id.name,
                    billing=billed.billing_id.name,
                )
            )

    def action_open_billing(self):
        """:return: the action that opens the billing of this installment"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "school.billing",
            "res_id": self.billing_id.id,
            "view_mode": "form",
        }

    def _make_billings(self, source=None):
        """Make a billing with a draft invoice of each of these installments, of one company, and link them.

        The heads of the schedule are shared out over all its installments, so that each head is billed to the cent.

        :param source: the source whose accounting settings count, such as the journal
        :return: the billings
        """
        billings = self.env["school.billing"].create([part._prepare_billing() for part in self])
        billings._make_moves([part._prepare_move_lines() for part in self], source)
        for part, billing in zip(self, billings, strict=True):
            part.billing_id = billing
        return billings

    def _prepare_billing(self) -> dict:
        schedule = self.schedule_id
        return {
            "name": self.env._("%(schedule)s, installment %(number)s", schedule=schedule.name, number=self.number),
            "company_id": schedule.company_id.id,
            "student_id": schedule.student_id.id,
            "fee_schedule_id": schedule.id,
            "issue_date": min(fields.Date.context_today(self), self.due_date),
            "due_date": self.due_date,
            "currency_id": schedule.currency_id.id,
        }

    def _prepare_move_lines(self) -> list[dict]:
        schedule = self.schedule_id
        unit = to_decimal(schedule.currency_id.rounding)
        heads = schedule.line_ids
        rows = allot(
            [to_decimal(schedule.currency_id.round(line.net_amount)) for line in heads],
            [to_decimal(schedule.currency_id.round(part.amount)) for part in schedule.installment_ids],
            unit,
        )
        shares = rows[schedule.installment_ids.ids.index(self.id)]
        return [
            {"code": line.code or line.kind.upper(), "label": line.label, "quantity": Decimal(1), "price_unit": share}
            for line, share in zip(heads, shares, strict=True)
            if share
        ]
