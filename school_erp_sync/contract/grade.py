"""Grades, and the names under which one and the same grade goes: 8 in PowerSchool is Grade 8, GRADE8 and Class 8."""

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from .base import NAME_LENGTH, check_one_line, check_plain
from .text import _lt, fault

LOWEST, HIGHEST = -9, 99

_NUMBERED = re.compile(r"(?:(?:grade|class|standard|std)(?:[\s._]*|-))?0*(\d{1,2})|-\d", re.ASCII)
_ORDINAL = re.compile(r"0*(\d{1,2})(?:st|nd|rd|th)(?:[\s._-]*(?:grade|class|standard|std))?", re.ASCII)
_PRESCHOOL = re.compile(r"(?:pre[\s._-]*(?:k|kg|kindergarten|school)|pk)[\s._-]*([1-9])?", re.ASCII)
_WORDED = re.compile(
    r"(?:(?:grade|class|standard|std)[\s._-]*)?([a-z]+)(?:[\s._-]*(?:grade|class|standard|std))?", re.ASCII
)
_WORDS = {
    word: number
    for number, words in enumerate(
        (
            ("k", "kg", "kindergarten"),
            ("one", "first"),
            ("two", "second"),
            ("three", "third"),
            ("four", "fourth"),
            ("five", "fifth"),
            ("six", "sixth"),
            ("seven", "seventh"),
            ("eight", "eighth"),
            ("nine", "ninth"),
            ("ten", "tenth"),
            ("eleven", "eleventh"),
            ("twelve", "twelfth"),
        )
    )
    for word in words
}
#: Between preschool and kindergarten, in California: a grade of its own, without a number.
_TRANSITIONAL = frozenset({"tk", "transitional kindergarten", "transitionalkindergarten"})
#: The years before kindergarten by the age of the children: most are four in the last of them.
_OLDEST_IN_PRESCHOOL = 4


def grade_number(level: str | int) -> int | None:
    """The number of a grade that has one, counted as PowerSchool does: 0 is kindergarten, below it is preschool."""
    word = str(level).strip().casefold().replace("\N{MINUS SIGN}", "-")
    if match := _NUMBERED.fullmatch(word) or _ORDINAL.fullmatch(word):
        return int(match[1] or word)
    if match := _PRESCHOOL.fullmatch(word):
        age = int(match[1] or _OLDEST_IN_PRESCHOOL)
        return age - _OLDEST_IN_PRESCHOOL - 1 if age <= _OLDEST_IN_PRESCHOOL else None
    match = _WORDED.fullmatch(word)
    return _WORDS.get(match[1]) if match else None


def grade_key(level: str | int) -> str:
    """What is equal for two names of the same grade, and different for two grades."""
    number = grade_number(level)
    if number is not None:
        return str(number)
    word = " ".join(str(level).split()).casefold()
    return "tk" if word in _TRANSITIONAL else word.replace(" ", "")


def grade_name(level: str | int) -> str:
    """What people call the grade ``level``."""
    number = grade_number(level)
    if number is None:
        return str(level).strip()
    if number > 0:
        return f"Grade {number}"
    return f"Preschool {number}" if number else "Kindergarten"


def _grade_level(value: Any) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise fault("wrong_type", _lt("%(field)s must be a code, in quotes, or a whole number. Kindergarten is 0."))
    if isinstance(value, int):
        if not LOWEST <= value <= HIGHEST:
            raise fault(
                "out_of_range",
                _lt("%(field)s %(value)s is not a grade. Send a number from %(lowest)s (preschool) to %(highest)s."),
                lowest=LOWEST,
                highest=HIGHEST,
            )
        return value
    value = value.strip()
    if not value:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    if len(value) > NAME_LENGTH:
        raise PydanticKnownError("string_too_long", {"max_length": NAME_LENGTH})
    # It may become a part of an externalId.
    return check_one_line(check_plain(value))


GradeLevel = Annotated[
    str | int,
    PlainValidator(_grade_level),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["GRADE8", 8, 0]}),
]
