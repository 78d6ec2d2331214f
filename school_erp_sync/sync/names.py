"""Names of people, taken apart and put together. Odoo keeps a name whole, school systems keep it in parts."""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from nameparser import HumanName

_GENERATIONS = {"junior": "jr", "senior": "sr", "2nd": "ii", "3rd": "iii", "4th": "iv"}
_GENERATIONS |= {word: word for word in ("jr", "sr", "ii", "iii", "iv", "v")}
_GENDERS = {"mr": "m", "sir": "m", "mrs": "f", "ms": "f", "miss": "f", "madam": "f", "lady": "f"}


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


def names_agree(one: str | None, other: str | None) -> bool:
    """Whether two names may be those of one person: ``Jane A. Doe`` and ``DOE, Jane``, but not ``John Doe``.

    Case, accents, punctuation and titles do not count, and a middle name may be missing or an initial. The first and
    last names must be the same, and so must *Jr.* or *II*: a father and a son share everything else.
    """
    parts, others = _comparable(one), _comparable(other)
    return (
        bool(parts.names)
        and (parts.names, parts.generations) == (others.names, others.generations)
        and not (parts.gender and others.gender and parts.gender != others.gender)
        and all(
            a == b or (a[0] == b[0] and 1 in (len(a), len(b)))
            for a, b in zip(parts.middle, others.middle, strict=False)
        )
    )


class _Comparable(NamedTuple):
    names: tuple[str, ...]
    middle: list[str]
    generations: frozenset[str]
    gender: str | None


@lru_cache(maxsize=4096)
def _comparable(name: str | None) -> _Comparable:
    parsed = HumanName(" ".join((name or "").split()))
    suffixes, titles = (set(map(_letters, part.split())) for part in (parsed.suffix, parsed.title))
    return _Comparable(
        tuple(filter(None, map(_letters, (parsed.first, parsed.last)))),
        list(filter(None, map(_letters, parsed.middle.split()))),
        frozenset(_GENERATIONS[word] for word in suffixes & _GENERATIONS.keys()),
        next((_GENDERS[word] for word in titles & _GENDERS.keys()), None),
    )


def _letters(text: str) -> str:
    """``text`` without case, accents, spaces and punctuation."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # A vowel sign of an Indian script is a mark, but no accent: two names may differ in nothing else.
    return "".join(one for one in folded if not unicodedata.combining(one) and unicodedata.category(one)[0] in "LMN")
