"""Periods of days, from their start until the day before their end. Values in, values out: no database."""

from collections.abc import Hashable, Iterable
from datetime import date
from typing import NamedTuple


class Period(NamedTuple):
    """``end`` is the first day that does not belong to it any more, or None where it goes on."""

    owner: Hashable
    start: date
    end: date | None = None

    def covers(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)


def overlapping(periods: Iterable[Period]) -> dict[int, int]:
    """The periods that share a day with another one of their owner: position -> position of such another one."""
    result: dict[int, int] = {}
    longest: dict[Hashable, tuple[int, Period]] = {}
    for position, period in sorted(enumerate(periods), key=lambda entry: (entry[1].start, entry[0])):
        before = longest.get(period.owner)
        if before and before[1].covers(period.start):
            result[position] = before[0]
            result.setdefault(before[0], position)
        if before is None or before[1].end is not None and (period.end is None or period.end > before[1].end):
            longest[period.owner] = position, period
    return result
