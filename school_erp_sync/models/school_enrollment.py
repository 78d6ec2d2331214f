from collections import defaultdict
from datetime import date

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..contract.enrollment import ENROLLMENT_WORDS, EnrollmentDocument
from ..contract.grade import GradeLevel
from ..contract.text import quote
from ..contract.words import meanings
from ..sync.item import Item, open_items
from ..sync.parts import Code, Part, Reference, Word
from .academic_parts import CodeAt, GivenCodeAt, GivenGrade, GivenReference

_PERIOD_FIELDS = (
    "student_id",
    "school",
    "school_id",
    "course_id",
    "section_id",
    "date_start",
    "date_end",
    "state",
    "active",
)


class SchoolEnrollment(models.Model):
    """A student's place in a grade, or in one course, from ``date_start`` until the day before ``date_end``.

    The end is the day after the last attendance, as PowerSchool's exit_date: an enrollment that ends on a day and one
    that starts on it follow each other.
    """

    _name = "school.enrollment"
    _inherit = ["school.academic.mixin"]
    _description = "Enrollment"
    _order = "date_start desc, id desc"
    _rec_names_search = ["student_id.name", "roll_number"]

    _sync_entity = "enrollments"
    _sync_document = EnrollmentDocument
    _sync_parts = {
        "studentExternalId": Reference("students", "student_id"),
        "academicYear": Code("academic_year_id", instead_of="academicYearExternalId"),
        "academicYearExternalId": Reference("academic-years", "academic_year_id", instead_of="academicYear"),
        "gradeLevel": GivenGrade("grade_id", GradeLevel),
        "classId": GivenGrade("grade_id", GradeLevel),
        "sectionId": GivenCodeAt("section_id", instead_of="sectionExternalId"),
        "sectionExternalId": GivenReference("sections", "section_id", instead_of="sectionId"),
        "course": CodeAt("course_id", instead_of="courseExternalId"),
        "courseExternalId": Reference("courses", "course_id", instead_of="course"),
        "school": Part("school"),
        "startDate": Part("date_start"),
        "endDate": Part("date_end"),
        "status": Word("state", meanings(ENROLLMENT_WORDS)),
        "entryCode": Part("entry_code"),
        "entryReason": Part("entry_reason"),
        "exitCode": Part("exit_code"),
        "exitReason": Part("exit_reason"),
    }

    student_id = fields.Many2one("school.student", required=True, index=True, ondelete="restrict", check_company=True)
    academic_year_id = fields.Many2one(
        "school.academic.year", required=True, index=True, ondelete="restrict", check_company=True
    )
    grade_id = fields.Many2one("school.grade", index="btree_not_null", ondelete="restrict", check_company=True)
    section_id = fields.Many2one("school.section", index="btree_not_null", ondelete="restrict", check_company=True)
    course_id = fields.Many2one(
        "school.course",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="Empty: the enrollment in the school itself, not in one course of it.",
    )
    school = fields.Char("Campus Code", help="As the source says. Empty: the one school of the company.")
    date_start = fields.Date("First Day", required=True)
    date_end = fields.Date("Ends Before", help="The day after the last attendance. Empty: it goes on.")
    state = fields.Selection(
        [
            ("pre_registered", "Pre-Registered"),
            ("active", "Active"),
            ("transferred", "Transferred"),
            ("graduated", "Graduated"),
            ("withdrawn", "Withdrawn"),
            ("historical", "Historical"),
        ],
        string="Status",
        required=True,
        default="active",
        index=True,
    )
    entry_code = fields.Char(help="The code of the reason in the registrar's list.")
    entry_reason = fields.Char(help="Why the student enrolled here.")
    exit_code = fields.Char(help="The code of the reason in the registrar's list.")
    exit_reason = fields.Char(help="Why the student left.")
    roll_number = fields.Char(index="btree_not_null")
    overlap_ids = fields.Many2many("school.enrollment", string="Overlapping Enrollments", compute="_compute_overlap")
    is_overlapping = fields.Boolean("Overlapping", compute="_compute_overlap", search="_search_is_overlapping")

    _period_check = models.Constraint(
        "CHECK (date_end > date_start)",
        "An enrollment ends after it starts: its end is the day after the last attendance.",
    )

    @api.depends("student_id.name", "academic_year_id.name", "grade_id.name", "section_id.name", "course_id.name")
    def _compute_display_name(self):
        for enrollment in self:
            place = " ".join(filter(None, (enrollment.grade_id.name, enrollment.section_id.name)))
            parts = (enrollment.student_id.name, enrollment.academic_year_id.name, place, enrollment.course_id.name)
            enrollment.display_name = ", ".join(filter(None, parts))

    @api.depends(*(f"student_id.enrollment_ids.{name}" for name in _PERIOD_FIELDS))
    def _compute_overlap(self):
        overlaps = self._origin._find_overlaps()
        for enrollment in self:
            enrollment.overlap_ids = self.browse(overlaps[enrollment._origin.id])
            enrollment.is_overlapping = bool(enrollment.overlap_ids)

    @api.model
    def _search_is_overlapping(self, operator, value):
        if operator != "in":
            return NotImplemented
        self.flush_model(_PERIOD_FIELDS)
        return Domain("id", "in", SQL("(SELECT id FROM (%s) overlap)", self._overlaps_sql(SQL("TRUE"))))

    def _find_overlaps(self) -> defaultdict[int, list[int]]:
        """Find the active enrollments of the same student that share a day with these.

        Two enrollments in the same school overlap; two in the same course only if they are in the same section, since a
        lecture and its lab are two sections at once.

        :return: the ids of the others, by the id of the enrollment
        """
        overlaps = defaultdict(list)
        if self:
            self.flush_model(_PERIOD_FIELDS)
            for enrollment_id, other_id in self.env.execute_query(self._overlaps_sql(SQL("e.id = ANY(%s)", self.ids))):
                overlaps[enrollment_id].append(other_id)
        return overlaps

    @api.model
    def _overlaps_sql(self, condition: SQL) -> SQL:
        return SQL(
            """
            SELECT e.id, other.id AS other_id
              FROM school_enrollment e
              JOIN school_enrollment other
                ON other.student_id = e.student_id AND other.id != e.id
               AND lower(coalesce((SELECT code FROM school_school WHERE id = other.school_id), other.school, ''))
                   = lower(coalesce((SELECT code FROM school_school WHERE id = e.school_id), e.school, ''))
               AND other.course_id IS NOT DISTINCT FROM e.course_id
               AND (e.course_id IS NULL OR other.section_id IS NOT DISTINCT FROM e.section_id)
               AND daterange(other.date_start, other.date_end) && daterange(e.date_start, e.date_end)
             WHERE e.active AND e.state = 'active' AND other.active AND other.state = 'active' AND %s
             ORDER BY e.id, other.date_start, other.id
            """,
            condition,
        )

    def _covers(self, day: date) -> bool:
        """Whether ``day`` is one of this enrollment's."""
        return self.date_start <= day and (not self.date_end or day < self.date_end)

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        self._sync_check_campus(items)
        records = {record.id: record for record in self.browse([item.res_id for item in items if item.res_id])}
        for item in open_items(items):
            record = records.get(item.res_id, self.browse())
            start, end = (
                fields.Date.to_date(item.values.get(name, record[name])) for name in ("date_start", "date_end")
            )
            if end and end <= start:
                item.fail(
                    "/endDate",
                    "end_before_start",
                    self.env._(
                        "endDate %(end)s is not after startDate %(start)s. Send the day after the last attendance.",
                        end=end.isoformat(),
                        start=start.isoformat(),
                    ),
                )
        return items

    @api.model
    def _sync_check_campus(self, items: list[Item]) -> None:
        """Refuse those of ``items`` that name one school by its code and another one by reference."""
        said = {
            item: school_id
            for item in items
            if item.paths & {"school", "schoolExternalId"}
            and item.decision.document.get("school")
            and (school_id := item.found.get(("schools", item.decision.document.get("schoolExternalId"))))
        }
        schools = self.env["school.school"].browse(said.values())
        for item, school in zip(said, schools, strict=True):
            code, external_id = (item.decision.document[path] for path in ("school", "schoolExternalId"))
            if school._code_key(code) != school.code_key:
                item.fail(
                    "/school",
                    "contradiction",
                    self.env._(
                        "school is %(code)s, but schoolExternalId %(record)s has the code %(other)s. Send one of them.",
                        code=quote(code),
                        record=quote(external_id),
                        other=quote(school.code),
                    ),
                )

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        overlaps = self.browse([item.res_id for item in items])._find_overlaps()
        if not overlaps:
            return items
        others = {other.id: other for other in self.browse({first for first, *_rest in overlaps.values()})}
        external_ids = source._external_ids(self._sync_entity, list(others))
        # What is new in this batch has no binding yet.
        external_ids.update((item.res_id, item.external_id) for item in items)
        made_elsewhere = self.env._("one made in Odoo or sent by another source")
        for item in items:
            if item.res_id in overlaps:
                other = others[overlaps[item.res_id][0]]
                item.warn(
                    self.env._(
                        "This enrollment overlaps with another active enrollment of the student: %(other)s, "
                        "%(start)s to %(end)s. If this is a mistake, end one of them.",
                        other=external_ids.get(other.id, made_elsewhere),
                        start=other.date_start.isoformat(),
                        end=other.date_end.isoformat() if other.date_end else self.env._("open"),
                    )
                )
        return items
