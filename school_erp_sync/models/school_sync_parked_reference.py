from odoo import api, fields, models

from ..sync import parking


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

    refusal = fields.Text(
        "Refused",
        compute="_compute_refusal",
        help="When and why the document of this record, or of one that it waits for, was refused.",
    )

    _arrival_index = models.Index("(source_id, entity, external_id)")

    @api.depends("entity", "external_id")
    def _compute_display_name(self):
        for reference in self:
            reference.display_name = f"{reference.entity}/{reference.external_id}"

    @api.depends("source_id", "entity", "external_id")
    def _compute_refusal(self):
        for source, references in self.grouped("source_id").items():
            found = parking.refusals(source, {(one.entity, one.external_id) for one in references}) if source else {}
            for one in references:
                refusal = found.get((one.entity, one.external_id))
                one.refusal = refusal and refusal.told(self.env, one.entity, one.external_id)
