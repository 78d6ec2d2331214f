from odoo import api, fields, models
from odoo.tools import SQL

from .school_invoiced_mixin import INVOICED_FIELDS, INVOICED_GROUPS


class AccountInvoiceReport(models.Model):
    _name = "account.invoice.report"
    _inherit = ["school.invoiced.mixin", "account.invoice.report"]

    school_fee_head = fields.Char("Fee Head", readonly=True, groups=INVOICED_GROUPS)

    _depends = {"account.move.line": [*INVOICED_FIELDS, "school_fee_head"]}

    @api.model
    def _select(self):
        names = (*INVOICED_FIELDS, "school_fee_head")
        return SQL("%s, %s", super()._select(), SQL(", ").join(SQL.identifier("line", name) for name in names))
