"""Names of people, taken apart. Odoo keeps a name whole, school systems keep it in parts."""

from typing import NamedTuple


class NameParts(NamedTuple):
    first: str | None
    middle: str | None
    last: str | None


def split_name(name: str | None) -> NameParts:
    """``name`` in parts, as well as can be guessed: "Last, First Middle" or "First Middle Last".

    A single word is a first name. Nothing is lost: the parts together hold every word.
    """
    last, comma, rest = (name or "").partition(",")
    if comma and last.strip() and rest.strip():
        first, *middle = rest.split()
        return NameParts(first, " ".join(middle) or None, " ".join(last.split()))
    words = (name or "").split()
    if len(words) < 2:
        return NameParts(words[0] if words else None, None, None)
    return NameParts(words[0], " ".join(words[1:-1]) or None, words[-1])
