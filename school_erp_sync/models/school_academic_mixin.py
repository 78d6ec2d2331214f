from odoo import api, fields, models

from ..sync.item import Item


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

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self._sync_warn_archived(source, items, "student_id")
        return items
