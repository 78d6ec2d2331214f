from odoo import api, fields, models


class SchoolFeeLine(models.Model):
    """A fee head of a schedule, or a discount on the whole of it."""

    _name = "school.fee.line"
    _description = "Fee Schedule Line"
    _order = "schedule_id, kind desc, sequence, id"
    _rec_name = "label"

    schedule_id = fields.Many2one("school.fee.schedule", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="schedule_id.company_id", store=True, precompute=True)
    currency_id = fields.Many2one(related="schedule_id.currency_id")
    sequence = fields.Integer()
    kind = fields.Selection([("head", "Fee Head"), ("discount", "Discount")], required=True, default="head")
    code = fields.Char()
    label = fields.Char()
    amount = fields.Monetary(required=True, help="A discount is positive, and taken off.")
    net_amount = fields.Monetary(compute="_compute_net_amount")

    @api.depends("amount", "kind")
    def _compute_net_amount(self):
        for line in self:
            line.net_amount = line.amount if line.kind == "head" else -line.amount
