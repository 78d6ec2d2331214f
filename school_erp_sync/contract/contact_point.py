"""Phone numbers and e-mail addresses of a person, each with what it is for."""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from .base import Name, Payload, RequiredName
from .email import addresses_in
from .text import _lt, fault
from .words import fold, meanings

#: the words for each type, the most useful type first; any other word means the last one
TYPES = meanings(
    {
        "mobile": ["cell", "cellular", "cell phone", "mobile phone"],
        "home": ["house", "personal", "private", "residence"],
        "work": ["business", "office"],
        "other": [],
    }
)
OTHER = "other"
MOST = 20

# What people put between the digits of a number to read it more easily.
_BETWEEN_DIGITS = re.compile(r"[\s().\-/\u2010-\u2015\u2212]+")


class Phone(Payload):
    number: RequiredName
    type: Name | None = None
    primary: bool | None = None


class EmailAddress(Payload):
    address: RequiredName
    type: Name | None = None
    primary: bool | None = None


def phone_key(number: str) -> str:
    """What is equal for two spellings of one phone number."""
    return _BETWEEN_DIGITS.sub("", unicodedata.normalize("NFKC", number)).casefold() or number


def email_key(address: str) -> str:
    """What is equal for two spellings of one e-mail address."""
    return (addresses_in(address)[0] or address.strip()).casefold()


def type_of(entry: dict[str, Any]) -> str:
    """The type of an ``entry`` of a canonical document."""
    return TYPES.get(fold(entry.get("type") or OTHER), OTHER)


def _one_primary(entries: list[Payload]) -> list[Payload]:
    if sum(bool(entry.primary) for entry in entries) > 1:
        raise fault("several_primary", _lt("%(field)s has more than one primary entry. Mark one of them."))
    return entries


def _list_of(entry: type[Payload], key: str) -> Any:
    # A bare string is short for an entry that says nothing else.
    spelled_out = BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)
    return Annotated[list[Annotated[entry, spelled_out]], Field(max_length=MOST), AfterValidator(_one_primary)]


Phones = _list_of(Phone, "number")
Emails = _list_of(EmailAddress, "address")
