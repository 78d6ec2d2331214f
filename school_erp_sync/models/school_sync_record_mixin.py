from odoo import api, fields, models


class SchoolSyncRecordMixin(models.AbstractModel):
    """Something that is told of a record, of whichever model (``res_model``, ``res_id``)."""

    _name = "school.sync.record.mixin"
    _description = "What Is Told of a Record"

    res_model = fields.Char("Model", readonly=True)
    res_id = fields.Many2oneReference("Record ID", model_field="res_model", readonly=True)
    res_name = fields.Char("Record", compute="_compute_res_name")

    @api.depends("res_model", "res_id")
    def _compute_res_name(self):
        for res_model, rows in self.grouped("res_model").items():
            records = self.env[res_model].browse(rows.mapped("res_id")).exists() if res_model in self.env else ()
            names = dict.fromkeys(records and records.ids, self.env._("(not yours to see)"))
            names.update({record.id: record.display_name for record in records and records._filtered_access("read")})
            for row in rows:
                row.res_name = names.get(row.res_id) or self.env._("(deleted)")

    def action_open_record(self):
        """:return: the action that opens the record"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self.res_model,
            "res_id": self.res_id,
            "view_mode": "form",
        }
