"""Sentences about a document: written here in English, translated where they are told.

Nothing here knows a language. :func:`_lt` marks a sentence for Odoo's export of terms, and a :class:`Message` keeps its
sentence and its values apart, so that whoever tells it can look the sentence up in the language of the reader.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticCustomError

LONGEST_SHOWN = 50
# What names an entry of an array: a person, a fee, an installment.
_NAMES = ("externalId", "code", "label", "due")
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


def in_words(key: str, value: Any, write: Callable[[str, int | float], str]) -> str:
    """Return a JSON ``value`` as people read it: the entries of an array below each other, of an object what it says.

    :param key: under which the document says it
    :param write: returns a number as people read it, given its key
    """
    if _says_nothing(value):
        return ""
    if isinstance(value, list):
        between = "\n" if any(isinstance(entry, dict) for entry in value) else ", "
        return between.join(in_words(key, entry, write) for entry in value)
    if isinstance(value, dict):
        # What names the entry goes first: PostgreSQL keeps keys in an order of its own.
        named = [str(value[name]) for name in _NAMES if value.get(name)]
        rest = sorted((name, below) for name, below in value.items() if name not in _NAMES and not _says_nothing(below))
        return ", ".join(
            [*named, *(name if below is True else f"{name} {in_words(name, below, write)}" for name, below in rest)]
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return write(key, value)
    return value if isinstance(value, str) else json.dumps(value)


def _says_nothing(value: Any) -> bool:
    return value is False or value is None or value in ("", [], {})


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def write_number(number: Decimal, decimals: int = 0) -> str:
    """``number`` without an exponent, with as many ``decimals`` at least, and no zeros after them."""
    whole, _point, places = f"{number:f}".partition(".")
    places = places.rstrip("0").ljust(decimals, "0")
    return f"{whole}.{places}" if places else whole
