"""Forecasts of a cycle against what then happened, on generated traffic, beside naive linear (`make bench-forecast`).

Of each shape of traffic, SIMs with three months of days; the cycle is forecast when 5, 10, 15, 20 and 25 of its 30 days
are over. Naive linear lets the cycle go on at the mean of its days so far. Seeds are fixed: every run prints the same.

    python -m bench.forecast [--sims 100]

`error` is the median of |forecast - actual| / actual, `weighed` the sum of |forecast - actual| over the sum of actual,
`within` how often the actual bytes lay in the band, which is made for 80 %. Fails where a shape is worse than naive by
more than a twentieth: of a SIM without earlier days (`new`) nothing better than its mean is known.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from app.domain.units import MB
from app.domain.usage.forecast.outlook import History, Outlook, outlook

FIRST, START, END = date(2026, 8, 1), date(2026, 11, 1), date(2026, 12, 1)
BEFORE, WHOLE = (START - FIRST).days, (END - START).days
ELAPSED = (5, 10, 15, 20, 25)
SIMS = 400
WEEKEND = 5

Days = list[int]
Shape = Callable[[random.Random, int], Days]


def steady(chance: random.Random, elapsed: int) -> Days:
    """A level of its own, a fifth more or less each day."""
    level = chance.lognormvariate(2, 1) * MB
    return [max(0, int(level * chance.gauss(1, 0.2))) for _ in range(BEFORE + WHOLE)]


def weekly(chance: random.Random, elapsed: int) -> Days:
    """Little or nothing at weekends."""
    weekend = chance.choice([0.02, 0.1, 0.3])
    days = enumerate(steady(chance, elapsed))
    return [int(day * weekend) if (FIRST + timedelta(number)).weekday() >= WEEKEND else day for number, day in days]


def bursty(chance: random.Random, elapsed: int) -> Days:
    """Almost nothing, and every fourth to eighth day, by chance, a burst of any size."""
    level, often = chance.lognormvariate(2, 1) * MB, chance.choice([1 / 4, 1 / 6, 1 / 8])
    burst = lambda: int(level / often * chance.lognormvariate(-0.18, 0.6))  # noqa: E731 - one of two kinds of day
    return [burst() if chance.random() < often else int(level * 0.01) for _ in range(BEFORE + WHOLE)]


def firmware(chance: random.Random, elapsed: int) -> Days:
    """Steady, but for one day of this cycle with fifteen to sixty days' traffic."""
    days = steady(chance, elapsed)
    days[BEFORE + chance.randrange(elapsed)] += sum(days) // len(days) * chance.randint(15, 60)
    return days


def dying(chance: random.Random, elapsed: int) -> Days:
    """Steady until a day of this cycle; from then on nothing, or half as much every two to six days."""
    days, begins = steady(chance, elapsed), BEFORE + chance.randrange(1, elapsed)
    if chance.random() < 0.5:
        return days[:begins] + [0] * (len(days) - begins)
    half = chance.uniform(1.5, 6)
    return [int(day * 0.5 ** (max(0, number - begins) / half)) for number, day in enumerate(days)]


def changed(chance: random.Random, elapsed: int) -> Days:
    """Steady on another level since a day of the last weeks: a third, a half, twice or three times as much."""
    since, times = BEFORE + chance.randrange(-20, elapsed), chance.choice([1 / 3, 1 / 2, 2, 3])
    return [int(day * (times if number >= since else 1)) for number, day in enumerate(steady(chance, elapsed))]


def growing(chance: random.Random, elapsed: int) -> Days:
    """Twice to four times as much after four months."""
    growth, days = chance.uniform(1, 3), steady(chance, elapsed)
    return [int(day * (1 + growth * number / len(days))) for number, day in enumerate(days)]


def new(chance: random.Random, elapsed: int) -> Days:
    """Steady, and activated with the cycle: no day before it."""
    return [0] * BEFORE + steady(chance, elapsed)[BEFORE:]


SHAPES: tuple[Shape, ...] = (steady, weekly, bursty, firmware, dying, changed, growing, new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One forecast: what it said, what naive linear said, and what happened, in bytes."""

    found: Outlook
    naive: int
    actual: int


def cases(shape: Shape, sims: int = SIMS) -> Iterator[Case]:
    for number in range(sims):
        for elapsed in ELAPSED:
            days = shape(random.Random(f"{shape.__name__} {number} {elapsed}"), elapsed)
            today, used = START + timedelta(elapsed), sum(days[BEFORE : BEFORE + elapsed])
            known = days[BEFORE if shape is new else 0 : BEFORE + elapsed]
            history = History(
                days=tuple(known),
                last=today - timedelta(1),
                day=today,
                ahead=1000,
                used=used,
                so_far=tuple(days[BEFORE : BEFORE + elapsed]),
                start=START,
                end=END,
            )
            yield Case(found=outlook(history), naive=used * WHOLE // elapsed, actual=sum(days[BEFORE:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors of one shape in tenths of a percent, and how often the band held, in percent."""

    error: int
    naive_error: int
    weighed: int
    naive_weighed: int
    within: int

    @property
    def is_worse(self) -> bool:
        """Whether naive linear is better by more than a twentieth."""
        return self.error * 20 > self.naive_error * 21 or self.weighed * 20 > self.naive_weighed * 21


def score(shape: Shape, sims: int = SIMS) -> Score:
    found = list(cases(shape, sims))
    actual = sum(case.actual for case in found)
    return Score(
        error=round(median(abs(case.found.expected - case.actual) * 1000 / case.actual for case in found)),
        naive_error=round(median(abs(case.naive - case.actual) * 1000 / case.actual for case in found)),
        weighed=sum(abs(case.found.expected - case.actual) for case in found) * 1000 // actual,
        naive_weighed=sum(abs(case.naive - case.actual) for case in found) * 1000 // actual,
        within=sum(case.found.low <= case.actual <= case.found.high for case in found) * 100 // len(found),
    )


def table(scores: dict[str, Score]) -> str:
    head = "| traffic | error | naive | weighed | naive | within the band |\n|---|---|---|---|---|---|"
    rows = [
        f"| {name} | {one.error / 10:.1f} % | {one.naive_error / 10:.1f} % | {one.weighed / 10:.1f} % "
        f"| {one.naive_weighed / 10:.1f} % | {one.within} % |"
        for name, one in scores.items()
    ]
    return "\n".join([head, *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sims", type=int, default=SIMS)
    scores = {shape.__name__: score(shape, parser.parse_args().sims) for shape in SHAPES}
    print(table(scores))
    worse = [name for name, one in scores.items() if one.is_worse]
    print(f"worse than naive: {', '.join(worse) or 'none'}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
