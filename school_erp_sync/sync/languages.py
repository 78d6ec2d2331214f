"""The language of a person, by the codes and names that school systems use."""

from functools import cache

from babel import Locale
from babel.core import get_global

from ..contract.base import pointer
from ..contract.text import quote
from .contacts import OfContact
from .merge import is_empty
from .parts import Enriching


@cache
def _codes_by_name() -> dict[str, str]:
    return {name.casefold(): code for code, name in Locale("en").languages.items()}


def find_language(word: str, codes: list[str]) -> str | None:
    """The one of Odoo's ``codes`` that ``word`` names: by an ISO 639 or BCP 47 code, by Odoo's, or in English.

    The same language of another country is better than none.
    """
    word = _codes_by_name().get(word.strip().casefold(), word).strip().replace("-", "_").casefold()
    exact = {code.casefold(): code for code in codes}
    if word in exact:
        return exact[word]
    base = word.partition("_")[0]
    base = get_global("language_aliases").get(base, base)
    return next((code for code in codes if code.casefold().replace("@", "_").partition("_")[0] == base), None)


class Language(Enriching, OfContact):
    """The language in which Odoo writes to the contact. One that is not active in Odoo is kept as text."""

    def understands(self, model, value):
        return self._find(model, value) is not None

    def explain(self, model, value):
        return model.env._(
            "%(pointer)s %(value)s is not a language that is active in Odoo. It was kept as text. Send a code such as "
            "es or es-MX, or activate the language in Odoo.",
            pointer=pointer(self.path),
            value=quote(value),
        )

    def meaning(self, model, value):
        return None if is_empty(value) else self._find(model, value) or super().meaning(model, value)

    def read_from(self, records, source):
        # In which language a new contact is written to is Odoo's choice, and nobody's word.
        default = source.sudo().user_id._school_lang()  # sudo: the API user of the source is not for everybody to see
        return [None if record.lang == default else record.lang or None for record in records]

    def holds(self, record, value, now):
        if is_empty(value) or self.is_unread(record, value):
            return is_empty(now)
        return record.lang == self.meaning(record, value)

    def _find(self, model, value) -> str | None:
        return find_language(value, [code for code, _name in model.env["res.lang"].get_installed()])
