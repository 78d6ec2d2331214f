import json
from collections.abc import Mapping
from typing import Any

from odoo import api, fields, models


class SchoolSyncBinding(models.Model):
    """What a source calls a record: (source, entity, externalId) ↔ (model, record id), and what it last said of it."""

    _name = "school.sync.binding"
    _inherit = ["school.sync.record.mixin"]
    _description = "Sync Binding"
    _order = "id desc"
    _rec_name = "external_id"

    #: two transactions may make the same row at once: to lose that race is no error of the document
    _sync_raced = True

    source_id = fields.Many2one("school.sync.source", required=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one("res.company", string="School", required=True, index=True, readonly=True)
    entity = fields.Char(required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True, index="trigram")
    res_model = fields.Char(required=True)
    version = fields.Integer(default=1, readonly=True, help="Rises by one with each change that the source sent.")
    digest = fields.Char(readonly=True, groups="school_erp_sync.group_sync_manager")
    document = fields.Json(
        "Last Document", readonly=True, groups="school_erp_sync.group_sync_manager", help="In its canonical form."
    )
    document_text = fields.Text(
        "Document", compute="_compute_document_text", groups="school_erp_sync.group_sync_manager"
    )
    source_updated_at = fields.Datetime("Changed at Source", readonly=True)
    changed_in_odoo_at = fields.Datetime(
        readonly=True, help="The last change in Odoo that is known to lie before the last document."
    )
    deleted_at = fields.Datetime("Deleted by Source", readonly=True)

    _identity = models.UniqueIndex("(source_id, entity, external_id)", "This external ID is bound already.")
    _record_index = models.Index("(res_model, res_id)")
    _page_index = models.Index("(source_id, entity, id)")

    @api.depends("document")
    def _compute_document_text(self):
        for binding in self:
            binding.document_text = json.dumps(binding.document, indent=2, ensure_ascii=False)

    @api.model
    def _document_text(self, document: Mapping[str, Any]) -> str:
        """``document`` as it is stored: PostgreSQL orders the keys of a jsonb by itself."""
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
