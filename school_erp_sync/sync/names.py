"""Names of people, taken apart and put together. Odoo keeps a name whole, school systems keep it in parts."""

from collections.abc import Iterable
from typing import NamedTuple

from nameparser import HumanName


class NameParts(NamedTuple):
    first: str | None
    middle: str | None
    last: str | None


def split_name(name: str | None) -> NameParts:
    """``name`` in parts, as well as can be guessed: "Last, First Middle" or "First Middle Last".

    Titles and suffixes (*Dr.*, *Jr.*, *II*) belong to none of the parts; particles (*van*, *de la*) to the last name. A
    single word is a first name.
    """
    # What is odd about a name is a matter of one person, and no reason to tell a source of nobody.
    text = " ".join((name or "").split())
    parsed = HumanName(text)
    first, last = parsed.first, parsed.last
    if not (first and last):
        return NameParts(first or last or text or None, parsed.middle or None, None)
    return NameParts(first, parsed.middle or None, last)


def join_name(parts: Iterable[str | None]) -> str:
    """The whole name, of its ``parts`` in their order."""
    return " ".join(filter(None, parts))
