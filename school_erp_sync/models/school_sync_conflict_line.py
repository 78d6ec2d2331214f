from typing import Any

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..contract.money import write_value
from ..sync import conflicts, engine
from ..sync.parts import collect
from .school_sync_mixin import SENSITIVE


class SchoolSyncConflictLine(models.Model):
    """One part of a record, as it was when both sides agreed, as Odoo has it and as the source has it."""

    _name = "school.sync.conflict.line"
    _description = "Field in Conflict"
    _order = "path"
    _rec_name = "path"

    conflict_id = fields.Many2one("school.sync.conflict", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="conflict_id.company_id", store=True, precompute=True)
    state = fields.Selection(related="conflict_id.state")
    path = fields.Char("Field", required=True, readonly=True)
    is_sensitive = fields.Boolean(
        compute="_compute_is_sensitive", store=True, precompute=True, help="Shown to those who may see sensitive data."
    )
    base_value = fields.Json(readonly=True)
    odoo_value = fields.Json(readonly=True)
    source_value = fields.Json(readonly=True)
    base_text = fields.Text("Before", compute="_compute_texts")
    odoo_text = fields.Text("In Odoo", compute="_compute_texts")
    source_text = fields.Text("From the Source", compute="_compute_texts")
    teller_id = fields.Many2one(
        "school.sync.source", "Sent by", readonly=True, help="The other source that sent the value in Odoo."
    )
    choice = fields.Selection([("odoo", "Keep Odoo's"), ("source", "Take theirs")], string="Which")
    restored_at = fields.Datetime("Put Back", readonly=True)

    @api.depends("path", "conflict_id.res_model")
    def _compute_is_sensitive(self):
        for line in self:
            model = self.env[line.conflict_id.res_model]
            part = collect(type(model)).get(line.path)
            line.is_sensitive = bool(part and part.field and model._fields[part.field].groups == SENSITIVE)

    @api.depends("base_value", "odoo_value", "source_value")
    def _compute_texts(self):
        for line in self:
            line.base_text = write_value(line.path, line.base_value)
            line.odoo_text = write_value(line.path, line.odoo_value)
            line.source_text = write_value(line.path, line.source_value)

    def action_keep(self):
        """Choose Odoo's side; applied when the conflict is decided."""
        self._choose(conflicts.ODOO)

    def action_take(self):
        """Choose the source's side; applied when the conflict is decided."""
        self._choose(conflicts.SOURCE)

    def action_restore(self):
        """Put the values that lost back into their records, as if somebody had entered them again.

        :raises UserError: where Odoo refuses a value, or a conflict is not closed
        """
        self.check_access("write")
        for conflict, lines in self.grouped("conflict_id").items():
            if conflict.state not in ("settled", "resolved"):
                raise UserError(self.env._("Decide the conflict first."))
            source = conflict.source_id._as_api_user()
            lost = {line.path: line._get_lost_value() for line in lines}
            report = engine.restore(source, conflict.entity, conflict.external_id, lost)
            if errors := report.items[0].errors:
                raise UserError("\n".join(error.detail for error in errors))
            source._log_internal("conflicts/restore", report)
            lines.restored_at = fields.Datetime.now()

    def _get_lost_value(self) -> Any:
        if self.choice == conflicts.ODOO:
            return self.source_value
        return self.env[self.conflict_id.res_model]._sync_get_parts()[self.path].spell_out(self.odoo_value)

    @api.model
    def _store(self, clashes: dict) -> None:
        """Have the lines of each conflict say what clashes in it now.

        Each clash comes with the side that won, and with the source that sent what Odoo holds, where one did.

        What is as it was stays, with the choice that somebody may have made meanwhile: a source sends again and again.
        """
        known = {(line.conflict_id, line.path): line for conflict in clashes for line in conflict.line_ids}
        new = []
        for conflict, found in clashes.items():
            for clash, winner, teller in found:
                values = {"base_value": clash.base, "odoo_value": clash.ours, "source_value": clash.theirs}
                if teller:
                    values["teller_id"] = teller.id
                line = known.get((conflict, clash.path))
                if not line:
                    new.append({"conflict_id": conflict.id, "path": clash.path, "choice": winner, **values})
                elif any(line[name] != values[name] for name in ("base_value", "odoo_value", "source_value")):
                    line.write({"teller_id": False, **values, "choice": winner})
        self.create(new)

    def _choose(self, side: str) -> None:
        if self.conflict_id.filtered(lambda conflict: conflict.state != "open"):
            raise UserError(self.env._("This conflict is decided already."))
        self.choice = side
