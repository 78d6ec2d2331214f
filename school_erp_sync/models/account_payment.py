from odoo import api, models
from odoo.exceptions import UserError


class AccountPayment(models.Model):
    _inherit = "account.payment"

    @api.ondelete(at_uninstall=False)
    def _unlink_except_reported(self):
        # sudo: what a source has reported is kept from those, too, who see nothing of the sync.
        reported = self.env["school.billing.payment"].sudo().search([("payment_id", "in", self.ids)], limit=1)
        if reported:
            raise UserError(
                self.env._(
                    "This payment was reported for the school billing %(billing)s and cannot be deleted. Cancel it "
                    "instead.",
                    billing=reported.billing_id.name,
                )
            )
