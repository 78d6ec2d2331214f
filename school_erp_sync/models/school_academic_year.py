from odoo import fields, models

from ..contract.academic_year import AcademicYearDocument
from ..sync.parts import Part


class SchoolAcademicYear(models.Model):
    _name = "school.academic.year"
    _inherit = ["school.entry.mixin"]
    _description = "Academic Year"
    _order = "date_start desc, code desc, id"

    _sync_entity = "academic-years"
    _sync_document = AcademicYearDocument
    _sync_parts = {
        "startDate": Part("date_start"),
        "endDate": Part("date_end"),
        "current": Part("is_current"),
    }

    date_start = fields.Date("First Day")
    date_end = fields.Date("Last Day")
    is_current = fields.Boolean("Current", help="As the source says; several sources may differ.")

    _period_check = models.Constraint(
        "CHECK (date_end IS NULL OR date_start IS NULL OR date_end >= date_start)",
        "An academic year cannot end before it starts.",
    )
