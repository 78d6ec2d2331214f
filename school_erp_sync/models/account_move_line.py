from odoo import models


class AccountMoveLine(models.Model):
    _name = "account.move.line"
    _inherit = ["school.batch.mixin", "account.move.line"]
