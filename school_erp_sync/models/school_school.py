from odoo import fields, models

from ..contract.grade import GradeLevel
from ..contract.school import SchoolDocument
from ..sync.parts import EnrichingCode, Part


class SchoolSchool(models.Model):
    """A school of a district: the district is the company, the school a campus of it."""

    _name = "school.school"
    _inherit = ["school.entry.mixin"]
    _description = "Campus"
    _order = "name, id"
    _check_company_auto = True

    _sync_entity = "schools"
    _sync_document = SchoolDocument
    _sync_parts = {
        "shortName": Part("short_name"),
        "lowestGrade": EnrichingCode("grade_low_id", GradeLevel),
        "highestGrade": EnrichingCode("grade_high_id", GradeLevel),
        "address.street": Part("street"),
        "address.city": Part("city"),
        "address.state": Part("state_name"),
        "address.country": Part("country_name"),
        "address.pin": Part("zip"),
        "phone": Part("phone"),
        "principal": Part("principal"),
    }

    short_name = fields.Char()
    grade_low_id = fields.Many2one("school.grade", "Lowest Grade", ondelete="restrict", check_company=True)
    grade_high_id = fields.Many2one("school.grade", "Highest Grade", ondelete="restrict", check_company=True)
    street = fields.Char()
    city = fields.Char()
    state_name = fields.Char("State")
    country_name = fields.Char("Country")
    zip = fields.Char("ZIP")
    phone = fields.Char()
    principal = fields.Char()
