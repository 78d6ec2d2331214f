"""``payments``: one receipt, for several billings, and the money that is left on account."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Date, Document, ExternalId, Name, Payload
from .fee_schedule import Currency
from .money import Money, raise_all, total
from .text import _lt, fault, first_twice, quote

Status = Literal["received", "reversed", "refunded"]


class Allocation(Payload):
    """What of the payment is for one billing."""

    billing_external_id: ExternalId
    amount: Annotated[Money, Field(gt=0)]


class PaymentDocument(Document):
    """Money that was received once, for any number of billings of one payer. What is not allocated stays on account.

    ``allocations``, when sent, is the whole list: what it leaves out is due again. ``status``: ``received``, or
    ``reversed`` (the money never came, such as a bounced check) or ``refunded`` (it was given back).
    """

    added_by_get = Document.added_by_get | {"amountOnAccount", "payment"}

    payer_external_id: ExternalId | None = None
    date: Date
    amount: Annotated[Money, Field(gt=0)]
    currency: Currency
    status: Status | None = None
    return_date: Date | None = None
    method: Name | None = None
    journal: Name | None = None
    reference: Name | None = None
    allocations: Annotated[list[Allocation], Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _check_payment(self) -> "PaymentDocument":
        raise_all(self, self._faults())
        return self

    def _faults(self):
        if twice := first_twice(one.billing_external_id for one in self.allocations or ()):
            yield (
                ("allocations",),
                fault(
                    "named_twice",
                    _lt("allocations names the billing %(billing)s more than once. Send one amount for each billing."),
                    billing=quote(twice),
                ),
            )
        allocated = total(one.amount for one in self.allocations or ())
        if allocated > self.amount:
            yield (
                ("allocations",),
                fault(
                    "over_allocated",
                    _lt("The allocations add up to %(allocated)s, but the amount is %(amount)s. Correct one of them."),
                    allocated=allocated,
                    amount=self.amount,
                ),
            )
        if self.return_date and self.return_date < self.date:
            yield (
                ("returnDate",),
                fault(
                    "not_in_order",
                    _lt("returnDate %(returned)s is before date %(received)s. Correct one of them."),
                    returned=self.return_date.isoformat(),
                    received=self.date.isoformat(),
                ),
            )
