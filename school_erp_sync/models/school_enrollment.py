from datetime import date
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL, format_date

from ..contract.enrollment import ENROLLMENT_WORDS, EnrollmentDocument
from ..contract.words import meanings
from ..sync.item import Item, open_items
from ..sync.merge import value_at
from ..sync.parts import Code, Part, Reference, Word
from ..sync.periods import Period, overlapping

# Nothing that comes over the wire can be this object, so only the code below can put the check off.
_LATER = object()
_PERIOD_FIELDS = ("student_id", "school", "course_id", "date_start", "date_end", "state", "active")


class Placed(Code):
    """A part that a roster assignment, which is the source's own word as well, may have put on the enrollment."""

    def untouched(self, record, base, ours, theirs):
        given = record.roster_assignment_ids.filtered(lambda one: one.active and one.state == "assigned")[self.field]
        held = record[self.field]
        return bool(held and held in given) or super().untouched(record, base, ours, theirs)


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
        "academicYear": Code("academic_year_id"),
        "gradeLevel": Placed("grade_id"),
        "classId": Placed("grade_id"),
        "sectionId": Placed("section_id"),
        "course": Code("course_id"),
        "school": Part("school"),
        "startDate": Part("date_start"),
        "endDate": Part("date_end"),
        "status": Word("state", meanings(ENROLLMENT_WORDS)),
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
    school = fields.Char("Campus", help="The school's code at the source. Empty: the one school of the company.")
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
    roll_number = fields.Char(index="btree_not_null")

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

    @api.constrains(*_PERIOD_FIELDS)
    def _check_overlap(self):
        if self._is_checked_later():
            return
        active = self.filtered(lambda enrollment: enrollment.active and enrollment.state == "active")
        if not active:
            return
        active.student_id._claim()
        self.flush_model(_PERIOD_FIELDS)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT e.id, other.id
                  FROM school_enrollment e
                  JOIN school_enrollment other
                    ON other.student_id = e.student_id AND other.id != e.id
                   AND lower(coalesce(other.school, '')) = lower(coalesce(e.school, ''))
                   AND other.course_id IS NOT DISTINCT FROM e.course_id
                   AND daterange(other.date_start, other.date_end) && daterange(e.date_start, e.date_end)
                 WHERE e.id = ANY(%s) AND other.active AND other.state = 'active'
                 ORDER BY e.id, other.id
                 LIMIT 1
                """,
                active.ids,
            )
        )
        if rows:
            enrollment, other = self.browse(rows[0])
            raise ValidationError(
                self.env._(
                    "%(enrollment)s (%(period)s) overlaps with another active enrollment: "
                    "%(other)s (%(other_period)s). End one of them first.",
                    enrollment=enrollment.display_name,
                    period=enrollment._format_period(),
                    other=other.display_name,
                    other_period=other._format_period(),
                )
            )

    def _is_checked_later(self) -> bool:
        return self.env.context.get("school_enrollment_check") is _LATER

    def _format_period(self) -> str:
        start, end = (format_date(self.env, day) if day else "…" for day in (self.date_start, self.date_end))
        return f"{start} – {end}"

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        self._sync_check_overlap(source, open_items(items))
        return items

    @api.model
    def _sync_create(self, source, items: list[Item]):
        return super(SchoolEnrollment, self._checking_later())._sync_create(source, items)

    @api.model
    def _sync_write(self, source, items: list[Item]) -> list[Item]:
        super(SchoolEnrollment, self._checking_later())._sync_write(source, items)
        return items

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self.browse([item.res_id for item in items])._check_overlap()
        return items

    @api.model
    def _checking_later(self):
        """This model, not looking at one record before the others of the batch are stored.

        In one batch an enrollment may end for another to begin, in any order.
        """
        return self.with_context(school_enrollment_check=_LATER)

    @api.model
    def _sync_check_overlap(self, source, items: list[Item]) -> None:
        """Refuse the documents that would leave a student with two active enrollments at once, naming the other.

        Of two documents in one batch it cannot be known which is the right one, so neither is taken.
        """
        planned = []
        records = {record.id: record for record in self.browse([item.res_id for item in items if item.res_id])}
        for item in items:
            period = self._sync_planned_period(item, records.get(item.res_id, self.browse()))
            if period.end and period.end <= period.start:
                item.fail(
                    "/endDate",
                    "end_before_start",
                    f"endDate {period.end} is not after startDate {period.start}: "
                    "it is the day after the last attendance",
                )
            elif period.owner:
                planned.append((item, period))
        if not planned:
            return
        for position, other in overlapping(period for _item, period in planned).items():
            self._sync_refuse_overlap(planned[position][0], planned[other][0].external_id, planned[other][1])
        stored = self._sync_stored_overlaps(planned, list(records))
        external_ids = source._external_ids(self._sync_entity, [other_id for other_id, _period in stored.values()])
        for position, (other_id, period) in stored.items():
            self._sync_refuse_overlap(planned[position][0], external_ids.get(other_id), period)

    @api.model
    def _sync_planned_period(self, item: Item, record) -> Period:
        """The period of ``item`` once it is applied, owned by student, school and course; by None if it is inactive."""

        def planned(name: str) -> Any:
            return item.values[name] if name in item.values else record[name]

        course = record.course_id.code_key or ""
        if "course" in item.paths:
            course = self.env["school.course"]._code_key(value_at(item.decision.document, "course") or "")
        student = planned("student_id")
        owner = (getattr(student, "id", student), (planned("school") or "").casefold(), course)
        active = planned("state") == "active" and (not record or record.active or item.binding.deleted)
        start, end = fields.Date.to_date(planned("date_start")), fields.Date.to_date(planned("date_end"))
        return Period(owner if active else None, start, end or None)

    @api.model
    def _sync_stored_overlaps(
        self, planned: list[tuple[Item, Period]], own_ids: list[int]
    ) -> dict[int, tuple[int, Period]]:
        """The stored enrollments in the way of ``planned``, but for those of the batch, which are about to change.

        :return: the id and period of one of them, by position in ``planned``
        """
        self.flush_model(_PERIOD_FIELDS)
        self.env["school.course"].flush_model(["code_key"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (asked.position) asked.position, e.id, e.date_start, e.date_end
                  FROM unnest(%(positions)s::int[], %(students)s::int[], %(schools)s::text[], %(courses)s::text[],
                              %(starts)s::date[], %(ends)s::date[])
                       AS asked(position, student_id, school, course, date_start, date_end)
                  JOIN school_enrollment e
                    ON e.student_id = asked.student_id AND e.active AND e.state = 'active'
                   AND lower(coalesce(e.school, '')) = lower(asked.school)
                   AND daterange(e.date_start, e.date_end) && daterange(asked.date_start, asked.date_end)
             LEFT JOIN school_course c ON c.id = e.course_id
                 WHERE coalesce(c.code_key, '') = asked.course AND e.id != ALL(%(own_ids)s)
                 ORDER BY asked.position, e.date_start
                """,
                positions=list(range(len(planned))),
                students=[period.owner[0] for _item, period in planned],
                schools=[period.owner[1] for _item, period in planned],
                courses=[period.owner[2] for _item, period in planned],
                starts=[period.start for _item, period in planned],
                ends=[period.end for _item, period in planned],
                own_ids=own_ids,
            )
        )
        return {position: (other_id, Period(None, start, end)) for position, other_id, start, end in rows}

    @api.model
    def _sync_refuse_overlap(self, item: Item, other: str | None, period: Period) -> None:
        name = repr(other) if other else "one that was made in Odoo or sent by another source"
        until = period.end.isoformat() if period.end else "open"
        item.fail(
            "/startDate",
            "overlap",
            f"overlaps with another active enrollment of this student: {name}, {period.start} to {until}; "
            "end one of them, or send both as they are to be in one request",
        )

    def _covers(self, day: date) -> bool:
        """Whether ``day`` is one of this enrollment's."""
        return Period(self.id, self.date_start, self.date_end or None).covers(day)
