"""What every payload of the contract shares: its base class, its types, and how one is read.

A document says only what it knows: a field that is absent leaves what is stored, ``null`` clears it
(JSON Merge Patch, RFC 7396). Reading keeps that difference.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic import ValidationError as PydanticValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

NAME_LENGTH = 255
TEXT_LENGTH = 2000
MOST_WARNINGS = 20
MOST_NAMED = 5
OLDEST_BIRTH = date(1900, 1, 1)
OLDEST_MOMENT = datetime(1900, 1, 1, tzinfo=timezone.utc)
NEWEST_MOMENT = datetime(2200, 1, 1, tzinfo=timezone.utc)

# PostgreSQL cannot store NUL; the other control characters have no meaning in a name, a phone number or an address.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_BREAK = re.compile(r"[\r\n\v\f\x85\u2028\u2029]")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")
_ISO_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_URL = re.compile(r"https?://[^\s]+$")
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+$")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: where (a JSON Pointer, RFC 6901), what kind, and what to do about it."""

    pointer: str
    code: str
    detail: str

    def at(self, prefix: str) -> "FieldError":
        """The same error, seen from a document that holds this one at ``prefix``."""
        return FieldError(prefix + self.pointer, self.code, self.detail)

    def as_json(self) -> dict[str, str]:
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


@dataclass(slots=True)
class Reading:
    """What reading one document gave.

    ``document`` is canonical: camel-case keys, JSON values, just the fields that were sent. Where there are ``errors``
    it holds only the fields without any, so that what needs more than the contract can be checked in them as well.
    """

    document: dict[str, Any]
    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _without_control_characters(value: str) -> str:
    if _CONTROL.search(value):
        raise PydanticCustomError("control_character", "contains a control character; remove it")
    return value


def _iso_date_text(value: Any) -> Any:
    if isinstance(value, str) and _ISO_DATE.match(value.strip()):
        return value.strip()
    raise PydanticCustomError("invalid_date", "must be a date written as YYYY-MM-DD, in quotes")


def _iso_datetime_text(value: Any) -> Any:
    if isinstance(value, str) and _ISO_DATETIME.match(value.strip()):
        return value.strip()
    raise PydanticCustomError(
        "invalid_datetime", "must be a date and time with a zone, such as 2025-05-03T10:12:44Z, in quotes"
    )


def _addressable(value: str) -> str:
    if _LINE_BREAK.search(value) or value in (".", ".."):
        raise PydanticCustomError(
            "not_addressable", "must not be a dot or hold a line break: no address could name such a record"
        )
    return value


def _moment(value: datetime) -> datetime:
    try:
        moment = value.astimezone(timezone.utc)
    except OverflowError:
        moment = None
    if moment is None or not OLDEST_MOMENT <= moment < NEWEST_MOMENT:
        raise PydanticCustomError("out_of_range", "must lie between the years 1900 and 2200; check the year")
    return value


def _email(value: str) -> str:
    if not _EMAIL.match(value):
        raise PydanticCustomError("invalid_email", "is not one e-mail address; send a single name@domain")
    return value


def _birth_date(value: date) -> date:
    # Somewhere on Earth it is already tomorrow: UTC+14 is the earliest zone.
    if value > (datetime.now(timezone.utc) + timedelta(hours=14)).date():
        raise PydanticCustomError("date_in_future", "lies in the future; a date of birth cannot")
    if value < OLDEST_BIRTH:
        raise PydanticCustomError("date_too_old", "lies before 1900; check the year")
    return value


def _url(value: str) -> str:
    if not _URL.match(value):
        raise PydanticCustomError("bad_format", "must be a link that begins with http:// or https://")
    return value


_Plain = AfterValidator(_without_control_characters)
ExternalId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_LENGTH, strip_whitespace=True),
    _Plain,
    AfterValidator(_addressable),
]
Name = Annotated[str, StringConstraints(max_length=NAME_LENGTH, strip_whitespace=True), _Plain]
RequiredName = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH, strip_whitespace=True), _Plain]
Text = Annotated[str, StringConstraints(max_length=TEXT_LENGTH, strip_whitespace=True), _Plain]
Email = Annotated[str, StringConstraints(max_length=254, strip_whitespace=True), _Plain, AfterValidator(_email)]
Url = Annotated[str, StringConstraints(max_length=TEXT_LENGTH, strip_whitespace=True), _Plain, AfterValidator(_url)]
Date = Annotated[date, BeforeValidator(_iso_date_text)]
BirthDate = Annotated[date, BeforeValidator(_iso_date_text), AfterValidator(_birth_date)]
DateTime = Annotated[AwareDatetime, BeforeValidator(_iso_datetime_text), AfterValidator(_moment)]


