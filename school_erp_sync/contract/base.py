"""What every payload of the contract shares: its base class, its types, and how one is read.

A document says only what it knows: a field that is absent leaves what is stored, ``null`` clears it
(JSON Merge Patch, RFC 7396). Reading keeps that difference.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    WrapValidator,
    model_validator,
)
from pydantic import ValidationError as PydanticValidationError
from pydantic.alias_generators import to_camel

from .money import write_amount
from .text import Message, _lt, fault, quote

NAME_LENGTH = 255
TEXT_LENGTH = 2000
MOST_WARNINGS = 20
MOST_NAMED = 5
OLDEST_YEAR, NEWEST_YEAR = 1900, 2199

# PostgreSQL cannot store NUL; the other control characters have no meaning in a name, a phone number or an address.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What neither an address nor an Idempotency-Key can hold, besides.
_NOT_ONE_LINE = re.compile(r"[\t\r\n\x80-\x9f\u2028\u2029]")
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")
_ISO_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_URL = re.compile(r"https?://[^\s]+$")


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

    def translated(self, translate: Callable[[str], str]) -> "FieldError":
        return replace(self, detail=translate(self.detail))


@dataclass(slots=True)
class Reading:
    """What reading one document gave.

    ``document`` is canonical: camel-case keys, JSON values, just the fields that were sent. Where there are ``errors``
    it holds only the fields without any, so that what needs more than the contract can be checked in them as well.
    """

    document: dict[str, Any]
    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def translated(self, translate: Callable[[str], str]) -> "Reading":
        """The same, told in another language.

        :param translate: what to make of each sentence, which is a :class:`~.text.Message`
        """
        return replace(
            self,
            errors=[error.translated(translate) for error in self.errors],
            warnings=[translate(warning) for warning in self.warnings],
        )


def check_plain(value: str) -> str:
    """:raises PydanticCustomError: where ``value`` holds a control character"""
    # What can be printed has none, and is recognised faster.
    if not value.isprintable() and _CONTROL.search(value):
        raise fault("control_character", _lt("%(field)s contains a control character. Remove it."))
    return value


def check_one_line(value: str) -> str:
    """:raises PydanticCustomError: where neither an address nor a header can hold ``value``"""
    if _NOT_ONE_LINE.search(value):
        raise fault("not_addressable", _lt("%(field)s contains a line break, a tab or a similar character. Remove it."))
    return value


def _addressable(value: str) -> str:
    if value in (".", ".."):
        raise fault("not_addressable", _lt("%(field)s must not be %(value)s. Send another identifier."))
    return check_one_line(value)


def _iso_date_text(value: Any) -> Any:
    if isinstance(value, str) and _ISO_DATE.match(value.strip()):
        return value.strip()
    raise fault("invalid_date", _lt("%(field)s %(value)s is not a date. Write it as YYYY-MM-DD, in quotes."))


def _iso_datetime_text(value: Any) -> Any:
    if isinstance(value, str) and _ISO_DATETIME.match(value.strip()):
        return value.strip()
    raise fault(
        "invalid_datetime",
        _lt(
            "%(field)s %(value)s is not a date and time. Write it with a zone, such as 2025-05-03T10:12:44Z, in quotes."
        ),
    )


def _known_year(value: date) -> date:
    try:
        year = value.astimezone(timezone.utc).year if isinstance(value, datetime) else value.year
    except OverflowError:
        year = None
    if year is None or not OLDEST_YEAR <= year <= NEWEST_YEAR:
        raise fault(
            "out_of_range",
            _lt("%(field)s %(value)s is out of range. Send a year from %(oldest)s to %(newest)s."),
            oldest=OLDEST_YEAR,
            newest=NEWEST_YEAR,
        )
    return value


def _birth_date(value: date) -> date:
    # Somewhere on Earth it is already tomorrow: UTC+14 is the earliest zone.
    if value.year < OLDEST_YEAR or value > (datetime.now(timezone.utc) + timedelta(hours=14)).date():
        raise fault(
            "out_of_range",
            _lt("%(field)s %(value)s is out of range. Send a date of birth from the year %(oldest)s to today."),
            oldest=OLDEST_YEAR,
        )
    return value


def _url(value: str) -> str:
    if not _URL.match(value):
        raise fault("bad_format", _lt("%(field)s %(value)s is not a link. It must begin with http:// or https://."))
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        text = value.strip()
        if len(text) > 18:
            raise fault("out_of_range", _lt("%(field)s %(value)s has too many digits."))
        return int(text)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault("wrong_type", _lt("%(field)s must be a whole number."))
    return value


_Plain = AfterValidator(check_plain)
ExternalId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_LENGTH, strip_whitespace=True),
    _Plain,
    AfterValidator(_addressable),
]
Name = Annotated[str, StringConstraints(max_length=NAME_LENGTH, strip_whitespace=True), _Plain]
RequiredName = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH, strip_whitespace=True), _Plain]
Text = Annotated[str, StringConstraints(max_length=TEXT_LENGTH, strip_whitespace=True), _Plain]
Url = Annotated[str, StringConstraints(max_length=TEXT_LENGTH, strip_whitespace=True), _Plain, AfterValidator(_url)]
Date = Annotated[date, BeforeValidator(_iso_date_text), AfterValidator(_known_year)]
BirthDate = Annotated[date, BeforeValidator(_iso_date_text), AfterValidator(_birth_date)]
DateTime = Annotated[AwareDatetime, BeforeValidator(_iso_datetime_text), AfterValidator(_known_year)]
Whole = Annotated[int, BeforeValidator(_whole)]


def or_as_sent(kind: Any) -> Any:
    """The type of a field that only enriches: a ``kind``, or else what people wrote there.

    Such a value refuses no document: it is kept as it was sent, and :func:`fault_in` says what is wrong with it. What
    no person can have meant, such as an object in place of a text, is refused here as everywhere.
    """

    def keep(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except PydanticValidationError:
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise
            # A text that could not be stored has a fault of its own.
            return _adapter(Text).validate_python(value) if isinstance(value, str) else _stored_whole(value)

    return Annotated[kind, WrapValidator(keep)]


def _stored_whole(value: int) -> int:
    if abs(value) >= 2**53:
        raise fault("out_of_range", _lt("%(field)s %(value)s has too many digits."))
    return value


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


@lru_cache(10_000)
def fault_in(kind: Any, path: str, value: str | int) -> Message | None:
    """Return what is wrong with ``value``, which stands at ``path`` and is to be a ``kind``; None if nothing is."""
    try:
        _adapter(kind).validate_python(value)
    except PydanticValidationError as exc:
        (error, *_rest) = exc.errors(include_url=False)
        return _field_error({**error, "loc": tuple(path.split("."))}, None).detail
    return None


class Payload(BaseModel):
    """An object of the contract. Its attributes are in snake case here and in camel case on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, allow_inf_nan=False)

    #: what GET adds, and POST ignores without a warning
    added_by_get: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _empty_texts_clear(cls, data: Any) -> Any:
        """Systems that know no ``null`` send an empty text for what is not there."""
        if not isinstance(data, dict):
            return data
        # A list: for the many values of a batch, a generator would take twice as long.
        blank = [key for key, value in data.items() if isinstance(value, str) and (not value or value.isspace())]
        if not blank:
            return data
        blank = _optional_names(cls).intersection(blank)
        return {key: None if key in blank else value for key, value in data.items()}


