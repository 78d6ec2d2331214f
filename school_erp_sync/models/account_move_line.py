from odoo import fields, models

from .school_invoiced_mixin import INVOICED_GROUPS


class AccountMoveLine(models.Model):
    _name = "account.move.line"
    _inherit = ["school.invoiced.mixin", "account.move.line"]

    school_student_id = fields.Many2one(
        related="move_id.school_student_id", store=True, precompute=True, ondelete="set null"
    )
    school_class = fields.Char(related="move_id.school_class", store=True, precompute=True)
    school_grade_id = fields.Many2one(
        related="move_id.school_grade_id", store=True, precompute=True, ondelete="set null"
    )
    school_year_id = fields.Many2one(related="move_id.school_year_id", store=True, precompute=True, ondelete="set null")
    school_campus_id = fields.Many2one(
        related="move_id.school_campus_id", store=True, precompute=True, ondelete="set null"
    )
    school_fee_head = fields.Char(
        "Fee Head", readonly=True, copy=False, groups=INVOICED_GROUPS, help="The code that the school bills it under."
    )

    def copy_data(self, default=None):
        return self._school_add_copied(super().copy_data(default), ("school_fee_head",))
