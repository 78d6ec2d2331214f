from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from odoo import api, fields, models

from ..contract.words import fold
from ..sync.item import Item
from ..sync.merge import value_at


class SchoolAcademicMixin(models.AbstractModel):
    """A record of a school's year. Its documents name grades and the like by code, and states in the field's words."""

    _name = "school.academic.mixin"
    _inherit = ["school.sync.mixin"]
    _description = "Record of an Academic Year"
    _check_company_auto = True

    #: where a document names an entry of a list by its code: path in the document -> field of this model
    _sync_code_fields: dict[str, str] = {}
    #: the value to store for each word: field of this model -> folded word -> value
    _sync_words: dict[str, Mapping[str, str]] = {}

    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    active = fields.Boolean(default=True)

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_paths(self):
        return (*super()._sync_paths(), *self._sync_code_fields)

    @api.model
    def _sync_to_value(self, name: str, value: Any) -> Any:
        if name in self._sync_words and value is not None:
            return self._sync_words[name][fold(value)]
        return super()._sync_to_value(name, value)

    @api.model
    def _sync_make_related(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_make_related(source, items)
        codes = {
            (item.index, path): value_at(item.decision.document, path)
            for item in items
            for path in item.paths & self._sync_code_fields.keys()
        }
        wanted = defaultdict(dict)
        for (_index, path), code in codes.items():
            if code not in (None, ""):
                wanted[self._fields[self._sync_code_fields[path]].comodel_name][code] = None
        ids = {model: self.env[model]._find_or_make(source.company_id, wanted[model]) for model in sorted(wanted)}
        for item in items:
            for path in item.paths & self._sync_code_fields.keys():
                name = self._sync_code_fields[path]
                of_model = ids.get(self._fields[name].comodel_name, {})
                item.values[name] = of_model.get(codes[item.index, path], False)
        return items

    # ------------------------------------------------------------------
    # From records to documents
    # ------------------------------------------------------------------

    def _sync_to_json(self, source, paths=None):
        return [
            {**current, **{path: record[name].code or None for path, name in self._sync_code_fields.items()}}
            for record, current in zip(self, super()._sync_to_json(source, paths), strict=True)
        ]

    def _sync_field_to_json(self, name: str) -> Any:
        if name in self._sync_words:
            return self[name] or None
        return super()._sync_field_to_json(name)

    def _sync_holds(self, path: str, said: Any, now: Any) -> bool:
        if name := self._sync_code_fields.get(path):
            return self[name]._code_key(said) == (self[name].code_key or "")
        name = self._sync_fields.get(path)
        if name in self._sync_words:
            return self._sync_to_value(name, said) == self[name]
        return super()._sync_holds(path, said, now)
