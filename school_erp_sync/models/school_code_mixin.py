from collections.abc import Collection, Iterable
from typing import NamedTuple

from odoo import api, fields, models
from odoo.fields import Domain


class Place(NamedTuple):
    """The code of an entry, and what is known of where it is: each entry that is there, if it fits, may be meant.

    :param campus: the code of the school, in lower case, as far as it is said as text
    """

    code: str | int
    school_id: int | bool = False
    campus: str = ""
    course_id: int | bool = False
    year_id: int | bool = False


class SchoolCodeMixin(models.AbstractModel):
    """A short list of a school, such as its grades, whose entries documents name by their codes."""

    _name = "school.code.mixin"
    _inherit = ["school.referred.mixin"]
    _description = "Entry of a List That Documents Name by Its Code"
    _order = "code, id"
    _rec_names_search = ["name", "code"]

    #: two transactions may make the same row at once: to lose that race is no error of the document
    _sync_raced = True

    name = fields.Char(compute="_compute_name", store=True, readonly=False, required=True, precompute=True)
    code = fields.Char(required=True, help="As the first source to name it wrote it. Case does not matter.")
    code_key = fields.Char(compute="_compute_code_key", store=True, required=True, precompute=True)
    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    active = fields.Boolean(default=True)

    _code_unique = models.Constraint(
        "UNIQUE (company_id, code_key)", "There is an entry with this code already; it may be archived."
    )

    @api.depends("code")
    def _compute_name(self):
        for record in self:
            record.name = record.name or self._code_name(record.code or "")

    @api.depends("code")
    def _compute_code_key(self):
        for record in self:
            record.code_key = self._code_key(record.code or "")

    @api.model
    def _code_key(self, code: str | int) -> str:
        """What is equal for two codes that mean the same entry."""
        return str(code).strip().casefold()

    @api.model
    def _code_name(self, code: str) -> str:
        """The name of a new entry, of which nothing but ``code`` is known."""
        return code.strip()

    @api.model
    def _find_or_make(self, company, names: Iterable[str | int | Place]) -> dict[str | int | Place, int]:
        """The entry of ``company`` for each of ``names``, archived ones included; those not there yet are made.

        :param names: codes, or codes with what is known of where they are
        :return: the id by name, as given
        """
        places = {name: name if isinstance(name, Place) else Place(name) for name in names}
        if not places:
            return {}
        keys = {name: self._code_key(place.code) for name, place in places.items()}
        entries = self._find(company, set(keys.values()), self._may_be(places.values()))
        found = entries.grouped(lambda entry: entry._shelf())
        ids, missing = {}, {}
        for name, place in places.items():
            key = keys[name]
            if entry := self._choose(self._near(found, key, place), place):
                ids[name] = entry.id
            else:
                missing.setdefault((key, place.school_id), str(place.code).strip())
        # In the order of their keys: two batches that make the same wait for each other, and never in a circle.
        order = sorted(missing)
        made = self.create([{**self._made_at(key[1]), "code": missing[key], "company_id": company.id} for key in order])
        # Now, so that a race that is lost is told apart from whatever else may fail later.
        made.flush_recordset()
        made_ids = dict(zip(order, made.ids, strict=True))
        return {name: ids.get(name) or made_ids[keys[name], place.school_id] for name, place in places.items()}

    @api.model
    def _choose(self, entries, place: Place):
        """Choose the one of ``entries``, which have the same code, that ``place`` means, or none."""
        return entries

    @api.model
    def _made_at(self, school_id: int | bool) -> dict:
        """Return the values of an entry that is made at the school ``school_id``."""
        return {}

    @api.model
    def _find_ids(self, company, code: str) -> list[int]:
        """The entries of ``company`` that ``code`` may name, archived ones included."""
        return self._find(company, {self._code_key(code)}).ids

    @api.model
    def _find(self, company, keys: Collection[str], which: Domain = Domain.TRUE):
        return self.with_context(active_test=False).search(
            Domain("company_id", "=", company.id) & Domain("code_key", "in", list(keys)) & which, order="id"
        )

    # Thousands of entries may have one code, as the sections of a district. Only those that may be meant are looked at.

    @api.model
    def _may_be(self, places: Iterable[Place]) -> Domain:
        """The entries that one of ``places`` may mean, if they have its code."""
        return Domain.TRUE

    def _shelf(self) -> tuple:
        """Return what is equal for entries that are looked at together: the code, and more where it says too little."""
        return (self.code_key,)

    @api.model
    def _near(self, found: dict[tuple, models.Model], key: str, place: Place):
        """Return the entries that ``place``, with the code ``key``, may mean.

        :param found: entries by their shelf
        """
        return found.get((key,), self.browse())
