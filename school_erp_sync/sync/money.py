"""The parts of a document that are about money."""

from ..contract.money import to_decimal, to_json
from .parts import Part


class Currency(Part):
    """The currency of a document, by its ISO 4217 code: the school's where none is sent. The model stores it."""

    def holds(self, record, value, now):
        return (value or record.company_id.currency_id.name) == now

    def prepare(self, model, source, items):
        """Nothing: the model stores it."""

    def _read_one(self, record):
        return record[self.field].name


class Amount(Part):
    """An amount in the currency of the record."""

    def meaning(self, model, value):
        return None if value is None else to_decimal(value)

    def to_value(self, model, value):
        return value or False

    def _read_one(self, record):
        # A record that is only imagined has no currency yet.
        return amount_to_json(record.currency_id, record[self.field]) if record.currency_id else None


class Shares(Part):
    """Amounts by code and label, in no order: the heads of a fee schedule, or its discounts.

    :param kind: of the lines that hold them
    """

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def meaning(self, model, value):
        # A label that only repeats the code says nothing.
        shares = [
            (
                one.get("code") or "",
                label if (label := one.get("label")) != one.get("code") else None,
                to_decimal(one["amount"]),
            )
            for one in value or ()
        ]
        return sorted(shares, key=repr) or None

    def _read_one(self, record):
        return [
            {
                "code": line.code or None,
                "label": line.label or None,
                "amount": amount_to_json(record.currency_id, line.amount),
            }
            for line in record.line_ids
            if line.kind == self.kind
        ]


class Installments(Part):
    """The days on which amounts are due."""

    def meaning(self, model, value):
        return [(one["due"], to_decimal(one["amount"])) for one in value or ()] or None

    def _read_one(self, record):
        return [
            {"due": one.due_date.isoformat(), "amount": amount_to_json(record.currency_id, one.amount)}
            for one in record.installment_ids
        ]


class Count(Part):
    """How many installments there are: counted, and checked by the contract."""

    def done(self, record, base, ours, theirs, found):
        return True

    def _read_one(self, record):
        return len(record.installment_ids)


def amount_to_json(currency, amount: float) -> int | float:
    """``amount`` as a JSON number, rounded to the coins of ``currency``."""
    return to_json(to_decimal(currency.round(amount)))
