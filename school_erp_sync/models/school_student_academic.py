from odoo import api, fields, models
from odoo.tools import SQL

from ..sync.item import Item


class SchoolStudent(models.Model):
    """What a student applied for, and where the student was and is enrolled."""

    _inherit = "school.student"

    application_ids = fields.One2many("school.application", "student_id", string="Applications")
    application_count = fields.Integer(compute="_compute_application_count")
    enrollment_ids = fields.One2many("school.enrollment", "student_id", string="Enrollments")
    enrollment_count = fields.Integer(compute="_compute_enrollment_count")
    current_grade_id = fields.Many2one("school.grade", compute="_compute_current_place")
    current_section_id = fields.Many2one("school.section", compute="_compute_current_place")

    @api.depends("application_ids")
    def _compute_application_count(self):
        for student in self:
            student.application_count = len(student.application_ids)

    @api.depends("enrollment_ids")
    def _compute_enrollment_count(self):
        for student in self:
            student.enrollment_count = len(student.enrollment_ids)

    @api.depends(
        "enrollment_ids.state",
        "enrollment_ids.course_id",
        "enrollment_ids.grade_id",
        "enrollment_ids.section_id",
        "enrollment_ids.date_start",
        "enrollment_ids.date_end",
    )
    def _compute_current_place(self):
        today = fields.Date.context_today(self)
        for student in self:
            current = student.enrollment_ids.filtered(
                lambda enrollment: (
                    enrollment.state == "active" and not enrollment.course_id and enrollment._covers(today)
                )
            )[:1]
            student.current_grade_id = current.grade_id
            student.current_section_id = current.section_id

    def action_open_applications(self):
        """:return: the action that shows what these students applied for"""
        return self._action_open("school_erp_sync.school_application_action")

    def action_open_enrollments(self):
        """:return: the action that shows the enrollments of these students, the newest first"""
        return self._action_open("school_erp_sync.school_enrollment_action")

    def _action_open(self, xml_id: str):
        action = self.env["ir.actions.act_window"]._for_xml_id(xml_id)
        action["domain"] = [("student_id", "in", self.ids)]
        action["context"] = {"default_student_id": self.id} if len(self) == 1 else {}
        return action

    def _claim(self) -> None:
        """Let only one transaction at a time change where these students are enrolled.

        What two of them do, each on its own snapshot, can break a rule that neither of them breaks. The row is written
        as it is, so that the one that comes second fails to serialize, and Odoo runs it again on a snapshot that sees
        what the first one did.
        """
        if not self:
            return
        # In the order of ids: two batches that overlap wait for each other, and never in a circle.
        self.env.cr.execute(
            SQL(
                """
                UPDATE school_student
                   SET write_date = school_student.write_date
                  FROM (SELECT id FROM school_student WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) AS claimed
                 WHERE school_student.id = claimed.id
                """,
                self.ids,
            ),
            log_exceptions=False,
        )

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self.env["school.application"]._sync_students_arrived(source, {item.external_id: item.res_id for item in items})
        return items
