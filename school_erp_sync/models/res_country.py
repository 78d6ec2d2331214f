from collections.abc import Mapping

from babel import Locale
from countryguess import guess_country

from odoo import api, models, tools
from odoo.tools import frozendict

# Those in which schools most often name countries, the most used first: where two of them differ, the first counts.
_LANGUAGES = ("en", "es", "fr", "pt", "de", "it", "nl", "pl", "ru", "tr", "ar", "hi", "zh", "ja", "ko", "vi", "id")


class ResCountry(models.Model):
    _inherit = "res.country"

    @api.model
    @tools.ormcache(cache="stable")
    def _school_ids_by_word(self) -> Mapping[str, int]:
        """The id of each country, by the words for it in lower case.

        These are its ISO 3166 code, its name in Odoo, and its names in many languages after the Unicode CLDR.
        """
        # sudo: cached for everybody; countries hold nothing to protect.
        countries = self.sudo().with_context(lang="en_US").search_fetch([], ["code", "name"])
        ids = {one.code: one.id for one in countries}
        result = {}
        for language in _LANGUAGES:
            for code, name in Locale(language).territories.items():
                if code in ids:
                    result.setdefault(name.casefold(), ids[code])
        result.update({word.casefold(): one.id for one in countries for word in (one.name, one.code) if word})
        return frozendict(result)

    @api.model
    @tools.ormcache("word", cache="stable")
    def _school_find(self, word: str) -> int | None:
        """The id of the country that ``word`` names: a code of two or three letters, or a name, also a usual one."""
        ids = self._school_ids_by_word()
        word = " ".join(word.split()).casefold()
        return ids.get(word) or ids.get((guess_country(word, attribute="iso2") or "").casefold())

    def write(self, vals):
        # Odoo empties this cache where countries are made, deleted, or get another code.
        if "name" in vals:
            self.env.registry.clear_cache("stable")
        return super().write(vals)
