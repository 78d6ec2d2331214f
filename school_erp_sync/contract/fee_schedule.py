"""``fee-schedules``: payload 4 of the onboarding data contract."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from .base import Date, Document, ExternalId, Name, Payload, RequiredName, Url
from .money import Money, raise_all, total


def _currency_code(value: str) -> str:
    if not (len(value) == 3 and value.isascii() and value.isupper() and value.isalpha()):
        raise PydanticCustomError("bad_format", "must be a code of three capital letters (ISO 4217), such as USD")
    return value


Currency = Annotated[str, AfterValidator(_currency_code)]


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
    count: int | None = None
    schedule: Annotated[list[Installment], Field(min_length=1, max_length=100)]


class PaymentLink(Payload):
    url: Url | None = None
    invoice_id: Name | None = None


class FeeScheduleDocument(Document):
    """What a student owes, by fee head, and when. All amounts are in ``currency``, else in the company's.

    Heads − discounts = total; the installments add up to the total, are as many as ``count`` and in order of time.
    """

    student_external_id: ExternalId
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
        if heads - discounts != self.total:
            yield (
                ("total",),
                "total_mismatch",
                f"is {self.total}, but heads {heads} − discounts {discounts} = {heads - discounts}",
            )
        codes = [head.code for head in self.heads]
        if len(codes) != len(set(codes)):
            yield ("heads",), "named_twice", "names the same code twice; add the amounts up"
        if self.installment_plan:
            yield from self._installment_faults(self.installment_plan)

    def _installment_faults(self, plan: InstallmentPlan):
        schedule = plan.schedule
        where = ("installmentPlan", "schedule")
        if plan.count is not None and plan.count != len(schedule):
            yield (
                ("installmentPlan", "count"),
                "count_mismatch",
                f"is {plan.count}, but the schedule has {len(schedule)} installments",
            )
        installments = total(installment.amount for installment in schedule)
        if installments != self.total:
            yield where, "total_mismatch", f"adds up to {installments}, but the total is {self.total}"
        for index, (one, other) in enumerate(pairwise(schedule), 1):
            if other.due <= one.due:
                yield (
                    (*where, index, "due"),
                    "not_in_order",
                    f"is {other.due}, which is not after {one.due} of the installment before",
                )