class Document(Payload):
    """A payload with an identity of its own: what is posted, stored and answered."""

    added_by_get = frozenset({"id", "model", "version"})

    external_id: ExternalId
    previous_external_ids: Annotated[list[ExternalId], Field(max_length=50)] | None = None
    updated_at: DateTime | None = None


# What to say for the kinds of error that pydantic words for programmers: type -> (code, sentence).
_SENTENCES = {
    "missing": ("required", _lt("%(field)s is required.")),
    "string_type": ("wrong_type", _lt("%(field)s must be a string, in quotes.")),
    "string_unicode": ("control_character", _lt("%(field)s contains half a character. Send whole ones, in UTF-8.")),
    "string_too_short": ("required", _lt("%(field)s must not be empty.")),
    "string_too_long": ("too_long", _lt("%(field)s is too long. Send at most %(max_length)s characters.")),
    "bool_type": ("wrong_type", _lt("%(field)s must be true or false.")),
    "bool_parsing": ("wrong_type", _lt("%(field)s must be true or false.")),
    "list_type": ("wrong_type", _lt("%(field)s must be an array.")),
    "model_type": ("wrong_type", _lt("%(field)s must be an object.")),
    "literal_error": ("unknown_word", _lt("%(field)s %(value)s is not known. Send one of: %(expected)s.")),
    "too_short": ("required", _lt("%(field)s must not be empty.")),
    "too_long": ("too_many", _lt("%(field)s has too many entries. Send at most %(max_length)s.")),
    "finite_number": ("out_of_range", _lt("%(field)s must be a finite number.")),
    "greater_than": ("out_of_range", _lt("%(field)s is %(value)s. It must be more than %(gt)s.")),
    "greater_than_equal": ("out_of_range", _lt("%(field)s is %(value)s. It must be at least %(ge)s.")),
    "less_than": ("out_of_range", _lt("%(field)s is %(value)s. It must be less than %(lt)s.")),
    "less_than_equal": ("out_of_range", _lt("%(field)s is %(value)s. It must be at most %(le)s.")),
    "timezone_aware": (
        "no_time_zone",
        _lt("%(field)s %(value)s has no time zone. Add Z or an offset such as +05:30."),
    ),
    **dict.fromkeys(
        ("date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        ("invalid_date", _lt("%(field)s %(value)s is not in the calendar. Write a date as YYYY-MM-DD.")),
    ),
    **dict.fromkeys(
        ("datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid", "timezone_offset"),
        ("invalid_datetime", _lt("%(field)s %(value)s is not in the calendar. Check the date, the time and the zone.")),
    ),
}
_NO_OBJECT = ("wrong_type", _lt("A document must be an object: {…}."))
_NOT_UNDERSTOOD = ("bad_format", _lt("%(field)s is not written as the contract asks. See its documentation."))


def pointer(*parts: Any) -> str:
    """The JSON Pointer (RFC 6901) to ``parts``: keys and indexes from the root inwards."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _field_error(error: Mapping[str, Any], currency: Any) -> FieldError:
    """:param currency: in which the amounts of the document are, as far as it says so"""
    where, params = error["loc"], error.get("ctx", {})
    if "template" in params:
        code, template, params = error["type"], params["template"], params["params"]
        told = {name: write_amount(one, currency) if isinstance(one, Decimal) else one for name, one in params.items()}
    else:
        code, template = _SENTENCES.get(error["type"], _NOT_UNDERSTOOD) if where else _NO_OBJECT
        told = dict(params)
    if "expected" in told:
        # Quoted and joined as in Python.
        told["expected"] = told["expected"].replace("'", "").replace(" or ", ", ")
    if "%(field)s" in template:
        told["field"] = dotted(where)
    if "%(value)s" in template:
        told["value"] = quote(error["input"])
    return FieldError(pointer(*where), code, Message(template, **told))


def dotted(where: Sequence[str | int]) -> str:
    """The name of a field as the documentation writes it: ``lines[0].amount``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")


def _payload_class(annotation: Any) -> type[Payload] | None:
    """The payload class inside an annotation such as ``list[Link] | None``, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Payload):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _payload_class(arg))), None)


@cache
def _optional_names(payload: type[Payload]) -> frozenset[str]:
    """The fields that may be ``null``, as they are called on the wire."""
    return frozenset(info.alias for info in payload.model_fields.values() if not info.is_required())


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


def _ignored(payload: type[Payload], raw: dict) -> list[str]:
    """A warning for each field that nobody knows; their names come from outside, and may be long, many and odd."""
    unknown = list(_unknown_fields(payload, raw))
    if unknown:
        # A record that GET gives as active may be sent back as it is. To archive one takes a DELETE.
        known = payload.added_by_get | ({"active"} if raw.get("active") is True else set())
        unknown = [where for where in unknown if where[1:] not in known]
    warnings = [
        Message(
            _lt("%(pointer)s is not part of the contract and was ignored."),
            pointer=_CONTROL.sub("\N{REPLACEMENT CHARACTER}", where)[:NAME_LENGTH],
        )
        for where in unknown[:MOST_WARNINGS]
    ]
    if len(unknown) > MOST_WARNINGS:
        template = _lt("%(count)s more fields are not part of the contract and were ignored.")
        warnings.append(Message(template, count=len(unknown) - MOST_WARNINGS))
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
        currency = raw.get("currency") if isinstance(raw, dict) else None
        return Reading(_sound_part(payload, raw, errors), [_field_error(error, currency) for error in errors])
    return Reading(_canonical(document), warnings=_ignored(payload, raw))


def _canonical(document: Document) -> dict[str, Any]:
    # A value that is kept as it was sent is of another type than its field.
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)


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
            named = ", ".join(map(str, indexes[:MOST_NAMED])) + (", …" if len(indexes) > MOST_NAMED else "")
            detail = Message(
                _lt("externalId %(value)s comes %(count)s times in this request, as items %(items)s. Send it once."),
                value=quote(external_id),
                count=len(indexes),
                items=named,
            )
            for index in indexes:
                readings[index].errors.append(FieldError("/externalId", "duplicate_external_id", detail))
    return readings
