from odoo import models


class SchoolCourse(models.Model):
    _name = "school.course"
    _inherit = ["school.code.mixin"]
    _description = "Course"
