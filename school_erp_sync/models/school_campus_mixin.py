from odoo import api, fields, models
from odoo.tools import SQL

from ..sync.item import Item
from ..sync.parts import Reference
from .school_code_mixin import Place


class SchoolCampusMixin(models.AbstractModel):
    """An entry of the list of one campus, or of the whole company: two campuses may have an entry of the same code."""

    _name = "school.campus.mixin"
    _inherit = ["school.entry.mixin"]
    _description = "Entry of the List of a Campus"
    _check_company_auto = True

    _sync_parts = {"schoolExternalId": Reference("schools", "school_id")}

    school_id = fields.Many2one(
        "school.school", "Campus", index="btree_not_null", ondelete="restrict", check_company=True
    )

    @api.depends("name", "school_id.short_name", "school_id.code")
    def _compute_display_name(self):
        for record in self:
            campus = record.school_id.short_name or record.school_id.code
            record.display_name = f"{record.name} ({campus})" if campus else record.name

    @api.model
    def _made_at(self, school_id):
        return {"school_id": school_id}

    @api.model
    def _choose(self, entries, place: Place):
        """Choose what is at the school that is said; where none is said, the only entry that fits."""
        exact = self._choose_exact(entries, place)
        if exact or place.school_id:
            return exact[:1]
        fitting = entries.filtered(lambda entry: entry.is_described and entry._fits(place))
        return fitting if len(fitting) == 1 else self.browse()

    @api.model
    def _choose_exact(self, entries, place: Place):
        """Return those of ``entries`` that are just at the school of ``place``."""
        return entries.filtered(lambda entry: entry.school_id.id == place.school_id)

    def _fits(self, place: Place) -> bool:
        """Whether this entry may be meant where ``place`` is said."""
        campus = self.school_id.code_key
        return not (place.campus and campus and place.campus != campus)

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    def _get_school_id(self):
        return self.school_id.id

    @api.model
    def _moves(self, item: Item) -> bool:
        return "school_id" in item.values

    @api.model
    def _sync_place(self, item: Item, record) -> Place:
        return (
            super()
            ._sync_place(item, record)
            ._replace(
                school_id=item.values.get("school_id", record.school_id.id),
            )
        )

    @api.model
    def _sync_choose(self, source, item: Item, place: Place, free, alike):
        if exact := self._choose_exact(free, place):
            return exact[:1]
        # One of no school, that was made when somebody named it, if no other can be meant.
        alone = len(alike) == 1 and alike in free and not (alike.school_id or alike.is_described)
        return alike if alone else self.browse()

    #: the field of an enrollment that refers to an entry
    _enrollment_field: str

    @api.model
    def _sync_contradicted(self, candidates, places):
        # An entry that is described already is the same by all that tells one from another.
        asked = [item for item, entry in candidates.items() if not entry.is_described]
        if not asked:
            return set()
        # What names the entry of a campus means that campus.
        moved = {
            item: places[item].school_id for item in asked if candidates[item].school_id.id != places[item].school_id
        }
        campus = {
            school.id: school.code_key for school in self.env["school.school"].browse(set(moved.values()) - {False})
        }
        self.env["school.enrollment"].flush_model()
        self.env["school.roster.assignment"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT asked.place
                  FROM unnest(%(ids)s::int[], %(campuses)s::varchar[], %(courses)s::int[], %(years)s::int[])
                       WITH ORDINALITY AS asked(id, campus, course_id, year_id, place)
                 WHERE %(contradicted)s
                """,
                ids=[candidates[item].id for item in asked],
                campuses=[campus.get(moved.get(item)) for item in asked],
                courses=[places[item].course_id or None for item in asked],
                years=[places[item].year_id or None for item in asked],
                contradicted=SQL(" OR ").join(self._contradictions()),
            )
        )
        return {asked[place - 1] for (place,) in rows}

    @api.model
    def _contradictions(self) -> list[SQL]:
        """Return the conditions under which an entry must not become the one that is ``asked`` for."""
        return [
            SQL(
                """
                asked.campus IS NOT NULL AND EXISTS (
                    SELECT FROM school_enrollment e LEFT JOIN school_school s ON s.id = e.school_id
                     WHERE e.%s = asked.id AND lower(COALESCE(s.code, e.school)) != asked.campus)
                """,
                SQL.identifier(self._enrollment_field),
            )
        ]
