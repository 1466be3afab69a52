"""Days that add up to what their cycle used (US-5): a carrier's figure of a cycle says more than the days reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from app.domain.calendar.days import ONE_DAY


def fitted(days: Sequence[int], used: int) -> tuple[int, ...]:
    """The bytes of a cycle's days so that they add up to `used`, the cycle's own figure.

    Where the days explain at least half of it, all are scaled: the meters differ by headers. Else the rest is spread
    evenly: nobody told on which days it was used. Too much is scaled down.
    """
    total = sum(days)
    if not days or total == used:
        return tuple(days)
    if 2 * total >= used:
        return tuple(amount * used // total for amount in days)
    more = (used - total) // len(days)
    return tuple(amount + more for amount in days)


def between(amounts: Mapping[date, int], first: date, last: date) -> tuple[int, ...]:
    """The bytes of each day from `first` through `last`; a day that is not named had none."""
    count = (last - first).days + 1
    return tuple(amounts.get(first + number * ONE_DAY, 0) for number in range(max(0, count)))
