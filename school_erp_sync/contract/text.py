"""Sentences about a document: written here in English, translated where they are told.

Nothing here knows a language. :func:`_lt` marks a sentence for Odoo's export of terms, and a :class:`Message` keeps its
sentence and its values apart, so that whoever tells it can look the sentence up in the language of the reader.
"""

import json
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticCustomError

LONGEST_SHOWN = 50
# Letters that are no letters: control characters, and those that turn around, hide or break what stands beside them.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Two letters are joined, or kept apart, by these in Hindi and Persian: they belong to the text.
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def _lt(template: str) -> str:
    """Mark ``template`` as a sentence to translate; what stands in it as ``%(name)s`` is filled in later."""
    return template


class Message(str):
    """A sentence in English that knows what it was made of: ``template`` and the ``params`` in it."""

    __slots__ = ("template", "params")

    def __new__(cls, template: str, /, **params: Any) -> "Message":
        message = super().__new__(cls, template % params)
        message.template, message.params = template, params
        return message


def fault(code: str, template: str, /, **params: Any) -> PydanticCustomError:
    """What a validator raises: the kind of error, and a sentence that may name ``%(field)s`` and ``%(value)s`` as well.

    A :class:`~decimal.Decimal` among ``params`` is an amount of money, and is written in the currency of the document.
    """
    return PydanticCustomError(code, "{template}", {"template": template, "params": params})


def first_twice(names: Iterable[str]) -> str | None:
    """The first of ``names`` that comes a second time."""
    seen = set()
    return next((name for name in names if name in seen or seen.add(name)), None)


def quote(value: Any) -> str:
    """``value`` of a document as it may stand in a sentence: short, on one line, and unable to rearrange it."""
    if isinstance(value, list | dict):
        return "[…]" if isinstance(value, list) else "{…}"
    if isinstance(value, Decimal):
        return write_number(value)
    if not isinstance(value, str):
        return _shorten(json.dumps(value))
    shown = (
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) in _HARMFUL and one not in _JOINERS else one
        for one in value[: LONGEST_SHOWN + 1]
    )
    return f'"{_shorten("".join(shown))}"'


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def write_number(number: Decimal, decimals: int = 0) -> str:
    """``number`` without an exponent, with as many ``decimals`` at least, and no zeros after them."""
    whole, _point, places = f"{number:f}".partition(".")
    places = places.rstrip("0").ljust(decimals, "0")
    return f"{whole}.{places}" if places else whole
