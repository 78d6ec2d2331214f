"""Amounts of money: exact from the first byte to the last."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic import ValidationError as PydanticValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

# A JSON number is read as a binary double, which gives 15 decimal digits back exactly, and no more.
MOST_DIGITS = 15


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise PydanticCustomError("wrong_type", "must be an amount: a number, or a number in quotes")
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation as exc:
        raise PydanticCustomError("wrong_type", "must be an amount: a number, or a number in quotes") from exc
    if not amount.is_finite() or len(amount.normalize().as_tuple().digits) > MOST_DIGITS or abs(amount.adjusted()) > 14:
        raise PydanticCustomError("out_of_range", "has too many digits for an amount of money")
    return amount


def to_json(amount: Decimal) -> int | float:
    """``amount`` as the JSON number that reads back as exactly the same (see :data:`MOST_DIGITS`)."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def to_decimal(number: int | float | str) -> Decimal:
    """The amount that a JSON number of a canonical document stands for."""
    return Decimal(str(number))


Money = Annotated[Decimal, BeforeValidator(_exact), PlainSerializer(to_json, when_used="json")]


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum of ``amounts``."""
    return sum(amounts, Decimal())


def raise_all(document: BaseModel, faults: Iterable[tuple[tuple[str | int, ...], str, str]]) -> None:
    """Raise every one of ``faults`` (where, code, sentence) at once, if there is any.

    :raises pydantic.ValidationError: with one error a fault
    """
    errors = [
        InitErrorDetails(type=PydanticCustomError(code, "{sentence}", {"sentence": sentence}), loc=where, input=None)
        for where, code, sentence in faults
    ]
    if errors:
        raise PydanticValidationError.from_exception_data(type(document).__name__, errors)
