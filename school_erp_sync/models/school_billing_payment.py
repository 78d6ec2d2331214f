from odoo import api, fields, models
from odoo.exceptions import UserError

from ..sync.item import Item


class SchoolBillingPayment(models.Model):
    """Money that a source says was received, and the payment it became."""

    _name = "school.billing.payment"
    _description = "Payment of a School Billing"
    _order = "date, id"
    _rec_name = "external_id"

    billing_id = fields.Many2one("school.billing", required=True, index=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="billing_id.company_id", store=True, precompute=True)
    currency_id = fields.Many2one(related="billing_id.currency_id")
    external_id = fields.Char("External ID", readonly=True, help="Empty where the source said paid, and not how.")
    date = fields.Date(required=True, readonly=True)
    amount = fields.Monetary(required=True, readonly=True)
    method = fields.Char(readonly=True)
    reference = fields.Char(readonly=True)
    payment_id = fields.Many2one("account.payment", readonly=True, ondelete="restrict", index=True)
    payment_state = fields.Selection(related="payment_id.state")

    _identity = models.UniqueIndex("(billing_id, external_id)", "This payment is registered already.")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_registered(self):
        if registered := self.filtered("payment_id")[:1]:
            raise UserError(
                self.env._(
                    "Payment %(payment)s of %(billing)s cannot be deleted: the source would register it again. Cancel "
                    "the payment in Accounting instead.",
                    payment=registered.external_id or registered.date,
                    billing=registered.billing_id.name,
                )
            )

    def _filter_live(self):
        """Those of these payments that stand in the books, or may yet do so."""
        return self.filtered(lambda payment: payment.payment_id.state not in (False, "canceled", "rejected"))

    def _warn_of_locks(self, item: Item) -> None:
        """Warn the sender of ``item`` of those of these payments that Odoo accounts for on another day."""
        for payment in self:
            move = payment.payment_id.move_id
            if move.date > payment.date:
                item.warn(
                    self.env._(
                        "The period of %(day)s is locked. Payment %(payment)s is accounted for on %(date)s.",
                        day=payment.date.isoformat(),
                        payment=payment.external_id or move.name,
                        date=move.date.isoformat(),
                    )
                )

    def action_open_payment(self):
        """:return: the action that opens the payment in Odoo's accounting"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "account.payment",
            "res_id": self.payment_id.id,
            "view_mode": "form",
        }
