"""Words of a document that stand for a value: the ones that systems of this field use for the same thing."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from .text import _lt, fault

_BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
LARGEST_CODE = 999


def fold(word: str | int) -> str:
    """``word`` without what does not tell it from another: case, and how its parts are joined.

    A minus sign, the typographic one included, stays: ``-1`` is not ``1``.
    """
    return _BETWEEN_WORDS.sub("_", str(word).strip().casefold().replace("\N{MINUS SIGN}", "-"))


def meanings(words_of: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The value for each folded word, from the words for each value. A value is always a word for itself."""
    return {fold(word): value for value, words in words_of.items() for word in (value, *words)}


def check_word(words_of: Mapping[str, Iterable[str]], *, numbers: bool = False) -> Any:
    """The type of a field that holds one of ``words_of``; it is kept as it was sent.

    :param numbers: whether a code may come as a JSON number too
    """
    known = meanings(words_of)
    kinds = ["string", "integer"] if numbers else ["string"]
    codes = sorted(word for word in known if word.lstrip("-").isdecimal())
    allowed = ", ".join((*words_of, *codes))
    wrong_type = _lt("%(field)s must be a string, in quotes. Send one of: %(allowed)s.")
    if numbers:
        wrong_type = _lt("%(field)s must be a string or a whole number. Send one of: %(allowed)s.")
    unknown = _lt("%(field)s %(value)s is not known. Send one of: %(allowed)s.")

    def check(value: Any) -> str | int:
        if isinstance(value, bool) or not isinstance(value, str | int if numbers else str):
            raise fault("wrong_type", wrong_type, allowed=allowed)
        if isinstance(value, int) and abs(value) > LARGEST_CODE or fold(value) not in known:
            raise fault("unknown_word", unknown, allowed=allowed)
        return value.strip() if isinstance(value, str) else value

    return Annotated[str | int, PlainValidator(check), WithJsonSchema({"type": kinds, "examples": list(words_of)})]
