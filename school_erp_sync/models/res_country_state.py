from collections.abc import Mapping

from odoo import api, models, tools
from odoo.tools import frozendict


class ResCountryState(models.Model):
    _inherit = "res.country.state"

    @api.model
    @tools.ormcache(cache="stable")
    def _school_ids_by_word(self) -> Mapping[tuple[int, str], int]:
        """The id of each state, by its country and the words for it in lower case: its code and its English name."""
        # sudo: cached for everybody; states hold nothing to protect.
        states = self.sudo().with_context(lang="en_US").search_fetch([], ["code", "name", "country_id"])
        return frozendict(
            {(one.country_id.id, word.casefold()): one.id for one in states for word in (one.code, one.name) if word}
        )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache("stable")
        return super().create(vals_list)

    def write(self, vals):
        self.env.registry.clear_cache("stable")
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache("stable")
        return super().unlink()
