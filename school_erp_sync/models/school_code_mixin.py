from collections.abc import Collection, Iterable

from odoo import api, fields, models
from odoo.fields import Domain


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
    def _find_or_make(self, company, codes: Iterable[str | int]) -> dict[str | int, int]:
        """The entry of ``company`` for each of ``codes``, archived ones included; those not there yet are made.

        :return: the id by code, as given
        """
        keys = {code: self._code_key(code) for code in codes}
        if not keys:
            return {}
        found = self._find(company, set(keys.values()))
        ids = {record.code_key: record.id for record in found}
        missing = {}
        for code, key in keys.items():
            if key not in ids:
                missing.setdefault(key, str(code).strip())
        # In the order of their keys: two batches that make the same wait for each other, and never in a circle.
        made = self.create([{"code": missing[key], "company_id": company.id} for key in sorted(missing)])
        # Now, so that a race that is lost is told apart from whatever else may fail later.
        made.flush_recordset()
        ids.update((record.code_key, record.id) for record in made)
        return {code: ids[key] for code, key in keys.items()}

    @api.model
    def _find_ids(self, company, code: str) -> list[int]:
        """The entries of ``company`` that ``code`` may name, archived ones included."""
        return self._find(company, {self._code_key(code)}).ids

    @api.model
    def _find(self, company, keys: Collection[str]):
        return self.with_context(active_test=False).search_fetch(
            Domain("company_id", "=", company.id) & Domain("code_key", "in", list(keys)), ["code_key"]
        )
