"""``billings``: one customer invoice, its lines and its payments."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from .base import Date, Document, ExternalId, Name, Payload, RequiredName, Text
from .fee_schedule import Currency
from .money import LIMIT, MOST_WHOLE_DIGITS, Money, exactly, raise_all, total
from .text import _lt, fault, first_twice, quote

Status = Literal["draft", "sent", "overdue", "paid", "partial", "cancelled"]
LEAST, MOST = Decimal("0.000001"), Decimal(10**9)


def _quantity(value: Decimal) -> Decimal:
    if not LEAST <= value <= MOST:
        raise fault(
            "out_of_range",
            _lt("%(field)s is %(value)s. Send a quantity from %(least)s to %(most)s."),
            least=quote(LEAST),
            most=quote(MOST),
        )
    return value


Quantity = Annotated[Money, AfterValidator(_quantity)]


class Line(Payload):
    """A line of the invoice. ``amount`` is quantity × unitPrice less ``discount`` percent, before taxes.

    Send ``unitPrice`` or ``amount``; where both are sent they must agree. ``taxes`` are names of sales taxes in Odoo;
    where they are not sent, those of the fee head's product apply, and an empty array means none. ``code`` is null for
    a line without a product, as people add them in Odoo.
    """

    code: RequiredName | None
    label: Name | None = None
    quantity: Quantity | None = None
    unit_price: Money | None = None
    amount: Money | None = None
    discount: Annotated[Money, Field(ge=0, le=100)] | None = None
    taxes: Annotated[list[RequiredName], Field(max_length=10)] | None = None

    @model_validator(mode="after")
    def _check_amount(self) -> "Line":
        with exactly():
            raise_all(self, self._faults())
        return self

    @property
    def net(self) -> Decimal:
        """What the line comes to, before taxes."""
        if self.unit_price is None:
            return self.amount
        return self._quantity * self.unit_price * (100 - (self.discount or Decimal())) / 100

    @property
    def _quantity(self) -> Decimal:
        return Decimal(1) if self.quantity is None else self.quantity

    def _faults(self) -> Iterator:
        if self.unit_price is None and self.amount is None:
            yield ("amount",), fault("required", _lt("%(field)s is required where there is no unitPrice."))
        elif self.unit_price is None and self.discount:
            yield ("unitPrice",), fault("required", _lt("%(field)s is required where there is a discount."))
        elif max(abs(self.net), abs(self.net / self._quantity)) >= LIMIT:
            yield (
                ("quantity",),
                fault(
                    "out_of_range",
                    _lt(
                        "The price or the amount of this line has more than %(most)s digits before the point. "
                        "Correct quantity, unitPrice or amount."
                    ),
                    most=MOST_WHOLE_DIGITS,
                ),
            )
        elif self.unit_price is not None and self.amount is not None:
            # The amount is rounded to its own decimals; more would be asking for what no currency has. Zeros at the end
            # are no decimals: a program may write 3 yen as 3.0.
            places = min(self.amount.normalize().as_tuple().exponent, 0)
            if self.net.quantize(Decimal(1).scaleb(places), ROUND_HALF_UP) != self.amount:
                template = _lt("The amount is %(amount)s, but %(quantity)s × %(price)s is %(net)s.")
                if self.discount:
                    template = _lt(
                        "The amount is %(amount)s, but %(quantity)s × %(price)s less %(discount)s %% is %(net)s."
                    )
                yield (
                    ("amount",),
                    fault(
                        "total_mismatch",
                        template,
                        amount=self.amount,
                        quantity=quote(self._quantity),
                        price=self.unit_price,
                        discount=quote(self.discount or Decimal()),
                        net=self.net,
                    ),
                )


class Payment(Payload):
    """Money received. Its own ``externalId`` makes it count once, however often it is sent."""

    external_id: ExternalId
    date: Date
    amount: Annotated[Money, Field(gt=0)]
    method: Name | None = None
    reference: Name | None = None


class Credit(Payload):
    """What is taken off a posted invoice. Its own ``externalId`` makes it count once, however often it is sent."""

    external_id: ExternalId
    date: Date
    lines: Annotated[list[Line], Field(min_length=1, max_length=500)]
    total: Money | None = None
    reason: Name | None = None

    @model_validator(mode="after")
    def _check_credit(self) -> "Credit":
        raise_all(self, self._faults())
        return self

    def _faults(self):
        if not 0 < (net := total(line.net for line in self.lines)) < LIMIT:
            yield (
                ("lines",),
                fault(
                    "out_of_range",
                    _lt("The lines of the credit add up to %(net)s. Send what is taken off, as an amount above 0."),
                    net=net,
                ),
            )


class BillingDocument(Document):
    """A billing becomes one customer invoice, or a credit note where it is below zero.

    Amounts are in ``currency``; ``total`` includes taxes.

    ``status``: draft, or sent/overdue (posted), partial/paid (posted and paid as far as ``payments`` say; ``paid``
    without payments registers what is open, once), or cancelled.
    """

    added_by_get = Document.added_by_get | {
        "amountPaid",
        "amountCredited",
        "amountOverpaid",
        "amountDue",
        "otherPayments",
        "invoice",
    }

    student_external_id: ExternalId
    payer_external_id: ExternalId | None = None
    fee_schedule_external_id: ExternalId | None = None
    invoice_number: Name | None = None
    issue_date: Date
    due_date: Date | None = None
    currency: Currency
    status: Status
    lines: Annotated[list[Line], Field(min_length=1, max_length=500)]
    total: Money | None = None
    payments: Annotated[list[Payment], Field(max_length=200)] | None = None
    credits: Annotated[list[Credit], Field(max_length=200)] | None = None
    notes: Text | None = None

    @model_validator(mode="after")
    def _check_billing(self) -> "BillingDocument":
        raise_all(self, self._faults())
        return self

    def _faults(self):
        if self.due_date and self.due_date < self.issue_date:
            yield (
                ("dueDate",),
                fault(
                    "not_in_order",
                    _lt("dueDate %(due)s is before issueDate %(issued)s. Correct one of them."),
                    due=self.due_date.isoformat(),
                    issued=self.issue_date.isoformat(),
                ),
            )
        if abs(total(line.net for line in self.lines)) >= LIMIT:
            yield (
                ("lines",),
                fault(
                    "out_of_range",
                    _lt("The sum of the lines has more than %(most)s digits before the point. Correct the amounts."),
                    most=MOST_WHOLE_DIGITS,
                ),
            )
        if twice := first_twice(payment.external_id for payment in self.payments or ()):
            yield (
                ("payments",),
                fault(
                    "named_twice",
                    _lt("payments names the payment %(payment)s more than once. Send each payment once."),
                    payment=quote(twice),
                ),
            )
        if twice := first_twice(credit.external_id for credit in self.credits or ()):
            yield (
                ("credits",),
                fault(
                    "named_twice",
                    _lt("credits names the credit %(credit)s more than once. Send each credit once."),
                    credit=quote(twice),
                ),
            )
        if self.credits and self.status in ("draft", "cancelled"):
            yield (
                ("credits",),
                fault(
                    "not_payable",
                    _lt("A billing with the status %(status)s takes no credits. Send no credits, or another status."),
                    status=self.status,
                ),
            )
        if (self.payments or self.credits) and total(line.net for line in self.lines) < 0:
            yield (
                ("payments" if self.payments else "credits",),
                fault(
                    "not_payable",
                    _lt("A billing below zero is a credit note and takes no payments and no credits. Send none."),
                ),
            )
        if self.payments and self.status in ("draft", "cancelled"):
            yield (
                ("payments",),
                fault(
                    "not_payable",
                    _lt("A billing with the status %(status)s takes no payments. Send no payments, or another status."),
                    status=self.status,
                ),
            )
        if self.status == "partial" and not self.payments and not self.credits:
            yield (
                ("payments",),
                fault(
                    "required", _lt("payments is required where the status is partial. Send what was paid or credited.")
                ),
            )
