from collections.abc import Mapping

from odoo import api, models, tools
from odoo.tools import frozendict


class ResCountry(models.Model):
    _inherit = "res.country"

    @api.model
    @tools.ormcache(cache="stable")
    def _school_ids_by_word(self) -> Mapping[str, int]:
        """The id of each country, by the words for it in lower case: its ISO 3166 code and its English name."""
        # sudo: cached for everybody; countries hold nothing to protect.
        countries = self.sudo().with_context(lang="en_US").search_fetch([], ["code", "name"])
        return frozendict({word.casefold(): one.id for one in countries for word in (one.code, one.name) if word})

    def write(self, vals):
        # Odoo empties this cache where countries are made, deleted, or get another code.
        if "name" in vals:
            self.env.registry.clear_cache("stable")
        return super().write(vals)
