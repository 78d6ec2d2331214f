from decimal import Decimal

from odoo import fields, models

from ..contract.course import CourseDocument
from ..contract.money import to_decimal, to_json
from ..sync.merge import is_empty
from ..sync.parts import Part


class Number(Part):
    """A number that may have decimals; 0 says nothing."""

    def meaning(self, model, value):
        return None if is_empty(value) else to_decimal(value) or None

    def to_value(self, model, value):
        return value or False

    def _read_one(self, record):
        value = record[self.field]
        return to_json(Decimal(repr(value))) if value else None


class SchoolCourse(models.Model):
    _name = "school.course"
    _inherit = ["school.campus.mixin"]
    _description = "Course"

    _enrollment_field = "course_id"

    _sync_entity = "courses"
    _sync_document = CourseDocument
    _sync_parts = {
        "department": Part("department"),
        "credits": Number("credits"),
    }

    department = fields.Char()
    credits = fields.Float(digits=0)

    _code_unique = models.UniqueIndex(
        "(company_id, COALESCE(school_id, 0), code_key)",
        "This campus has a course with this code already; it may be archived.",
    )
