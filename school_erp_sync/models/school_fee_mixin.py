from odoo import api, fields, models
from odoo.fields import Domain


class SchoolFeeMixin(models.AbstractModel):
    """What a student owes: invoicing sees the student's name and class, and nothing else of the student."""

    _name = "school.fee.mixin"
    _description = "Record about the Fees of a Student"

    student_name = fields.Char(compute="_compute_student", compute_sudo=True, search="_search_student_name")
    student_class = fields.Char("Class", compute="_compute_student", compute_sudo=True)

    # sudo: those who collect fees are told whose they are, without being readers of students.
    @api.depends("student_id.name", "student_id.current_grade_id", "student_id.current_section_id")
    def _compute_student(self):
        for record in self:
            student = record.student_id
            place = (student.current_grade_id.name, student.current_section_id.name)
            record.student_name = student.name
            record.student_class = " ".join(filter(None, place))

    @api.model
    def _search_student_name(self, operator, value):
        # sudo: as above; of a student that the user may not read, nothing but the name can be searched.
        students = self.env["school.student"].sudo()._search(Domain("name", operator, value), active_test=False)
        return Domain("student_id", "in", students)