class Payload(BaseModel):
    """An object of the contract. Its attributes are in snake case here and in camel case on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, allow_inf_nan=False)


class Document(Payload):
    """A payload with an identity of its own: what is posted, stored and answered."""

    external_id: ExternalId
    updated_at: DateTime | None = None


# What to say for the kinds of error that pydantic words for programmers: type -> (code, sentence).
_SENTENCES = {
    "missing": ("required", "is required"),
    "string_type": ("wrong_type", "must be a string, in quotes"),
    "string_too_short": ("required", "must not be empty"),
    "string_too_long": ("too_long", "is longer than {max_length} characters"),
    "int_type": ("wrong_type", "must be a whole number"),
    "int_parsing": ("wrong_type", "must be a whole number"),
    "int_parsing_size": ("out_of_range", "has too many digits"),
    "finite_number": ("out_of_range", "must be a number that can be counted to"),
    "int_from_float": ("wrong_type", "must be a whole number"),
    "bool_type": ("wrong_type", "must be true or false"),
    "bool_parsing": ("wrong_type", "must be true or false"),
    "list_type": ("wrong_type", "must be an array"),
    "model_type": ("wrong_type", "must be an object"),
    "model_attributes_type": ("wrong_type", "must be an object"),
    "dict_type": ("wrong_type", "must be an object"),
    "literal_error": ("unknown_word", "must be one of {expected}"),
    "too_short": ("required", "must have at least {min_length} entries"),
    "greater_than": ("out_of_range", "must be more than {gt}"),
    "too_long": ("too_many", "has more than {max_length} entries"),
    "timezone_aware": ("no_time_zone", "has no time zone; add Z or an offset such as +05:30"),
    "greater_than_equal": ("out_of_range", "must be at least {ge}"),
    "less_than_equal": ("out_of_range", "must be at most {le}"),
    "date_from_datetime_parsing": ("invalid_date", "is not a date of the calendar; write YYYY-MM-DD"),
    "date_parsing": ("invalid_date", "is not a date of the calendar; write YYYY-MM-DD"),
    "datetime_from_date_parsing": ("invalid_datetime", "is not a date and time of the calendar"),
    "datetime_parsing": ("invalid_datetime", "is not a date and time of the calendar"),
}


def pointer(*parts: Any) -> str:
    """The JSON Pointer (RFC 6901) to ``parts``: keys and indexes from the root inwards."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    if error["type"] in _SENTENCES:
        code, sentence = _SENTENCES[error["type"]]
        sentence = sentence.format(**error.get("ctx", {}))
    else:
        code, sentence = error["type"], error["msg"]
    where = ".".join(str(part) for part in error["loc"]) or "the document"
    return FieldError(pointer(*error["loc"]), code, f"{where} {sentence}")


def _payload_class(annotation: Any) -> type[Payload] | None:
    """The payload class inside an annotation such as ``list[Link] | None``, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Payload):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _payload_class(arg))), None)


@cache
def _known_names(payload: type[Payload]) -> dict[str, type[Payload] | None]:
    names = {name: None for name in payload.model_config.get("json_schema_extra", {}).get("also_read", ())}
    names.update({info.alias: _payload_class(info.annotation) for info in payload.model_fields.values()})
    return names


def _unknown_fields(payload: type[Payload], raw: Any, where: str = "") -> Iterator[str]:
    if isinstance(raw, list):
        for index, entry in enumerate(raw):
            yield from _unknown_fields(payload, entry, f"{where}/{index}")
    elif isinstance(raw, dict):
        names = _known_names(payload)
        for key, value in raw.items():
            if key not in names:
                yield where + pointer(key)
            elif names[key] and isinstance(value, dict | list):
                yield from _unknown_fields(names[key], value, where + pointer(key))


def _ignored(payload: type[Payload], raw: Any) -> list[str]:
    """A warning for each field that nobody knows; their names come from outside, and may be long, many and odd."""
    unknown = list(_unknown_fields(payload, raw))
    warnings = [
        f"{_CONTROL.sub('?', where)[:NAME_LENGTH]} is not part of the contract and was ignored"
        for where in unknown[:MOST_WARNINGS]
    ]
    if len(unknown) > MOST_WARNINGS:
        warnings.append(f"{len(unknown) - MOST_WARNINGS} more fields are not part of the contract and were ignored")
    return warnings


def read(payload: type[Document], raw: Any) -> Reading:
    """Read one parsed JSON value as a ``payload``.

    :param payload: the class of the contract to read it as
    :param raw: what the JSON parser gave for one document
    :return: the canonical document, or every error in it at once. Never raises for bad input.
    """
    try:
        document = payload.model_validate(raw)
    except PydanticValidationError as exc:
        errors = exc.errors(include_url=False)
        return Reading(_sound_part(payload, raw, errors), errors=[_field_error(error) for error in errors])
    return Reading(_canonical(document), warnings=_ignored(payload, raw))


def _canonical(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _sound_part(payload: type[Document], raw: Any, errors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Those fields of ``raw`` in which there is no error."""
    if not isinstance(raw, dict) or any(not error["loc"] for error in errors):
        return {}
    at_fault = {error["loc"][0] for error in errors}
    try:
        # What is required and at fault is stood in for, else nothing could be read at all.
        stand_ins = {name: "-" for name in at_fault if payload.model_fields[_attribute(payload, name)].is_required()}
        sound = {name: raw[name] for name in raw if name not in at_fault}
        document = payload.model_validate(sound | stand_ins, context={"partial": True})
    except PydanticValidationError:
        return {}
    return {name: value for name, value in _canonical(document).items() if name not in stand_ins}


def _attribute(payload: type[Payload], alias: str) -> str:
    return next(name for name, info in payload.model_fields.items() if info.alias == alias)


def read_all(payload: type[Document], raws: Sequence[Any]) -> list[Reading]:
    """Read a batch: :func:`read` for each, and an ``externalId`` that stands in it twice is refused everywhere.

    Which of two documents is the right one cannot be known, so none of them is taken.
    """
    readings = [read(payload, raw) for raw in raws]
    places: dict[str, list[int]] = {}
    for index, reading in enumerate(readings):
        if "externalId" in reading.document:
            places.setdefault(reading.document["externalId"], []).append(index)
    for external_id, indexes in places.items():
        if len(indexes) > 1:
            named = ", ".join(map(str, indexes[:MOST_NAMED]))
            more = f" and {len(indexes) - MOST_NAMED} more" if len(indexes) > MOST_NAMED else ""
            detail = (
                f"externalId {external_id!r} stands more than once in this request, at items {named}{more}; "
                "send each record once"
            )
            for index in indexes:
                readings[index].errors.append(FieldError("/externalId", "duplicate_external_id", detail))
    return readings
