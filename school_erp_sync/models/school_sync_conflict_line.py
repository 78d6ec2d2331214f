import json
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..sync import conflicts, engine
from ..sync.merge import is_empty


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
    base_value = fields.Json(readonly=True)
    odoo_value = fields.Json(readonly=True)
    source_value = fields.Json(readonly=True)
    base_text = fields.Char("Before", compute="_compute_texts")
    odoo_text = fields.Char("In Odoo", compute="_compute_texts")
    source_text = fields.Char("From the Source", compute="_compute_texts")
    choice = fields.Selection([("odoo", "Keep Odoo's"), ("source", "Take theirs")], string="Which")
    restored_at = fields.Datetime("Put Back", readonly=True)

    @api.depends("base_value", "odoo_value", "source_value")
    def _compute_texts(self):
        for line in self:
            line.base_text = _in_words(line.base_value)
            line.odoo_text = _in_words(line.odoo_value)
            line.source_text = _in_words(line.source_value)

    def action_keep(self):
        """Choose Odoo's side; applied when the conflict is decided."""
        self._choose(conflicts.ODOO)

    def action_take(self):
        """Choose the source's side; applied when the conflict is decided."""
        self._choose(conflicts.SOURCE)

    def action_restore(self):
        """Put the value that lost back into the record, as if somebody had entered it again.

        :raises UserError: where Odoo refuses the value, or the conflict is not closed
        """
        self.ensure_one()
        self.check_access("write")
        conflict = self.conflict_id
        if conflict.state not in ("settled", "resolved"):
            raise UserError(self.env._("Decide the conflict first."))
        source = conflict.source_id._as_api_user()
        lost = self.source_value if self.choice == conflicts.ODOO else self.odoo_value
        report = engine.restore(source, conflict.entity, conflict.external_id, self.path, lost)
        if errors := report.items[0].errors:
            raise UserError("\n".join(error.detail for error in errors))
        source._log_internal("conflicts/restore", report)
        self.restored_at = fields.Datetime.now()

    def _choose(self, side: str) -> None:
        if self.conflict_id.filtered(lambda conflict: conflict.state != "open"):
            raise UserError(self.env._("This is decided already."))
        self.choice = side


def _in_words(value: Any) -> str | bool:
    if is_empty(value):
        return False
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
