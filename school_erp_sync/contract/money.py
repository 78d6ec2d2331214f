"""Amounts of money: exact from the first byte to the last."""

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from decimal import Context, Decimal, localcontext
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic import ValidationError as PydanticValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from .text import _lt, fault, in_words, write_number

# A JSON number is read as a binary double, which gives 15 decimal digits back exactly, and no more.
MOST_DIGITS = 15
# Beyond this Odoo, which counts in doubles too, cannot balance an entry to the cent.
MOST_WHOLE_DIGITS = 12
#: Every amount, and whatever is computed from amounts, is smaller than this.
LIMIT = Decimal(10) ** MOST_WHOLE_DIGITS
_LONGEST_TEXT = 60
# Not all that Decimal reads: neither 1_000 nor the digits of other scripts are taken for an amount that nobody meant.
_AMOUNT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?(?P<exponent>\d+))?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
# The fields of documents that hold amounts.
_AMOUNTS = frozenset({"amount", "total", "unitPrice"})
# ISO 4217: how many decimals a currency has, where it is not two.
_DECIMALS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _not_an_amount()
    # A longer number cannot be an amount, and is not worth writing out.
    if isinstance(value, int) and abs(value) >= LIMIT:
        raise _out_of_range()
    text = str(value).strip()
    if _NOT_FINITE.fullmatch(text):
        raise fault("out_of_range", _lt("%(field)s must be a finite number."))
    written = _AMOUNT.fullmatch(text)
    if not written:
        raise _not_an_amount()
    if len(text) > _LONGEST_TEXT or len(written["exponent"] or "") > 3:
        raise _out_of_range()
    amount = Decimal(text)
    if not amount:
        return Decimal()
    digits = "".join(map(str, amount.as_tuple().digits)).strip("0")
    if len(digits) > MOST_DIGITS or not -MOST_DIGITS < amount.adjusted() < MOST_WHOLE_DIGITS:
        raise _out_of_range()
    # Written with an exponent, it has as many decimals as it shows: none.
    return amount if amount.as_tuple().exponent <= 0 else amount.quantize(Decimal(1))


def _not_an_amount() -> PydanticCustomError:
    return fault("wrong_type", _lt("%(field)s must be an amount: a number, or a number in quotes."))


def _out_of_range() -> PydanticCustomError:
    return fault(
        "out_of_range",
        _lt("%(field)s %(value)s is out of range. Send at most %(most)s digits, %(whole)s of them before the point."),
        most=MOST_DIGITS,
        whole=MOST_WHOLE_DIGITS,
    )


def to_json(amount: Decimal) -> int | float:
    """``amount`` as the JSON number that reads back as exactly the same (see :data:`MOST_DIGITS`)."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def to_decimal(number: int | float | str) -> Decimal:
    """The amount that a JSON number of a canonical document stands for."""
    return Decimal(str(number))


def write_amount(amount: Decimal, currency: Any) -> str:
    """``amount`` with the decimals of ``currency``, an ISO 4217 code; with two where nobody knows the currency."""
    return write_number(amount, _DECIMALS.get(currency, 2) if isinstance(currency, str) else 2)


def write_value(path: str, value: Any, currency: Any = None) -> str:
    """Return the JSON ``value`` at ``path`` of a document as people read it.

    :param currency: the ISO 4217 code of the currency of its amounts
    """

    def write(key: str, number: int | float) -> str:
        exact = to_decimal(number)
        return write_amount(exact, currency) if key in _AMOUNTS else write_number(exact)

    return in_words(path.rpartition(".")[2], value, write)


Money = Annotated[Decimal, BeforeValidator(_exact), PlainSerializer(to_json, when_used="json")]


def exactly() -> AbstractContextManager[Context]:
    """A context in which what is computed from a document's amounts is not rounded."""
    return localcontext(Context(prec=200))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum of ``amounts``."""
    with exactly():
        return sum(amounts, Decimal())


def raise_all(document: BaseModel, faults: Iterable[tuple[tuple[str | int, ...], PydanticCustomError]]) -> None:
    """Raise every one of ``faults`` (where, what) at once, if there is any.

    :raises pydantic.ValidationError: with one error a fault
    """
    errors = [InitErrorDetails(type=error, loc=where, input=None) for where, error in faults]
    if errors:
        raise PydanticValidationError.from_exception_data(type(document).__name__, errors)
