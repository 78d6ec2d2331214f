from odoo import api, fields, models


class ReportStatement(models.AbstractModel):
    """The statement of a guardian, to be printed."""

    _name = "report.school_erp_sync.report_statement"
    _description = "Statement of a Guardian"

    @api.model
    def _get_report_values(self, docids, data=None):
        statement = self.env["school.statement"]
        guardians = self.env["school.parent"].browse(docids)
        parts = {guardian.id: statement._read_person(guardian) for guardian in guardians}
        return {
            "doc_ids": docids,
            "doc_model": guardians._name,
            "docs": guardians,
            "parts": parts,
            "totals": {guardian_id: statement._add_up(of_guardian) for guardian_id, of_guardian in parts.items()},
            "today": fields.Date.context_today(self),
        }
