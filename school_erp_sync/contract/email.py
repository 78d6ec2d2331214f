"""E-mail addresses, as people write them: one, several in one text, or none."""

import re

from .base import Text

#: A text that should be an e-mail address. One that is none refuses no document: see :func:`addresses_in`.
Email = Text

LONGEST_ADDRESS = 254
_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
_BETWEEN = re.compile(r"[\s,;<>\"]+")


def addresses_in(text: str) -> tuple[str | None, list[str]]:
    """The first good e-mail address in ``text``, if there is one, and what else stands there."""
    words = [word for word in _BETWEEN.split(text) if word]
    first = next((word for word in words if len(word) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(word)), None)
    return first, [word for word in words if word != first]
