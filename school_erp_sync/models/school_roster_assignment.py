from collections import defaultdict
from datetime import datetime, timezone
from typing import Any

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..contract.roster_assignment import ROSTER_EVENTS, RosterAssignmentDocument
from ..contract.words import meanings
from ..sync.item import Item, Status
from ..sync.parts import Code, Part, Reference, Word
from .academic_parts import CodeAt
from .notification import notify

_REQUESTED, _COMPLETED = ROSTER_EVENTS
# What decides which enrollment an assignment is about: of the enrollment, and of the assignment.
_SHARED_KEYS = frozenset({"student_id", "school_id", "course_id", "academic_year_id", "date_start", "active"})
_ENROLLMENT_KEYS = _SHARED_KEYS | {"school", "date_end", "state"}
_ASSIGNMENT_KEYS = _SHARED_KEYS | {"event"}
# What an assignment puts on its enrollment, and the paths at which a document of the enrollment says it.
_PLACE_PATHS = {
    "grade_id": ("gradeLevel", "classId"),
    "section_id": ("sectionId", "sectionExternalId"),
    "roll_number": (),
}
# Under this context key, matching is put off until all records of a batch are stored.
MATCH_LATER = "school_match_later"


class SchoolRosterAssignment(models.Model):
    """The class, section and roll number of a student from a day on: asked for, or given and put on the enrollment."""

    _name = "school.roster.assignment"
    _inherit = ["school.academic.mixin"]
    _description = "Roster Assignment"
    _order = "date_start desc, id desc"
    _rec_names_search = ["student_id.name", "roll_number"]

    _sync_entity = "roster-assignments"
    _sync_document = RosterAssignmentDocument
    _sync_after = ("enrollments",)
    _sync_parts = {
        "event": Word("event", meanings(ROSTER_EVENTS)),
        "studentExternalId": Reference("students", "student_id"),
        "classId": Code("grade_id"),
        "sectionId": CodeAt("section_id", instead_of="sectionExternalId"),
        "sectionExternalId": Reference("sections", "section_id", instead_of="sectionId"),
        "courseExternalId": Reference("courses", "course_id"),
        "academicYearExternalId": Reference("academic-years", "academic_year_id"),
        "rollNo": Part("roll_number"),
        "start": Part("date_start"),
    }

    student_id = fields.Many2one("school.student", required=True, index=True, ondelete="restrict", check_company=True)
    grade_id = fields.Many2one(
        "school.grade", string="Class", required=True, index=True, ondelete="restrict", check_company=True
    )
    section_id = fields.Many2one("school.section", index="btree_not_null", ondelete="restrict", check_company=True)
    course_id = fields.Many2one(
        "school.course",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="Empty: about the enrollment in the school itself, not in one course of it.",
    )
    academic_year_id = fields.Many2one(
        "school.academic.year", index="btree_not_null", ondelete="restrict", check_company=True
    )
    roll_number = fields.Char()
    date_start = fields.Date("From", required=True)
    source_updated_at = fields.Datetime("Changed at Source", readonly=True, copy=False)
    event = fields.Selection([(_REQUESTED, "Requested"), (_COMPLETED, "Completed")], required=True, default=_COMPLETED)
    enrollment_id = fields.Many2one(
        "school.enrollment", readonly=True, index="btree_not_null", ondelete="set null", check_company=True, copy=False
    )
    state = fields.Selection(
        [
            ("requested", "Waiting for the Class"),
            ("waiting", "Waiting for the Enrollment"),
            ("assigned", "Assigned"),
        ],
        string="Status",
        compute="_compute_state",
        store=True,
        index=True,
    )

    @api.depends("event", "enrollment_id.active")
    def _compute_state(self):
        for assignment in self:
            if assignment.event == _REQUESTED:
                assignment.state = "requested"
            else:
                assignment.state = "assigned" if assignment.enrollment_id.active else "waiting"

    @api.depends("student_id.name", "grade_id.name", "section_id.name")
    def _compute_display_name(self):
        for assignment in self:
            place = " ".join(filter(None, (assignment.grade_id.name, assignment.section_id.name)))
            assignment.display_name = ", ".join(filter(None, (assignment.student_id.name, place)))

    @api.model_create_multi
    def create(self, vals_list):
        assignments = super().create(vals_list)
        assignments._match()
        return assignments

    def write(self, vals):
        result = super().write(vals)
        if (_ASSIGNMENT_KEYS | _PLACE_PATHS.keys()) & vals.keys():
            self._match()
        return result

    def unlink(self):
        students = self._get_students()
        result = super().unlink()
        students._match_assignments()
        return result

    def action_assign(self):
        """Find the enrollments of these assignments, and put class, section and roll number on them again.

        :return: what to tell the user
        """
        self._match()
        for enrollment in self.enrollment_id:
            given = enrollment._convert_to_write({name: enrollment[f"given_{name}"] for name in _PLACE_PATHS})
            enrollment.write({name: value for name, value in given.items() if value})
        waiting = len(self.filtered(lambda assignment: assignment.state != "assigned"))
        message = (
            self.env._("%s still waiting.", waiting)
            if waiting
            else self.env._("Class, section and roll number are set.")
        )
        return notify("warning" if waiting else "success", message)

    # ------------------------------------------------------------------
    # Putting assignments on enrollments
    # ------------------------------------------------------------------

    def _get_students(self):
        """Return the students whose enrollments a change of these assignments may concern, before and after it."""
        return self.student_id | self.enrollment_id.student_id

    def _match(self) -> None:
        if not self.env.context.get(MATCH_LATER):
            self._get_students()._match_assignments()

    def _get_place(self) -> dict[str, Any]:
        """Return what this assignment says, as values of the fields of its enrollment."""
        return self._convert_to_write({name: self[name] for name in _PLACE_PATHS if self[name]})

    def _order_key(self) -> tuple:
        """Return the sort key of assignments of one enrollment. Where two say different things, the last one counts."""
        return self.date_start, self.source_updated_at or datetime.min, self.id

    def _find_enrollments(self) -> dict[int, int]:
        """Find the enrollment of each assignment: in the same course or none, and covering its first day.

        It must not be at another school or in another year, where the assignment says one.
        Of several, prefer one that is not archived, not withdrawn, not ended; then the one that starts last, then the
        one that ends last. An archived enrollment keeps the assignments that it has, and gets no new ones.

        :return: the id of the enrollment, by the id of the assignment
        """
        self.flush_recordset([*_ASSIGNMENT_KEYS, "enrollment_id"])
        self.env["school.enrollment"].flush_model(_ENROLLMENT_KEYS)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (r.id) r.id, e.id
                  FROM school_roster_assignment r
                  JOIN school_enrollment e
                    ON e.student_id = r.student_id AND e.company_id = r.company_id
                   AND e.course_id IS NOT DISTINCT FROM r.course_id
                   AND (r.academic_year_id IS NULL OR e.academic_year_id = r.academic_year_id)
                   AND (r.school_id IS NULL OR e.school_id = r.school_id
                        OR e.school_id IS NULL
                           AND (e.school IS NULL OR lower(e.school) = (SELECT lower(code) FROM school_school
                                                                        WHERE id = r.school_id)))
                   AND (e.active OR e.id = r.enrollment_id)
                   AND daterange(e.date_start, e.date_end) @> r.date_start
                 WHERE r.id = ANY(%s) AND r.active AND r.event = %s
                 ORDER BY r.id, e.active DESC, e.state = 'withdrawn', e.state NOT IN ('active', 'pre_registered'),
                          e.date_start DESC, e.date_end DESC NULLS FIRST, lower(coalesce(e.school, '')), e.id DESC
                """,
                self.ids,
                _COMPLETED,
            )
        )
        return dict(rows)

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        known = self.browse([item.res_id for item in items if item.res_id])
        completed = set(known.filtered(lambda assignment: assignment.event == _COMPLETED).ids)
        for item in items:
            if item.res_id in completed and item.values.get("event") == _REQUESTED:
                # A request that comes late, or twice, does not undo what it asked for.
                del item.values["event"]
                item.warn(self.env._("This assignment is completed already. The request changed nothing."))
            if item.decision.updated_at:
                moment = item.decision.updated_at.astimezone(timezone.utc)
                item.values["source_updated_at"] = moment.replace(tzinfo=None, microsecond=0)
        return items

    @api.model
    def _sync_create(self, source, items: list[Item]):
        return super(SchoolRosterAssignment, self.with_context(**{MATCH_LATER: True}))._sync_create(source, items)

    @api.model
    def _sync_write(self, source, items: list[Item]) -> list[Item]:
        return super(SchoolRosterAssignment, self.with_context(**{MATCH_LATER: True}))._sync_write(source, items)

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        assignments = self.browse([item.res_id for item in items])
        replaced = assignments._get_students()._match_assignments()
        last = {}
        same_day = defaultdict(int)
        for assignment in assignments.enrollment_id.roster_assignment_ids.sorted(lambda one: one._order_key()):
            last[assignment.enrollment_id] = assignment
            same_day[assignment.enrollment_id, assignment.date_start] += 1
        corrected = defaultdict(list)
        for item, assignment in zip(items, assignments, strict=True):
            enrollment = assignment.enrollment_id
            if assignment.state == "waiting":
                item.warn(
                    self.env._(
                        "No enrollment of this student covers %(day)s yet. The assignment is applied when one arrives.",
                        day=assignment.date_start.isoformat(),
                    )
                )
            elif assignment.state == "assigned" and assignment != last[enrollment]:
                item.warn(self.env._("A later assignment of the same enrollment applies. This one was stored only."))
            # A new assignment adds to the enrollment. A changed one, or one that replaces another of the same day,
            # corrects it: the enrollment may then be sent again, unchanged, to correct it back.
            if item.status is not Status.CREATED or same_day[enrollment, assignment.date_start] > 1:
                for name in replaced.get(enrollment, ()):
                    if name in item.values and assignment[name] == enrollment[name]:
                        corrected[name].append(enrollment.id)
        self._forget_replaced(source, corrected)
        return items

    @api.model
    def _forget_replaced(self, source, replaced: dict[str, list[int]]) -> None:
        """Forget what ``source`` last said of these fields, so that the same document is applied when it is sent again.

        A document with ``updatedAt`` that is sent again is only a repetition: what it said is not forgotten.

        :param replaced: the ids of the enrollments, by field
        """
        if not replaced:
            return
        # sudo: an API user reads no bindings but through the engine, which asks for its own source's only.
        untimed = (
            self.env["school.sync.binding"]
            .sudo()
            .search(
                Domain("source_id", "=", source.id)
                & Domain("entity", "=", "enrollments")
                & Domain("res_id", "in", sorted({one for ids in replaced.values() for one in ids}))
                & Domain("source_updated_at", "=", False)
            )
        )
        untimed = set(untimed.mapped("res_id"))
        for name, enrollment_ids in replaced.items():
            for path in _PLACE_PATHS[name]:
                source._forget_said("enrollments", sorted(untimed.intersection(enrollment_ids)), path)


class SchoolEnrollment(models.Model):
    _inherit = "school.enrollment"

    roster_assignment_ids = fields.One2many("school.roster.assignment", "enrollment_id", string="Roster Assignments")
    # What the assignments say, and what the enrollment says without them. The last change of either counts.
    given_grade_id = fields.Many2one("school.grade", "Class Assigned", readonly=True, copy=False)
    given_section_id = fields.Many2one("school.section", "Section Assigned", readonly=True, copy=False)
    given_roll_number = fields.Char("Roll Number Assigned", readonly=True, copy=False)
    own_grade_id = fields.Many2one("school.grade", "Grade without Assignments", readonly=True, copy=False)
    own_section_id = fields.Many2one("school.section", "Section without Assignments", readonly=True, copy=False)
    own_roll_number = fields.Char("Roll Number without Assignments", readonly=True, copy=False)

    @api.model_create_multi
    def create(self, vals_list):
        enrollments = super().create([self._with_own(vals) for vals in vals_list])
        enrollments._match()
        return enrollments

    def write(self, vals):
        result = super().write(self._with_own(vals))
        if _ENROLLMENT_KEYS & vals.keys():
            self._match()
        return result

    def unlink(self):
        students = self._get_students()
        result = super().unlink()
        students._match_assignments()
        return result

    @api.model
    def _with_own(self, vals: dict[str, Any]) -> dict[str, Any]:
        """Return ``vals`` with what they say of the place also stored as the enrollment's own, unless they say that."""
        return {**{f"own_{name}": vals[name] for name in _PLACE_PATHS if name in vals}, **vals}

    def _get_students(self):
        """Return the students whose assignments a change of these enrollments may concern, before and after it."""
        return self.student_id | self.roster_assignment_ids.student_id

    def _match(self) -> None:
        if not self.env.context.get(MATCH_LATER):
            self._get_students()._match_assignments()

    def _apply_given(self, given: dict[str, Any]) -> list[str]:
        """Write what the assignments say where that has changed. A value that was changed since is kept.

        :param given: what they say, by field
        :return: the fields whose value was replaced
        """
        names = [f"{prefix}{name}" for prefix in ("", "given_", "own_") for name in _PLACE_PATHS]
        held = self._convert_to_write({name: self[name] for name in names})
        values = {}
        for name in _PLACE_PATHS:
            before, now = held[f"given_{name}"], given.get(name, False)
            if now == before:
                continue
            values[f"given_{name}"] = now
            if now or held[name] == before:
                values[name] = now or held[f"own_{name}"]
                values[f"own_{name}"] = held[f"own_{name}"]
        if values:
            self.write(values)
        return [name for name in _PLACE_PATHS if values.get(name, held[name]) != held[name]]

    @api.model
    def _sync_make_related(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_make_related(source, items)
        known = [item for item in items if item.res_id]
        for item, enrollment in zip(known, self.browse([item.res_id for item in known]), strict=True):
            own = enrollment._convert_to_write({name: enrollment[f"own_{name}"] for name in _PLACE_PATHS})
            nothing_new = {name for name in own.keys() & item.values.keys() if item.values[name] == own[name]}
            # Only a document that says nothing new sets again what an assignment has replaced.
            if nothing_new != item.values.keys():
                for name in nothing_new:
                    del item.values[name]
        return items

    @api.model
    def _sync_create(self, source, items: list[Item]):
        return super(SchoolEnrollment, self.with_context(**{MATCH_LATER: True}))._sync_create(source, items)

    @api.model
    def _sync_write(self, source, items: list[Item]) -> list[Item]:
        return super(SchoolEnrollment, self.with_context(**{MATCH_LATER: True}))._sync_write(source, items)

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self._sync_note_own(items)
        self.browse([item.res_id for item in items])._match()
        return items

    @api.model
    def _sync_agreed(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_agreed(source, items)
        self._sync_note_own(items)
        return items

    @api.model
    def _sync_note_own(self, items: list[Item]) -> None:
        """Store as the enrollments' own what their documents say and assignments have set already."""
        for name, paths in _PLACE_PATHS.items():
            enrollments = self.browse([item.res_id for item in items if item.agreed.intersection(paths)])
            if not enrollments:
                continue
            own = f"own_{name}"
            enrollments.flush_recordset([name, own])
            # Raw SQL: nothing that people see changes, nor the time of the last change.
            self.env.cr.execute(
                SQL(
                    "UPDATE school_enrollment SET %(own)s = %(held)s WHERE id = ANY(%(ids)s)",
                    own=SQL.identifier(own),
                    held=SQL.identifier(name),
                    ids=enrollments.ids,
                )
            )
            enrollments.invalidate_recordset([own], flush=False)
