from odoo import fields, models


class SchoolAcademicMixin(models.AbstractModel):
    """A record of a school's year."""

    _name = "school.academic.mixin"
    _inherit = ["school.sync.mixin"]
    _description = "Record of an Academic Year"
    _check_company_auto = True

    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    active = fields.Boolean(default=True)
