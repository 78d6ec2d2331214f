from collections import defaultdict
from datetime import date
from typing import Any

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..sync.item import Item
from .school_roster_assignment import MATCH_LATER


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

    def _get_enrollment(self, day: date, year):
        """Return where the student is enrolled on ``day``, else will be next, else was last.

        :param year: the school year of which it is asked; an enrollment in another one counts only where there is none
        """

        def rank(enrollment):
            distance = abs((enrollment.date_start - day).days)
            return enrollment.academic_year_id == year, enrollment._covers(day), enrollment.date_start > day, -distance

        in_school = self.enrollment_ids.filtered(lambda enrollment: not enrollment.course_id)
        return max(in_school, key=rank, default=in_school)

    def _prepare_invoiced_place(self, day: date, year) -> dict[str, Any]:
        """Prepare what an invoice of ``day`` says of where the student is enrolled.

        :param year: the school year that is billed, if that is known
        """
        enrollment = self._get_enrollment(day, year)
        return {
            "school_class": " ".join(filter(None, (enrollment.grade_id.name, enrollment.section_id.name))) or False,
            "school_grade_id": enrollment.grade_id.id,
            "school_year_id": (year or enrollment.academic_year_id).id,
            "school_campus_id": enrollment.school_id.id,
        }

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

    def _merge_into(self, survivor):
        # Enrollments and their assignments change the student one after the other: they belong together all the time.
        result = super(SchoolStudent, self.with_context(**{MATCH_LATER: True}))._merge_into(survivor)
        survivor._match_assignments()
        return result

    def _match_assignments(self) -> dict[Any, list[str]]:
        """Match the roster assignments of these students with their enrollments, and apply what they say.

        The result depends on what is stored, not on the order in which it was stored.

        :return: the fields whose value was replaced, by enrollment
        """
        if not self:
            return {}
        self._claim()
        everything = self.with_context(active_test=False)
        assignments = everything.env["school.roster.assignment"].search([("student_id", "in", self.ids)])
        enrollment_ids = assignments._find_enrollments()
        # All at once, what checking the companies of each would fetch one by one.
        everything.env["school.enrollment"].browse(enrollment_ids.values()).fetch(["company_id"])
        for assignment in assignments:
            if assignment.enrollment_id.id != enrollment_ids.get(assignment.id, False):
                assignment.enrollment_id = enrollment_ids.get(assignment.id, False)
        given = defaultdict(dict)
        for assignment in assignments.filtered("enrollment_id").sorted(lambda one: one._order_key()):
            given[assignment.enrollment_id.id].update(assignment._get_place())
        enrollments = everything.env["school.enrollment"].search(
            Domain("id", "in", list(given))
            | Domain("student_id", "in", self.ids) & Domain("given_grade_id", "!=", False)
        )
        replaced = {enrollment: enrollment._apply_given(given[enrollment.id]) for enrollment in enrollments}
        self._complete_invoices()
        return replaced

    def _complete_invoices(self) -> None:
        """Say the class on invoices of these students that were made before it was known."""
        # sudo: it follows from the enrollment, whoever enters that; no invoice is shown.
        moves = self.env["account.move"].sudo()
        domain = Domain("school_student_id", "in", self.ids) & Domain("school_class", "=", False)
        moves.search(domain)._school_complete_places()

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
