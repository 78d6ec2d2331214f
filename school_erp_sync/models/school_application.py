from odoo import api, fields, models

from ..contract.application import APPLICATION_WORDS, ApplicationDocument, application_id_of, student_id_of
from ..contract.words import meanings
from ..sync.engine import find_bindings
from ..sync.item import Item


class SchoolApplication(models.Model):
    _name = "school.application"
    _inherit = ["school.academic.mixin"]
    _description = "Application for a Place"
    _order = "submitted_at desc, id desc"

    _sync_entity = "applications"
    _sync_document = ApplicationDocument
    _sync_fields = {"status": "state", "submittedAt": "submitted_at", "decidedAt": "decided_at"}
    _sync_reference_fields = {"studentExternalId": ("students", "student_id")}
    _sync_code_fields = {"academicYear": "academic_year_id", "gradeApplied": "grade_id", "section": "section_id"}
    _sync_words = {"state": meanings(APPLICATION_WORDS)}

    name = fields.Char("Application", required=True, index="trigram")
    student_id = fields.Many2one("school.student", index="btree_not_null", ondelete="restrict", check_company=True)
    academic_year_id = fields.Many2one("school.academic.year", index="btree_not_null", check_company=True)
    grade_id = fields.Many2one("school.grade", string="Grade Applied For", check_company=True)
    section_id = fields.Many2one("school.section", check_company=True)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("submitted", "Submitted"),
            ("under_review", "Under Review"),
            ("waitlisted", "Waitlisted"),
            ("approved", "Approved"),
            ("rejected", "Rejected"),
            ("withdrawn", "Withdrawn"),
            ("enrolled", "Enrolled"),
        ],
        string="Status",
        required=True,
        default="draft",
        index=True,
    )
    submitted_at = fields.Datetime("Submitted")
    decided_at = fields.Datetime("Decided")

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_create(self, source, items: list[Item]):
        for item in items:
            item.values["name"] = item.external_id
        return super()._sync_create(source, items)

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> None:
        super()._sync_applied(source, items)
        alone = {
            student_id_of(item.external_id): item.res_id
            for item in items
            if "studentExternalId" not in item.decision.document
        }
        students = find_bindings(source, "students", [(external_id, None) for external_id in alone])
        self._link_students(
            {alone[external_id]: binding.res_id for external_id, binding in students.items() if binding.res_id}
        )

    @api.model
    def _sync_student_arrived(self, source, students: dict[str, int]) -> None:
        """Link the applications that ``students`` come from, where their ids say so and nobody else has.

        :param students: record id by externalId
        """
        came_from = {
            application_id: res_id for name, res_id in students.items() if (application_id := application_id_of(name))
        }
        if not came_from:
            return
        applications = find_bindings(source, self._sync_entity, [(name, None) for name in came_from])
        self._link_students(
            {
                binding.res_id: came_from[name]
                for name, binding in applications.items()
                if binding.res_id and "studentExternalId" not in (binding.document or {})
            }
        )

    @api.model
    def _link_students(self, student_ids: dict[int, int]) -> None:
        """Give each application, by its id, its student; those that have one keep it."""
        students = set(self.env["school.student"].browse(student_ids.values()).exists().ids)
        for application in self.browse(student_ids).exists():
            if not application.student_id and student_ids[application.id] in students:
                application.student_id = student_ids[application.id]
