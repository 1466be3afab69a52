"""What a SIM's or a pool's whole days say of the days to come: level, weekdays, changes of level, decline, silence.

Integers alone: bytes, days and thousandths. Every number of a `Habit` is one that a person can check against the days:

- **Days that are no habit** are lowered. A day above `OUTLIER` times the third largest of the window (below four weeks:
  the second largest) counts as the largest one that is not: a firmware download is no habit, a burst that came three
  times is one.
- **Weekdays** have factors, drawn towards 1 by as much as days of the same weekday differ among themselves: traffic
  without a pattern gets none.
- **The level** is the mean day since the clearest change of level; where none is clear, of all days.
- **A decline** is where, after a change, the later half of the days is clearly below the earlier half: it goes on by
  the same ratio. A **trend** is where eight weeks are in order: it goes on by the median of their differences.
- **A silence** more than twice as long as any before it is an end: nothing more is expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.domain.usage.forecast import measures
from app.domain.usage.forecast.measures import THOUSAND, WEEK, WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How a SIM's days go on.

    `level`: bytes of a mean day; `weekdays`: thousandths of it from Monday to Sunday; `memory`: the last days that it
    is the mean of; `spread`: the standard deviation of a day around it, in bytes; `keeps`: thousandths of its level
    that a day keeps on the next (1000: no decline); `trend`: bytes by which a day changes on the next; `silent`: the
    days of the silence that counts as an end (0: none); `lowered`: days that are no habit; `days`: all days looked at.
    """

    level: int
    weekdays: tuple[int, ...]
    memory: int
    spread: int
    keeps: int
    trend: int
    silent: int
    lowered: tuple[date, ...]
    days: int

    @property
    def has_pattern(self) -> bool:
        """Whether its weekdays differ by more than a tenth."""
        return max(self.weekdays) - min(self.weekdays) > THOUSAND // 10

    @property
    def is_changing(self) -> bool:
        """Whether it changed within a week, or is in a decline or on a trend."""
        return self.keeps < THOUSAND or self.trend != 0 or self.memory < min(WEEK, self.days)

    def on(self, day: date, number: int) -> int:
        """Bytes expected on a day; `number`: which one it is after the last one looked at, from 1 on."""
        if self.silent:
            return 0
        level = max(0, self.level + self.trend * number)
        if self.keeps < THOUSAND:  # the level is that of the middle of the days it is the mean of
            for _ in range(number + self.memory // 2):
                level = level * self.keeps // THOUSAND
        return level * self.weekdays[day.weekday()] // THOUSAND


def habit_of(days: Sequence[int], last: date) -> Habit:
    """The habit in these bytes of whole days, oldest first, `last` being the date of the last one.

    Without any day, and after nothing but silent ones, nothing is expected.
    """
    seen = tuple(days[-WINDOW:])
    dates = [last - timedelta(days=ago) for ago in reversed(range(len(seen)))]
    limit = measures.habitual_limit(seen)
    usual = [min(amount, limit) for amount in seen]
    weekdays = measures.weekday_factors(usual, dates)
    factors = [weekdays[day.weekday()] for day in dates]
    line = measures.trend(usual, factors)
    since = len(usual) if line else measures.since_change(usual, factors)
    keeps = measures.decline(usual[-since:]) if since < len(usual) else THOUSAND
    memory = since // 2 if keeps < THOUSAND else since
    mean = measures.level(usual[-memory:], factors[-memory:])
    return Habit(
        level=max(0, mean + line * (memory // 2)),
        weekdays=weekdays,
        memory=memory,
        spread=measures.spread(usual[-since:], factors[-since:], mean),
        keeps=keeps,
        trend=line,
        silent=measures.silence(usual),
        lowered=tuple(day for day, amount in zip(dates, seen, strict=True) if amount > limit),
        days=len(seen),
    )
