from odoo import api, fields, models

from ..contract.contact_point import email_key, phone_key

#: what a phone number or an e-mail address is for
CONTACT_POINT_TYPES = [("mobile", "Mobile"), ("home", "Home"), ("work", "Work"), ("other", "Other")]


class SchoolContactPoint(models.Model):
    """A phone number or an e-mail address of a contact besides the one that Odoo keeps on the contact itself."""

    _name = "school.contact.point"
    _description = "Phone or Email of a Contact"
    _order = "kind, id"
    _rec_name = "value"

    partner_id = fields.Many2one("res.partner", string="Contact", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    kind = fields.Selection([("phone", "Phone"), ("email", "Email")], required=True)
    type = fields.Selection(CONTACT_POINT_TYPES, required=True, default="other")
    value = fields.Char("Number or Address", required=True)
    key = fields.Char(compute="_compute_key", store=True, precompute=True, index="trigram")

    @api.depends("kind", "value")
    def _compute_key(self):
        for point in self:
            point.key = (phone_key if point.kind == "phone" else email_key)(point.value or "")
