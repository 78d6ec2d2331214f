"""``billings``: one customer invoice, its lines and its payments."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Date, Document, ExternalId, Name, Payload, RequiredName, Text
from .fee_schedule import Currency
from .money import Money, raise_all

Status = Literal["draft", "sent", "overdue", "paid", "partial", "cancelled"]


class Line(Payload):
    """A line of the invoice. ``amount`` is quantity × unitPrice less ``discount`` percent, before taxes.

    Send ``unitPrice`` or ``amount``; where both are sent they must agree. ``taxes`` are names of sales taxes in Odoo;
    where they are not sent, those of the fee head's product apply, and an empty array means none.
    """

    code: RequiredName
    label: Name | None = None
    quantity: Annotated[Money, Field(gt=0)] | None = None
    unit_price: Money | None = None
    amount: Money | None = None
    discount: Annotated[Money, Field(ge=0, le=100)] | None = None
    taxes: Annotated[list[RequiredName], Field(max_length=10)] | None = None

    @model_validator(mode="after")
    def _check_amount(self) -> "Line":
        raise_all(self, self._faults())
        return self

    def _faults(self):
        if self.unit_price is None and self.amount is None:
            yield ("amount",), "required", "is required where there is no unitPrice"
        elif self.unit_price is None and self.discount:
            yield ("unitPrice",), "required", "is required where there is a discount"
        elif self.unit_price is not None and self.amount is not None:
            quantity = Decimal(1) if self.quantity is None else self.quantity
            net = quantity * self.unit_price * (100 - (self.discount or Decimal())) / 100
            # The amount is rounded to its own decimals; more would be asking for what no currency has.
            if net.quantize(self.amount, ROUND_HALF_UP) != self.amount:
                yield (
                    ("amount",),
                    "total_mismatch",
                    f"is {self.amount}, but {quantity} × {self.unit_price}"
                    + (f" less {self.discount} %" if self.discount else "")
                    + f" = {net.normalize():f}",
                )


class Payment(Payload):
    """Money received. Its own ``externalId`` makes it count once, however often it is sent."""

    external_id: ExternalId
    date: Date
    amount: Annotated[Money, Field(gt=0)]
    method: Name | None = None
    reference: Name | None = None


class BillingDocument(Document):
    """A billing becomes one customer invoice. Amounts are in ``currency``; ``total`` includes taxes.

    ``status``: draft, or sent/overdue (posted), partial/paid (posted and paid as far as ``payments`` say; ``paid``
    without payments registers what is open, once), or cancelled.
    """

    student_external_id: ExternalId
    payer_external_id: ExternalId | None = None
    fee_schedule_external_id: ExternalId | None = None
    invoice_number: Name | None = None
    issue_date: Date
    due_date: Date
    currency: Currency
    status: Status
    lines: Annotated[list[Line], Field(min_length=1, max_length=500)]
    total: Money | None = None
    payments: Annotated[list[Payment], Field(max_length=200)] | None = None
    notes: Text | None = None

    @model_validator(mode="after")
    def _check_billing(self) -> "BillingDocument":
        raise_all(self, self._faults())
        return self

    def _faults(self):
        if self.due_date < self.issue_date:
            yield ("dueDate",), "not_in_order", f"is {self.due_date}, before the issue date {self.issue_date}"
        named = [payment.external_id for payment in self.payments or ()]
        if len(named) != len(set(named)):
            yield ("payments",), "named_twice", "names the same payment twice"
        if self.payments and self.status in ("draft", "cancelled"):
            yield ("payments",), "not_payable", f"cannot be registered on a billing that is {self.status}"
        if self.status == "partial" and not self.payments:
            yield ("payments",), "required", "is required where the status is partial: say what was paid"
