from odoo import api, fields, models

from ..contract.grade import grade_key, grade_name, grade_number

LAST = 1000


class SchoolGrade(models.Model):
    _name = "school.grade"
    _inherit = ["school.code.mixin"]
    _description = "Grade"
    _order = "sequence, code, id"

    sequence = fields.Integer(compute="_compute_sequence", store=True, readonly=False, precompute=True)

    @api.depends("code")
    def _compute_sequence(self):
        for grade in self:
            number = grade_number(grade.code or "")
            # Tens, so that there is room in between for the grades that have no number.
            grade.sequence = grade.sequence or (LAST if number is None else 10 * number)

    @api.model
    def _code_key(self, code):
        return grade_key(code)

    @api.model
    def _code_name(self, code):
        return grade_name(code)
