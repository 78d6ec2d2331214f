from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests.common import BaseCase, tagged

from ..sync.allot import allot

CENT = Decimal("0.01")
cents = st.integers(min_value=1, max_value=10**9).map(lambda number: number * CENT)


@st.composite
def schedules(draw):
    """Heads, a discount among them or not, and installments that add up to the same."""
    heads = draw(st.lists(cents, min_size=1, max_size=8))
    if draw(st.booleans()):
        heads.append(-sum(heads) / 10 // CENT * CENT)
    total = sum(heads)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, int(total / CENT) - 1)), max_size=6)))
    sums = [cut * CENT for cut in cuts if cut * CENT < total] + [total]
    return heads, [after - before for before, after in zip([Decimal(), *sums], sums, strict=False)]


@tagged("post_install", "-at_install")
class TestAllot(BaseCase):
    @given(schedules())
    def test_rows_and_columns_add_up_to_the_cent(self, schedule):
        heads, installments = schedule
        rows = allot(heads, installments, CENT)
        self.assertEqual([sum(row) for row in rows], installments)
        self.assertEqual([sum(column) for column in zip(*rows, strict=True)], heads)

    @given(schedules())
    def test_every_part_is_near_its_share(self, schedule):
        heads, installments = schedule
        total = sum(heads)
        for installment, row in zip(installments, allot(heads, installments, CENT), strict=True):
            for head, part in zip(heads, row, strict=True):
                self.assertLessEqual(abs(part - head * installment / total), 2 * CENT)

    def test_sums_that_differ_are_refused(self):
        with self.assertRaises(ValueError):
            allot([Decimal(10)], [Decimal(9)], CENT)
