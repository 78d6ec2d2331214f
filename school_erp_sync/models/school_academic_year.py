from odoo import fields, models


class SchoolAcademicYear(models.Model):
    _name = "school.academic.year"
    _inherit = ["school.code.mixin"]
    _description = "Academic Year"
    _order = "date_start desc, code desc, id"

    date_start = fields.Date("First Day")
    date_end = fields.Date("Last Day")

    _period_check = models.Constraint(
        "CHECK (date_end IS NULL OR date_start IS NULL OR date_end >= date_start)",
        "An academic year cannot end before it starts.",
    )
