"""``fee-schedules``: payload 4 of the onboarding data contract."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from .base import Date, Document, ExternalId, Name, Payload, RequiredName, Url, Whole, or_as_sent
from .money import Money, raise_all, total
from .text import _lt, fault, first_twice, quote


def _currency_code(value: str) -> str:
    if not (len(value) == 3 and value.isascii() and value.isupper() and value.isalpha()):
        raise fault(
            "bad_format",
            _lt("%(field)s %(value)s is not a currency code. Send three capital letters (ISO 4217), such as USD."),
        )
    return value


Currency = Annotated[str, AfterValidator(_currency_code)]
MOST_INSTALLMENTS = 100


class Head(Payload):
    """A kind of fee: ``code`` names the product, ``amount`` is what this student owes of it."""

    code: RequiredName
    label: Name | None = None
    amount: Money


class Discount(Payload):
    """What is taken off: ``amount`` is positive."""

    code: Name | None = None
    label: Name | None = None
    amount: Annotated[Money, Field(ge=0)]


class Installment(Payload):
    due: Date
    amount: Annotated[Money, Field(gt=0)]


class InstallmentPlan(Payload):
    count: Annotated[Whole, Field(ge=1, le=MOST_INSTALLMENTS)] | None = None
    schedule: Annotated[list[Installment], Field(min_length=1, max_length=MOST_INSTALLMENTS)]


class PaymentLink(Payload):
    url: or_as_sent(Url) | None = None
    invoice_id: Name | None = None


class FeeScheduleDocument(Document):
    """What a student owes, by fee head, and when. All amounts are in ``currency``, else in the company's.

    Heads − discounts = total; the installments add up to the total, are as many as ``count`` and in order of time.
    """

    student_external_id: ExternalId
    school_external_id: ExternalId | None = None
    academic_year_external_id: ExternalId | None = None
    currency: Currency | None = None
    heads: Annotated[list[Head], Field(min_length=1, max_length=200)]
    discounts: Annotated[list[Discount], Field(max_length=200)] | None = None
    total: Money
    installment_plan: InstallmentPlan | None = None
    first_payment_link: PaymentLink | None = None

    @model_validator(mode="after")
    def _check_sums(self) -> "FeeScheduleDocument":
        raise_all(self, self._faults())
        return self

    def _faults(self):
        heads = total(head.amount for head in self.heads)
        discounts = total(discount.amount for discount in self.discounts or ())
        owed = total((heads, -discounts))
        if owed != self.total:
            template = _lt("The total is %(total)s, but the heads add up to %(heads)s.")
            if discounts:
                template = _lt(
                    "The total is %(total)s, but heads of %(heads)s less discounts of %(discounts)s are %(owed)s."
                )
            params = {"total": self.total, "heads": heads, "discounts": discounts, "owed": owed}
            yield ("total",), fault("total_mismatch", template, **params)
        if twice := first_twice(head.code for head in self.heads):
            yield (
                ("heads",),
                fault(
                    "named_twice",
                    _lt("heads names the code %(code)s more than once. Send each code once, with its whole amount."),
                    code=quote(twice),
                ),
            )
        if self.installment_plan:
            yield from self._installment_faults(self.installment_plan)

    def _installment_faults(self, plan: InstallmentPlan):
        schedule = plan.schedule
        where = ("installmentPlan", "schedule")
        if plan.count is not None and plan.count != len(schedule):
            yield (
                ("installmentPlan", "count"),
                fault(
                    "count_mismatch",
                    _lt("installmentPlan.count is %(count)s, but the number of installments is %(installments)s."),
                    count=plan.count,
                    installments=len(schedule),
                ),
            )
        installments = total(installment.amount for installment in schedule)
        if installments != self.total:
            yield (
                where,
                fault(
                    "total_mismatch",
                    _lt("The total is %(total)s, but the installments add up to %(installments)s."),
                    total=self.total,
                    installments=installments,
                ),
            )
        for index, (one, other) in enumerate(pairwise(schedule), 1):
            if other.due <= one.due:
                yield (
                    (*where, index, "due"),
                    fault(
                        "not_in_order",
                        _lt(
                            "%(field)s %(due)s must be after %(before)s, the date of the installment before. "
                            "Send the installments in the order of their dates."
                        ),
                        due=other.due.isoformat(),
                        before=one.due.isoformat(),
                    ),
                )
