from odoo import models


class SchoolSection(models.Model):
    _name = "school.section"
    _inherit = ["school.code.mixin"]
    _description = "Section"
