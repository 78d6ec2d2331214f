import json
from collections.abc import Mapping
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from .school_sync_mixin import SENSITIVE

# Made once: json.dumps makes a new one for each document.
_write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class SchoolSyncBinding(models.Model):
    """What a source calls a record: (source, entity, externalId) ↔ (model, record id), and what it last said of it."""

    _name = "school.sync.binding"
    _inherit = ["school.sync.payload.mixin", "school.sync.record.mixin"]
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
    digest = fields.Char(readonly=True, groups=SENSITIVE)
    repeat_mark = fields.Char(readonly=True, groups=SENSITIVE, help="Tells whether the same document is sent again.")
    document = fields.Json("Last Document", readonly=True, groups=SENSITIVE, help="In its canonical form.")
    document_text = fields.Text("Document", compute="_compute_document_text", groups=SENSITIVE)
    remarks = fields.Json(readonly=True, help="What Odoo does not understand of the last document, by field.")
    remarks_text = fields.Text("Warnings", compute="_compute_remarks_text")
    has_warnings = fields.Boolean(compute="_compute_remarks_text", search="_search_has_warnings")
    source_updated_at = fields.Datetime("Changed at Source", readonly=True)
    changed_in_odoo_at = fields.Datetime(
        readonly=True, help="The last change in Odoo that is known to lie before the last document."
    )
    restated = fields.Boolean(
        readonly=True, help="Since this version, the source has said anew what Odoo held already."
    )
    successor_id = fields.Many2one(
        "school.sync.binding",
        "Replaced by",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
        help="The external ID that the source uses now. Documents that use this one still find the record.",
    )
    deleted_at = fields.Datetime("Deleted by Source", readonly=True)

    _identity = models.UniqueIndex("(source_id, entity, external_id)", "This external ID is bound already.")
    _record_index = models.Index("(res_model, res_id)")
    _remarks_index = models.Index("(source_id) WHERE remarks IS NOT NULL")
    _page_index = models.Index("(source_id, entity, id)")

    def unlink(self):
        # What waits for a decision or for another record, or has failed, is over with the record that it was about.
        self.filtered("res_id")._forget_open_work()
        return super().unlink()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_of_a_record(self):
        for res_model, bindings in self.grouped("res_model").items():
            if res_model not in self.env:
                continue
            existing = set(self.env[res_model].browse(bindings.mapped("res_id")).exists().ids)
            if bound := bindings.filtered(lambda binding, existing=existing: binding.res_id in existing)[:1]:
                raise UserError(
                    self.env._(
                        "%(name)s knows %(record)s as %(external_id)s. Without this binding, the next document makes "
                        "the record twice. Archive or delete the record instead.",
                        name=bound.source_id.name,
                        record=bound.res_name,
                        external_id=bound.external_id,
                    )
                )

    def _forget_open_work(self) -> None:
        identities = {(one.source_id, one.entity, one.external_id) for one in self}
        # sudo: whoever may delete the record may delete what is still to be done about it.
        env = self.sudo().env
        of_bindings = Domain("source_id", "in", self.source_id.ids) & Domain(
            "external_id", "in", self.mapped("external_id")
        )
        parked = env["school.sync.parked"].search(of_bindings)
        parked.filtered(lambda one: (one.source_id, one.entity, one.external_id) in identities).unlink()
        env["school.sync.conflict"].search([("binding_id", "in", self.ids)]).unlink()
        for (source, entity), bindings in self.sudo().grouped(lambda one: (one.source_id, one.entity)).items():
            env["school.sync.incident"]._settle(source, entity, {}, set(bindings.mapped("external_id")))

    @api.depends("document")
    def _compute_document_text(self):
        for binding in self:
            binding.document_text = json.dumps(binding.document, indent=2, ensure_ascii=False)

    @api.depends("remarks")
    def _compute_remarks_text(self):
        for binding in self:
            remarks = (binding.remarks or {}).values()
            binding.remarks_text = "\n".join(remark["text"] for remark in remarks)
            binding.has_warnings = bool(remarks)

    @api.model
    def _search_has_warnings(self, operator, value):
        if operator != "in":
            return NotImplemented
        # Of a record that the source has deleted there is nothing to mend.
        return Domain("remarks", "!=", False) & Domain("deleted_at", "=", False)

    @api.model
    def _document_text(self, document: Mapping[str, Any]) -> str:
        """``document`` as it is stored: PostgreSQL orders the keys of a jsonb by itself."""
        return _write(document)
