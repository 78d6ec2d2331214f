"""How the heads of a fee schedule are shared out over its installments, to the cent."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate


def allot(heads: Sequence[Decimal], installments: Sequence[Decimal], unit: Decimal) -> list[list[Decimal]]:
    """Share ``heads`` out over ``installments`` in proportion, so that rows and columns both add up exactly.

    Cumulative sums are rounded, not shares: what one cell rounds up the next one rounds down (controlled rounding,
    Cox 1987, "A Constructive Procedure for Unbiased Controlled Rounding").

    :param heads: amounts that add up to the same as ``installments``; discounts are negative
    :param unit: the smallest coin, of which every amount is a multiple
    :return: for each installment, its part of each head
    :raises ValueError: if the two do not add up to the same, or to nothing
    """
    total = sum(installments, Decimal())
    if sum(heads, Decimal()) != total or not total:
        raise ValueError("heads and installments must add up to the same amount, and not to zero")
    head_sums = list(accumulate(heads))
    above = [Decimal()] * len(heads)
    rows = []
    for installment_sum in accumulate(installments):
        sums = [_round(installment_sum * head_sum / total, unit) for head_sum in head_sums]
        in_row = [one - other for one, other in zip(sums, above, strict=True)]
        rows.append([part - before for part, before in zip(in_row, [Decimal(), *in_row], strict=False)])
        above = sums
    return rows


def _round(amount: Decimal, unit: Decimal) -> Decimal:
    return (amount / unit).to_integral_value(ROUND_HALF_UP) * unit
