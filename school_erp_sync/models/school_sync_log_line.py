from odoo import fields, models


class SchoolSyncLogLine(models.Model):
    """What became of one document of an exchange."""

    _name = "school.sync.log.line"
    _description = "Sync Log Line"
    _order = "log_id desc, position"
    _rec_name = "external_id"

    log_id = fields.Many2one("school.sync.log", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    source_id = fields.Many2one(related="log_id.source_id")
    source_name = fields.Char(related="log_id.source_id.name")
    entity = fields.Char(readonly=True)
    position = fields.Integer("#", readonly=True, aggregator=None)
    external_id = fields.Char("External ID", readonly=True, index="btree_not_null")
    status = fields.Selection(
        [
            ("created", "Created"),
            ("updated", "Updated"),
            ("unchanged", "Unchanged"),
            ("archived", "Archived"),
            ("parked", "Parked"),
            ("stale", "Stale"),
            ("conflict", "Conflict"),
            ("failed", "Failed"),
            ("rolledBack", "Rolled Back"),
            ("synced", "Synced"),
            ("refused", "Refused"),
        ],
        required=True,
        readonly=True,
    )
    res_model = fields.Char("Model", readonly=True)
    res_id = fields.Many2oneReference("Record ID", model_field="res_model", readonly=True)
    message = fields.Text(readonly=True)
    document = fields.Text(readonly=True, groups="school_erp_sync.group_sync_manager")

    _record_index = models.Index("(res_model, res_id) WHERE res_id IS NOT NULL")

    def action_open_record(self):
        """:return: the action that opens the record that the document became"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self.res_model,
            "res_id": self.res_id,
            "view_mode": "form",
        }
