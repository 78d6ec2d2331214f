"""What the lists of a school share: schools, academic years, courses and sections, each with a code and a name."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationInfo, model_validator

from .base import Document, Name
from .money import raise_all
from .text import _lt, fault


class EntryDocument(Document):
    """An entry of a list, which other documents may name by its ``code``: the name, where no code is sent."""

    code: Name | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _check_named(self, info: ValidationInfo) -> "EntryDocument":
        if not (self.code or self.name or info.context):
            raise_all(
                self, [(("code",), fault("required", _lt("code or name is required. Send one of them, or both.")))]
            )
        return self


#: what a section that is named by reference says by itself
_OF_SECTION = ("course", "courseExternalId", "school", "schoolExternalId")


def keep_said(data: Any, pairs: Iterable[tuple[str, str]]) -> Any:
    """Return ``data`` without what is empty of two names of the same thing, where the other one says it.

    Where a section is named by reference, an empty course or school says nothing either: the section says them.

    :param pairs: the two names, such as ``sectionId`` and ``sectionExternalId``
    """
    if not isinstance(data, dict):
        return data
    empty = {name for name in data if is_blank(data[name])}
    if not empty:
        return data
    said = data.keys() - empty
    dropped = {one for one, other in pairs if other in said} | {other for one, other in pairs if one in said}
    if "sectionExternalId" in said:
        dropped.update(_OF_SECTION)
    dropped &= empty
    return {name: value for name, value in data.items() if name not in dropped}


def is_blank(value: Any) -> bool:
    """Whether ``value`` is ``null`` or an empty text, which mean the same."""
    return value is None or isinstance(value, str) and not value.strip()
