from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain

from ..sync import conflicts, engine
from ..sync.item import Item, Status
from ..sync.merge import said_paths
from ..sync.parts import lay_over
from .notification import notify
from .school_sync_mixin import SENSITIVE


class SchoolSyncConflict(models.Model):
    """A record that was changed in Odoo and by its source: settled by a rule, or waiting for somebody to decide."""

    _name = "school.sync.conflict"
    _inherit = ["school.sync.record.mixin"]
    _description = "Sync Conflict"
    _order = "id desc"
    _rec_name = "external_id"
    _check_company_auto = True

    #: two transactions may queue the same conflict at once: to lose that race is no error of the document
    _sync_raced = True

    source_id = fields.Many2one(
        "school.sync.source", required=True, readonly=True, index=True, ondelete="cascade", check_company=True
    )
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    binding_id = fields.Many2one("school.sync.binding", readonly=True, index=True, ondelete="cascade")
    entity = fields.Char("Kind of Record", required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True, index="btree")
    res_model = fields.Char(required=True)
    state = fields.Selection(
        [
            ("open", "To Decide"),
            ("settled", "Settled by Rule"),
            ("resolved", "Decided"),
            ("overtaken", "Overtaken"),
        ],
        required=True,
        readonly=True,
        help="Overtaken: the source has sent something newer that is applied.",
    )
    document = fields.Json(readonly=True, groups=SENSITIVE)
    version = fields.Integer("Version Then", readonly=True)
    line_ids = fields.One2many("school.sync.conflict.line", "conflict_id", string="Both Sides")
    summary = fields.Char("What", compute="_compute_summary")
    decided_by_id = fields.Many2one("res.users", "Decided by", readonly=True)
    decided_at = fields.Datetime("Decided", readonly=True)

    _open_index = models.UniqueIndex("(binding_id) WHERE state = 'open'")
    _expiry_index = models.Index("(create_date) WHERE state != 'open'")

    @api.depends("line_ids.path")
    def _compute_summary(self):
        for conflict in self:
            conflict.summary = ", ".join(conflict.line_ids.mapped("path"))

    @api.depends("res_name", "entity")
    def _compute_display_name(self):
        for conflict in self:
            conflict.display_name = f"{conflict.res_name} ({conflict.entity})"

    @api.ondelete(at_uninstall=False)
    def _unlink_settles_incidents(self):
        """Whoever discards what is to be decided has dealt with it."""
        to_decide = self.filtered(lambda conflict: conflict.state == "open")
        for (source, entity), found in to_decide.grouped(lambda one: (one.source_id, one.entity)).items():
            # sudo: what goes wrong is noted by machines, and nobody may write it but they.
            self.env["school.sync.incident"].sudo()._settle(source, entity, {}, found.mapped("external_id"))

    def action_restore_all(self):
        """Put back all that lost, at once: parts that depend on each other cannot be put back one by one.

        :raises UserError: where Odoo refuses the values, or the conflict is not closed
        """
        self._check_all_seen()
        self.line_ids.action_restore()

    # ------------------------------------------------------------------
    # Deciding
    # ------------------------------------------------------------------

    def action_keep_all(self):
        """Decide that Odoo is right in everything; :return: the action that tells what became of it"""
        self._choose_all(conflicts.ODOO)
        return self.action_decide()

    def action_take_all(self):
        """Decide that the source is right in everything; :return: the action that tells what became of it"""
        self._choose_all(conflicts.SOURCE)
        return self.action_decide()

    def action_decide(self):
        """Apply what was decided, field by field, with the rights of the source's user.

        :return: the action that tells what became of it
        :raises UserError: where a part has not been decided, or the record is refused
        """
        self.check_access("write")
        self._check_all_seen()
        to_decide = self.filtered(lambda conflict: conflict.state == "open")
        if to_decide.line_ids.filtered(lambda line: not line.choice):
            raise UserError(self.env._("Choose for each field which side is right."))
        again = self.browse()
        for conflict in to_decide:
            if not conflict._decide():
                again |= conflict
        if again:
            return notify(
                "warning",
                self.env._(
                    "%(records)s changed again in Odoo in the meantime. Check both sides again.",
                    records=", ".join(again.mapped("display_name")),
                ),
            )
        return notify("success", self.env._("The decision was applied."))

    def _check_all_seen(self) -> None:
        """:raises odoo.exceptions.AccessError: where a conflict is about something that the user may not see"""
        # Searched, for the records that are at hand may be those that were read with all rights.
        lines, of_these = self.env["school.sync.conflict.line"], Domain("conflict_id", "in", self.ids)
        # sudo: only whether there are other parts is looked at.
        if lines.sudo().search_count(of_these) > lines.search_count(of_these):
            raise AccessError(
                self.env._(
                    "This conflict is about sensitive data. Someone with the right Sensitive Data can decide it."
                )
            )

    def _choose_all(self, side: str) -> None:
        self.check_access("write")
        self._check_all_seen()
        self.filtered(lambda conflict: conflict.state == "open").line_ids.write({"choice": side})

    def _decide(self) -> bool:
        """:return: whether it is decided; False where Odoo holds something else than whoever decided was shown"""
        source = self.source_id._as_api_user()
        # sudo: whoever decides sees the parts in question, and need not see the rest of the document.
        document = self.sudo().document
        choices = {line.path: (line.odoo_value, line.choice) for line in self.line_ids}
        report = engine.apply_decided(source, self.entity, document, choices)
        item = report.items[0]
        if item.status is not Status.CONFLICT and item.errors or any(error.code != "conflict" for error in item.errors):
            raise UserError("\n".join(error.detail for error in item.errors))
        source._log_internal("conflicts/decide", report)
        self.invalidate_recordset()
        if item.status is Status.CONFLICT:
            return False
        self.write(
            {
                "state": "resolved",
                "decided_by_id": self.env.uid,
                "decided_at": fields.Datetime.now(),
            }
        )
        # sudo: what is decided is not kept, whether or not whoever decided may see it.
        self.sudo().document = False
        return True

    # ------------------------------------------------------------------
    # For the engine
    # ------------------------------------------------------------------

    @api.model
    def _record(self, source, res_model: str, items: list[Item]) -> None:
        """Remember what clashed in ``items``; one conflict that is open for a record is brought up to date."""
        known = {one.id: one for one in self.browse([item.pending.id for item in items if item.pending])}
        clashes, new, gone = {}, [], self.env["school.sync.conflict.line"]
        for item in items:
            is_open = item.status is Status.CONFLICT
            found = [
                (clash, winner, item.tellers.get(clash.path))
                for clash, winner in item.clashes
                if is_open or clash.path not in item.decided
            ]
            if not found or item.status not in conflicts.RECORDED:
                continue
            if is_open and item.pending:
                conflict = known[item.pending.id]
                document = lay_over(self.env[res_model]._sync_get_parts(), item.pending.document, item.document)
                if (conflict.document, conflict.version) != (document, item.version):
                    conflict.write({"document": document, "version": item.version})
                clashes[conflict] = found
                settled = said_paths(item.document, item.pending.paths) - {clash.path for clash, *_rest in found}
                gone |= conflict.line_ids.filtered(lambda line, settled=settled: line.path in settled)
            else:
                new.append((item, found))
        created = self.create([self._prepare_values(source, res_model, item) for item, _found in new])
        clashes.update(zip(created, (found for _item, found in new), strict=True))
        gone.unlink()
        gone._store(clashes)

    @api.model
    def _prepare_values(self, source, res_model: str, item: Item) -> dict:
        is_open = item.status is Status.CONFLICT
        return {
            "source_id": source.id,
            "company_id": source.company_id.id,
            "binding_id": item.binding.id,
            "entity": self.env[res_model]._sync_entity,
            "external_id": item.external_id,
            "res_model": res_model,
            "res_id": item.res_id,
            "state": "open" if is_open else "settled",
            "document": item.document if is_open else False,
            "version": item.version,
        }

    @api.autovacuum
    def _gc_closed(self):
        """Both sides are personal data: what is closed is kept as long as payloads of the log."""
        for source in self.env["school.sync.source"].with_context(active_test=False).search([], limit=10_000):
            limit = fields.Datetime.now() - timedelta(days=source.payload_days)
            self.search(
                Domain("source_id", "=", source.id) & Domain("state", "!=", "open") & Domain("write_date", "<", limit)
            ).unlink()
