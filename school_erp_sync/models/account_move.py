from odoo import fields, models


class AccountMove(models.Model):
    _inherit = "account.move"

    school_billing_id = fields.Many2one(
        "school.billing",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    # Odoo finds by it, in one query a transaction, what to compute anew of a billing; else it searches each time.
    school_current_billing_ids = fields.One2many("school.billing", "move_id", readonly=True)

    def action_open_school_billing(self):
        """:return: the action that opens the school billing behind this invoice"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "school.billing",
            "res_id": self.school_billing_id.id,
            "view_mode": "form",
        }
