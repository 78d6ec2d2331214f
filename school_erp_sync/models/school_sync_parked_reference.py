from odoo import api, fields, models


class SchoolSyncParkedReference(models.Model):
    """A record that a parked document refers to and that has not arrived."""

    _name = "school.sync.parked.reference"
    _description = "Record That Is Waited For"
    _order = "id"
    _rec_name = "external_id"

    parked_id = fields.Many2one("school.sync.parked", required=True, readonly=True, index=True, ondelete="cascade")
    source_id = fields.Many2one("school.sync.source", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True)
    entity = fields.Char(required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True)
    pointer = fields.Char("Where", readonly=True, help="Where in the document it is named.")

    _arrival_index = models.Index("(source_id, entity, external_id)")

    @api.depends("entity", "external_id")
    def _compute_display_name(self):
        for reference in self:
            reference.display_name = f"{reference.entity}/{reference.external_id}"
