from odoo import api, fields, models

from ..contract.application import APPLICATION_WORDS, ApplicationDocument, application_id_of, student_id_of
from ..contract.base import DateTime
from ..contract.grade import GradeLevel
from ..contract.words import meanings
from ..sync.engine import find_bindings
from ..sync.item import Item
from ..sync.parts import Code, EnrichingCode, EnrichingValue, Reference, Word
from .academic_parts import CodeAt


class StudentOfApplication(Reference):
    """The student of an application: as the source says, or else whom the externalId of the application names."""

    def said(self, records, source, documents):
        return [
            said or student_id_of(application.name)
            for application, said in zip(records, super().said(records, source, documents), strict=True)
        ]


class SchoolApplication(models.Model):
    _name = "school.application"
    _inherit = ["school.academic.mixin"]
    _description = "Application for a Place"
    _order = "submitted_at desc, id desc"

    _sync_entity = "applications"
    _sync_document = ApplicationDocument
    _sync_parts = {
        "status": Word("state", meanings(APPLICATION_WORDS)),
        "academicYear": Code("academic_year_id", instead_of="academicYearExternalId"),
        "academicYearExternalId": Reference("academic-years", "academic_year_id", instead_of="academicYear"),
        "gradeApplied": EnrichingCode("grade_id", GradeLevel),
        "section": CodeAt("section_id", instead_of="sectionExternalId"),
        "sectionExternalId": Reference("sections", "section_id", instead_of="section"),
        "submittedAt": EnrichingValue("submitted_at", DateTime),
        "decidedAt": EnrichingValue("decided_at", DateTime),
        "studentExternalId": StudentOfApplication("students", "student_id"),
    }

    name = fields.Char("Application", required=True, index="trigram")
    student_id = fields.Many2one("school.student", index="btree_not_null", ondelete="restrict", check_company=True)
    academic_year_id = fields.Many2one(
        "school.academic.year", index="btree_not_null", ondelete="restrict", check_company=True
    )
    grade_id = fields.Many2one(
        "school.grade", string="Grade Applied For", index="btree_not_null", ondelete="restrict", check_company=True
    )
    section_id = fields.Many2one("school.section", index="btree_not_null", ondelete="restrict", check_company=True)
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
    def _sync_claims(self, item: Item):
        yield from super()._sync_claims(item)
        if not item.res_id and "studentExternalId" not in item.decision.document:
            # Another transaction may be making the student, and neither would see the other's record.
            yield "students", student_id_of(item.external_id)

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        alone = {
            student_id_of(item.external_id): item.res_id
            for item in items
            if "studentExternalId" not in item.decision.document
        }
        students = find_bindings(source, "students", [(name, None) for name in alone]) if alone else {}
        self._link_students({alone[name]: student.res_id for name, student in students.items() if student.res_id})
        return super()._sync_applied(source, items)

    @api.model
    def _sync_students_arrived(self, source, students: dict[str, int]) -> None:
        """Link the applications that ``students`` come from, where their ids say so and nobody else has.

        :param students: record id by externalId
        """
        came_from = {application_id: name for name in students if (application_id := application_id_of(name))}
        if not came_from:
            return
        bindings = find_bindings(source, self._sync_entity, [(application_id, None) for application_id in came_from])
        self._link_students(
            {
                binding.res_id: students[came_from[application_id]]
                for application_id, binding in bindings.items()
                if binding.res_id and "studentExternalId" not in (binding.document or {})
            }
        )

    @api.model
    def _link_students(self, student_ids: dict[int, int]) -> None:
        """Give each application, by its id, its student; those that have one keep it."""
        students = self.env["school.student"].browse(student_ids.values()).exists()
        # All at once, what checking the companies of each would fetch one by one.
        students.fetch(["company_id"])
        existing = set(students.ids)
        for application in self.browse(student_ids).exists():
            if not application.student_id and student_ids[application.id] in existing:
                application.student_id = student_ids[application.id]
