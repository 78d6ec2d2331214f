from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..contract.section import SectionDocument
from ..contract.text import quote
from ..sync.item import Item
from ..sync.merge import value_at
from ..sync.parts import Part, Reference


class Teacher(Part):
    """The teacher of a section: an employee, by the externalId under which Odoo gives it to the source."""

    def prepare(self, model, source, items):
        result = super().prepare(model, source, items)
        ids = source._find_employees({value_at(item.decision.document, self.path) for item in items} - {None})
        for item in items:
            external_id = value_at(item.decision.document, self.path)
            item.values["teacher_id"] = ids.get(external_id, False)
            if external_id and external_id not in ids:
                item.warn(
                    model.env._(
                        "teacherExternalId %(employee)s is not an employee whom GET /api/employees gives to this "
                        "source. It was kept as text.",
                        employee=quote(external_id),
                    )
                )
        return result


class SchoolSection(models.Model):
    """A class of a course, or of a grade; or only the letter of one, where no document describes it.

    Many sections may have one code: each course has its section 1. Of those that only have a code, there is one in a
    school.
    """

    _name = "school.section"
    _inherit = ["school.campus.mixin"]
    _description = "Section"

    _enrollment_field = "section_id"
    _sync_code_is_unique = False

    _sync_entity = "sections"
    _sync_document = SectionDocument
    _sync_parts = {
        "courseExternalId": Reference("courses", "course_id"),
        "academicYearExternalId": Reference("academic-years", "academic_year_id"),
        "teacherExternalId": Teacher("teacher_external_id"),
        "term": Part("term"),
        "room": Part("room"),
        "period": Part("period"),
        "capacity": Part("capacity"),
    }

    course_id = fields.Many2one("school.course", index="btree_not_null", ondelete="restrict", check_company=True)
    academic_year_id = fields.Many2one(
        "school.academic.year", index="btree_not_null", ondelete="restrict", check_company=True
    )
    teacher_id = fields.Many2one("hr.employee", index="btree_not_null", readonly=True, ondelete="set null")
    teacher_external_id = fields.Char("Teacher External ID", help="As the source says.")
    term = fields.Char()
    room = fields.Char()
    period = fields.Char()
    capacity = fields.Integer()
    enrollment_ids = fields.One2many("school.enrollment", "section_id", string="Enrollments")
    enrollment_count = fields.Integer(compute="_compute_enrollment_count")

    _code_unique = models.UniqueIndex(
        "(company_id, COALESCE(school_id, 0), code_key) WHERE is_described IS NOT TRUE",
        "This campus has a section with this code already; it may be archived.",
    )

    @api.depends("enrollment_ids")
    def _compute_enrollment_count(self):
        counts = dict(
            self.env["school.enrollment"]._read_group([("section_id", "in", self.ids)], ["section_id"], ["__count"])
        )
        for section in self:
            section.enrollment_count = counts.get(section._origin, 0)

    def action_open_enrollments(self):
        """:return: the action that shows who is enrolled in these sections"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_enrollment_action")
        action["domain"] = [("section_id", "in", self.ids)]
        return action

    @api.depends("course_id.name")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        for section in self.filtered("course_id"):
            section.display_name = f"{section.course_id.name} {section.display_name}"
        return result

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _may_be(self, places):
        return Domain("is_described", "=", False) | Domain(
            "course_id", "in", list({place.course_id for place in places})
        )

    def _shelf(self):
        return self.code_key, self.course_id.id

    @api.model
    def _near(self, found, key, place):
        shelves = {(key, False), (key, place.course_id)}
        return self.browse().union(*(found[shelf] for shelf in shelves if shelf in found)).sorted("id")

    @api.model
    def _choose_exact(self, entries, place):
        return super()._choose_exact(entries, place).filtered(lambda entry: not entry.is_described)

    @api.model
    def _choose(self, entries, place):
        if exact := self._choose_exact(entries, place):
            return exact[:1]
        fitting = entries.filtered(lambda entry: entry.is_described and entry._fits(place))
        return fitting if len(fitting) == 1 else self.browse()

    def _fits(self, place):
        return (
            super()._fits(place)
            and (not place.school_id or self.school_id.id == place.school_id)
            and self.course_id.id == place.course_id
            and (not place.year_id or self.academic_year_id.id in (False, place.year_id))
        )

    @api.model
    def _sync_place(self, item: Item, record):
        return (
            super()
            ._sync_place(item, record)
            ._replace(
                course_id=item.values.get("course_id", record.course_id.id),
                year_id=item.values.get("academic_year_id", record.academic_year_id.id),
            )
        )

    @api.model
    def _sync_choose(self, source, item, place, free, alike):
        if chosen := super()._sync_choose(source, item, place, free, alike):
            return chosen
        # One that another source has described.
        term = item.decision.document.get("term") or False
        same = free.filtered(
            lambda entry: (
                entry.is_described
                and (entry.school_id.id, entry.course_id.id, entry.academic_year_id.id, entry.term)
                == (place.school_id, place.course_id, place.year_id, term)
            )
        )
        return same if len(same) == 1 else self.browse()

    @api.model
    def _contradictions(self):
        return [
            *super()._contradictions(),
            SQL(
                """
                EXISTS (
                    SELECT FROM school_enrollment e
                     WHERE e.section_id = asked.id
                       AND (e.course_id IS DISTINCT FROM asked.course_id OR e.academic_year_id != asked.year_id))
                """
            ),
            SQL(
                """
                EXISTS (
                    SELECT FROM school_roster_assignment r
                     WHERE r.section_id = asked.id
                       AND (r.course_id IS DISTINCT FROM asked.course_id OR r.academic_year_id != asked.year_id))
                """
            ),
            SQL(
                """
                asked.course_id IS NOT NULL
                AND EXISTS (SELECT FROM school_application a WHERE a.section_id = asked.id)
                """
            ),
        ]
