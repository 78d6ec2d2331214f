"""How a figure is taken: contestants in turn, so that the mood of the machine meets all of them alike."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

#: What was done, and the seconds it took.
Timing = tuple[int, float]


@dataclass(frozen=True)
class Check:
    """One figure of ours beside one of another's.

    ``ratio`` is ours by theirs, in ``unit``; None where only our own figure counts. ``target`` bounds the ratio, or our
    own figure, from below, or from above (``at_most``); None where the comparison is there to be known.
    """

    work: str
    unit: str
    ours: float
    against: str
    theirs: float | None
    ratio: float | None
    target: float | None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        if self.target is None:
            return None
        figure = self.ours if self.ratio is None else self.ratio
        return figure <= self.target if self.at_most else figure >= self.target


def timed(work: Callable[[], object], count: int = 1) -> Timing:
    started = time.perf_counter()
    work()
    return count, time.perf_counter() - started


class Race:
    """Contestants that run in turn, round by round, in another order each time; the first round warms up.

    A rate is the median over the rounds. A ratio is the median of the ratios of each round, whose two sides ran within
    seconds of each other.
    """

    def __init__(self, rounds: int, **contestants: Callable[[], Timing]):
        self._rates: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(rounds + 1):
            names = list(contestants)
            # Who runs first, runs last the next time.
            for name in names if number % 2 else reversed(names):
                progress(f"round {number} of {rounds}: {name.replace('_', ' ')}" if number else f"warming up: {name}")
                count, seconds = contestants[name]()
                if number:
                    self._rates[name].append(count / seconds)

    def rate(self, name: str) -> float:
        """Records a second."""
        return median(self._rates[name])

    def ratio(self, ours: str, theirs: str) -> float:
        return median(one / other for one, other in zip(self._rates[ours], self._rates[theirs], strict=True))

    def check(self, work, against, ours, theirs, target=None, unit="records/s") -> Check:
        """At least ``target`` times as many records a second as ``theirs``."""
        ratio = self.ratio(ours, theirs)
        return Check(work, unit, self.rate(ours), against, self.rate(theirs), ratio, target)

    def check_cost(self, work, against, ours, theirs, at_most, records=1) -> Check:
        """At most ``at_most`` times the time of ``theirs``; in milliseconds for so many ``records``."""
        cost = {name: 1000 * records / self.rate(name) for name in (ours, theirs)}
        ratio = self.ratio(theirs, ours)
        return Check(work, "ms", cost[ours], against, cost[theirs], ratio, at_most, at_most=True)


def progress(text: str) -> None:
    """Say what is being done, on one line where somebody is watching."""
    live = sys.stderr.isatty()
    print(f"\r\033[K  {text}" if live else f"  {text}", end="" if live else "\n", file=sys.stderr, flush=True)
