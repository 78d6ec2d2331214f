from collections.abc import Iterable

import psycopg2.errors

from odoo import api, fields, models
from odoo.tools import SQL

from ..contract.application import APPLICATION_WORDS, ApplicationDocument, application_id_of, student_id_of
from ..contract.words import meanings
from ..sync.engine import find_bindings
from ..sync.item import Item
from ..sync.parts import Code, Part, Reference, Word

MOST_ATTEMPTS = 5


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
        "academicYear": Code("academic_year_id"),
        "gradeApplied": Code("grade_id"),
        "section": Code("section_id"),
        "submittedAt": Part("submitted_at"),
        "decidedAt": Part("decided_at"),
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
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        alone = {
            student_id_of(item.external_id): item.res_id
            for item in items
            if "studentExternalId" not in item.decision.document
        }
        students = find_bindings(source, "students", [(name, None) for name in alone]) if alone else {}
        found = {name: binding.res_id for name, binding in students.items() if binding.res_id}
        self._link_students({alone[name]: res_id for name, res_id in found.items()})
        self._look_again_after_commit(source, alone.keys() - found.keys())
        return items

    @api.model
    def _sync_students_arrived(self, source, students: dict[str, int]) -> None:
        """Link the applications that ``students`` come from, where their ids say so and nobody else has.

        :param students: record id by externalId
        """
        found = self._link_to(source, students)
        self._look_again_after_commit(source, {name for name in students if application_id_of(name)} - found)

    @api.model
    def _link_to(self, source, students: dict[str, int]) -> set[str]:
        """Link the applications that there are of ``students``; the externalIds of the students that have one."""
        came_from = {application_id: name for name in students if (application_id := application_id_of(name))}
        if not came_from:
            return set()
        bindings = find_bindings(source, self._sync_entity, [(application_id, None) for application_id in came_from])
        found = {came_from[application_id]: binding for application_id, binding in bindings.items() if binding.res_id}
        self._link_students(
            {
                binding.res_id: students[name]
                for name, binding in found.items()
                if "studentExternalId" not in (binding.document or {})
            }
        )
        return found.keys()

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

    @api.model
    def _look_again_after_commit(self, source, students: Iterable[str]) -> None:
        """Look for the other half once more when this transaction is seen by others.

        Of an application and a student that arrive at the same moment, neither sees the other; whichever is committed
        last sees both.

        :param students: the externalIds of the students in question
        """
        names = sorted(students)
        if not names:
            return

        def look_again() -> None:
            for _attempt in range(MOST_ATTEMPTS):
                try:
                    with self.env.registry.cursor() as cr:
                        fresh = source.with_env(source.env(cr=cr))
                        return self.with_env(fresh.env)._link_committed(fresh, names)
                except psycopg2.errors.SerializationFailure:
                    # The other half looks again too, and was first to link some of them.
                    continue

        self.env.cr.postcommit.add(look_again)

    @api.model
    def _link_committed(self, source, names: list[str]) -> None:
        """Link the students ``names`` and their applications, of those whose both halves are there."""
        # Locked first and without a word in the log, so that two who do the same do not collide while they write.
        self.env.cr.execute(
            SQL(
                """
                SELECT a.id
                  FROM school_application a
                  JOIN school_sync_binding b ON b.res_id = a.id
                 WHERE b.source_id = %s AND b.entity = %s AND b.external_id = ANY(%s) AND a.student_id IS NULL
                 ORDER BY a.id
                   FOR NO KEY UPDATE OF a
                """,
                source.id,
                self._sync_entity,
                [application_id_of(name) for name in names],
            ),
            log_exceptions=False,
        )
        if self.env.cr.fetchall():
            students = find_bindings(source, "students", [(name, None) for name in names])
            self._link_to(source, {name: binding.res_id for name, binding in students.items() if binding.res_id})
