from odoo import api, fields, models
from odoo.tools import SQL

from ..contract.roster_assignment import ROSTER_EVENTS, RosterAssignmentDocument
from ..contract.words import meanings
from ..sync.item import Item
from ..sync.parts import Code, Part, Reference, Word
from .notification import notify

_REQUESTED, _COMPLETED = ROSTER_EVENTS
_MATCHED_FIELDS = frozenset({"student_id", "course_id", "date_start", "date_end", "state", "active"})


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
        "sectionId": Code("section_id"),
        "rollNo": Part("roll_number"),
        "start": Part("date_start"),
    }

    student_id = fields.Many2one("school.student", required=True, index=True, ondelete="restrict", check_company=True)
    grade_id = fields.Many2one(
        "school.grade", string="Class", required=True, index=True, ondelete="restrict", check_company=True
    )
    section_id = fields.Many2one("school.section", index="btree_not_null", ondelete="restrict", check_company=True)
    roll_number = fields.Char()
    date_start = fields.Date("From", required=True)
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
        assignments._assign()
        return assignments

    def action_assign(self):
        """Look for the enrollments of these assignments, and put class, section and roll number on them.

        :return: what to tell the user
        """
        self._assign()
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

    def _assign(self):
        """Put what these assignments say on the enrollments they belong to; one that has none yet waits.

        Of several in one enrollment, the one that starts last counts.

        :return: the assignments that count
        """
        completed = self.filtered(lambda assignment: assignment.event == _COMPLETED and assignment.active)
        if not completed:
            return completed
        completed.student_id._claim()
        homeless = completed.filtered(lambda assignment: not assignment._fits())
        enrollment_ids = homeless._find_enrollments()
        # All at once, what checking the companies of each would fetch one by one.
        self.env["school.enrollment"].browse(enrollment_ids.values()).fetch(["company_id"])
        for assignment in homeless:
            assignment.enrollment_id = enrollment_ids.get(assignment.id, False)
        counting = completed._filter_counting()
        for assignment in counting:
            values = {"grade_id": assignment.grade_id.id}
            if assignment.section_id:
                values["section_id"] = assignment.section_id.id
            if assignment.roll_number:
                values["roll_number"] = assignment.roll_number
            assignment.enrollment_id.write(values)
        return counting

    def _fits(self) -> bool:
        enrollment = self.enrollment_id
        return enrollment.active and enrollment.student_id == self.student_id and enrollment._covers(self.date_start)

    def _find_enrollments(self) -> dict[int, int]:
        """The enrollment that each assignment is about: without course, running or to run on its day, the newest."""
        self.flush_model(["student_id", "date_start"])
        self.env["school.enrollment"].flush_model(_MATCHED_FIELDS)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (r.id) r.id, e.id
                  FROM school_roster_assignment r
                  JOIN school_enrollment e
                    ON e.student_id = r.student_id AND e.company_id = r.company_id AND e.course_id IS NULL
                   AND e.active AND e.state IN ('active', 'pre_registered')
                   AND daterange(e.date_start, e.date_end) @> r.date_start
                 WHERE r.id = ANY(%s)
                 ORDER BY r.id, e.date_start DESC, e.id DESC
                """,
                self.ids,
            )
        )
        return dict(rows)

    def _filter_counting(self):
        """Those of these assignments after which none starts in the same enrollment."""
        last = {}
        for assignment in self.search(
            [("enrollment_id", "in", self.enrollment_id.ids), ("event", "=", _COMPLETED)], order="date_start, id"
        ):
            last[assignment.enrollment_id] = assignment
        return self.filtered(lambda assignment: last.get(assignment.enrollment_id) == assignment)

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
                item.warn("this assignment is completed already; the request changes nothing about that")
        return items

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        assignments = self.browse([item.res_id for item in items])
        counting = assignments._assign()
        for item, assignment in zip(items, assignments, strict=True):
            if assignment.state == "waiting":
                item.warn(
                    f"no enrollment of this student covers {assignment.date_start} yet; "
                    "the assignment waits for it, and is applied when it comes"
                )
            elif assignment.state == "assigned" and assignment not in counting:
                item.warn("a later assignment of the same enrollment counts; this one was only kept")
        return items


class SchoolEnrollment(models.Model):
    _inherit = "school.enrollment"

    roster_assignment_ids = fields.One2many("school.roster.assignment", "enrollment_id", string="Roster Assignments")

    @api.model_create_multi
    def create(self, vals_list):
        enrollments = super().create(vals_list)
        enrollments._take_waiting_assignments()
        return enrollments

    def write(self, vals):
        result = super().write(vals)
        if _MATCHED_FIELDS & vals.keys():
            self._take_waiting_assignments()
        return result

    def _take_waiting_assignments(self):
        if self._is_checked_later():
            return
        self.env["school.roster.assignment"].search(
            [("student_id", "in", self.student_id.ids), ("state", "=", "waiting")]
        )._assign()

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self.browse([item.res_id for item in items])._take_waiting_assignments()
        return items
