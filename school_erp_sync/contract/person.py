"""What the documents of guardians and of students share: who the person is, and how to reach them."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import WrapValidator, model_validator

from .address import Address
from .base import Document, Name, RequiredName
from .contact_point import Emails, Phones
from .email import Email

# Stands for a whole name that is not sent.
_OF_PARTS = object()


class Person(Document):
    """A person. The whole name is a field of its own in each document; its parts may stand for it."""

    #: where the document says the whole name
    whole_name: ClassVar[str]

    given_name: Name | None = None
    middle_name: Name | None = None
    family_name: Name | None = None
    suffix: Name | None = None
    title: Name | None = None
    preferred_name: Name | None = None
    phone: Name | None = None
    phones: Phones | None = None
    email: Email | None = None
    emails: Emails | None = None
    address: Address | None = None
    language: Name | None = None
    tax_number: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _parts_are_a_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not _is_blank(data.get(cls.whole_name)):
            return data
        if _is_blank(data.get("givenName")) and _is_blank(data.get("familyName")):
            return data
        return {**data, cls.whole_name: _OF_PARTS}


def _is_blank(value: Any) -> bool:
    return value is None or isinstance(value, str) and not value.strip()


def _whole_name(value: Any, read: Callable[[Any], str]) -> str:
    return "" if value is _OF_PARTS else read(value)


#: The whole name of a :class:`Person`; empty where its parts stand for it.
WholeName = Annotated[RequiredName, WrapValidator(_whole_name)]
