from collections.abc import Mapping

from babel import Locale
from countryguess import CountryData

from odoo import api, models, tools
from odoo.tools import frozendict

# Those in which schools most often name countries, the most used first: where two of them differ, the first counts.
_LANGUAGES = ("en", "es", "fr", "pt", "de", "it", "nl", "pl", "ru", "tr", "ar", "hi", "zh", "ja", "ko", "vi", "id")
_COUNTRIES = CountryData()


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
        if found := ids.get(word):
            return found
        guess = _COUNTRIES.get(word)
        # The library also returns countries whose names merely resemble the word: Mauritania for Ruritania.
        is_named = guess and (word == guess["iso3"].casefold() or guess["regex"].search(word))
        return ids.get(guess["iso2"].casefold()) if is_named else None

    @api.model
    def _school_suggest(self, word: str) -> str | None:
        """The English name of the country that may be meant by ``word``, which names none."""
        guess = _COUNTRIES.get(" ".join(word.split()))
        return guess and guess["name_short"]

    def write(self, vals):
        # Odoo empties this cache where countries are made, deleted, or get another code.
        if "name" in vals:
            self.env.registry.clear_cache("stable")
        return super().write(vals)
