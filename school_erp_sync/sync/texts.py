"""Sentences of code that knows no language (the contract, HTTP) in the language of whoever reads them."""

from functools import partial
from typing import Any

from odoo.tools.translate import get_translation

from ..contract.base import Reading
from ..contract.money import write_value
from ..contract.text import Message, quote

MODULE = "school_erp_sync"
ENGLISH = "en_US"


def translate(text: str, lang: str) -> str:
    """Return ``text`` in the language ``lang`` if it is a :class:`Message`, else as it is."""
    return get_translation(MODULE, lang, text.template, text.params) if isinstance(text, Message) else text


def show(env, path: str, value: Any, currency: str | None = None) -> str:
    """Return the JSON ``value`` at ``path`` of a document as it may stand in a sentence: on one line, short and quoted.

    :param currency: the ISO 4217 code of the currency of its amounts
    """
    text = write_value(path, value, currency)
    return quote(text.replace("\n", "; ")) if text else env._("empty")


def in_language_of(user, reading: Reading) -> Reading:
    """``reading`` with its errors and warnings in the language of ``user``."""
    if not (reading.errors or reading.warnings):
        return reading
    return reading.translated(partial(translate, lang=user.lang or ENGLISH))
