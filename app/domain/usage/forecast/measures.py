"""The measures that a habit is made of (`app.domain.usage.forecast.habit`): robust statistics of bytes, in integers.

`days` are bytes by day, oldest first; `factors` the thousandths of a mean day that each day's weekday counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from math import isqrt

WEEK, WINDOW = 7, 56
"""Days of a week, and days that are looked at: eight of each weekday."""

THOUSAND = 1_000

OUTLIER = 3
"""A day above this many times the third largest (of fewer than `FOUR_WEEKS`: the second largest) is no habit."""

FEW_DAYS, FOUR_WEEKS = 4, 28

CHANGE_T_SQUARED = 25
"""The square of Student's t that a change of level must exceed to be clear."""

LEAST_WEEKDAY_FACTOR = 100
"""Thousandths that a weekday counts at least where levels are compared: one almost without traffic shows none."""

DECLINED_BELOW, DECLINED_BELOW_FEW = 750, 600
"""Below so many thousandths of the earlier half the later half is a decline; the second: of halves below `FEW_DAYS`."""

LEAST_PAIRS_IN_ORDER = 22
"""Pairs of weeks, of 28, that must rise, or fall, to be a trend."""

SHORTEST_SILENCE = 3
"""Days that a silence must have to be an end, unless all days are silent."""

SILENT_BELOW_FRACTION = 50
"""A day of at most one fiftieth of the mean day is silent."""


def habitual_limit(days: Sequence[int]) -> int:
    """The bytes beyond which a day is no habit, and as which such a day counts."""
    if len(days) < FEW_DAYS:
        return max(days, default=0)
    largest = sorted(days, reverse=True)[: 2 if len(days) < FOUR_WEEKS else 3]
    return next(amount for amount in largest if amount <= OUTLIER * largest[-1])


def weekday_factors(days: Sequence[int], dates: Sequence[date]) -> tuple[int, ...]:
    """Thousandths of the mean day from Monday to Sunday, drawn to 1000 by the share of chance in them (1 - 1/F)."""
    flat = (THOUSAND,) * WEEK
    mean = sum(days) // max(1, len(days))
    if len(days) < 2 * WEEK or mean == 0:
        return flat
    groups: list[list[int]] = [[] for _ in range(WEEK)]
    for day, amount in zip(dates, days, strict=True):
        groups[day.weekday()].append(amount)
    means = [sum(group) // len(group) for group in groups]
    between = sum(len(group) * (own - mean) ** 2 for group, own in zip(groups, means, strict=True)) // (WEEK - 1)
    inside = sum((amount - own) ** 2 for group, own in zip(groups, means, strict=True) for amount in group)
    within = inside // max(1, len(days) - WEEK)
    if between <= within:
        return flat
    strength = THOUSAND - THOUSAND * within // between
    raw = [THOUSAND + (own - mean) * strength // mean for own in means]
    return tuple(max(0, factor) * WEEK * THOUSAND // max(1, sum(raw)) for factor in raw)


def level(days: Sequence[int], factors: Sequence[int]) -> int:
    """Bytes of a mean day: what was used, over the share of the weekdays it was used on."""
    share = sum(factors)
    return sum(days) * THOUSAND // share if share else 0


def spread(days: Sequence[int], factors: Sequence[int], mean: int) -> int:
    """The standard deviation of a day, in bytes, from what the mean day and its weekday say."""
    return isqrt(_missed(days, factors, [mean] * len(days)) // max(1, len(days) - 1))


def since_change(days: Sequence[int], factors: Sequence[int]) -> int:
    """How many of the last days lie after the clearest change of level; all of them where none is clear.

    Two means differ clearly where they are five times as far apart as chance explains (the square of Student's t).
    """
    plain = [
        amount * THOUSAND // max(factor, LEAST_WEEKDAY_FACTOR) for amount, factor in zip(days, factors, strict=True)
    ]
    count, total, squares = len(plain), sum(plain), sum(amount**2 for amount in plain)
    clearest, since, after = CHANGE_T_SQUARED, count, 0
    for recent in range(1, count - FEW_DAYS + 1):
        after += plain[-recent]
        before, older = total - after, count - recent
        inside = max(1, squares - after**2 // recent - before**2 // older)
        apart = (after * older - before * recent) ** 2 // (count * recent * older)
        if recent > 1 and apart * (count - 2) > clearest * inside:
            clearest, since = apart * (count - 2) // inside, recent
    return since


def decline(days: Sequence[int]) -> int:
    """Thousandths of its level that a day keeps on the next, by the two halves of the days; 1000: no decline."""
    half = len(days) // 2
    if half < 2:  # noqa: PLR2004 - one day against another is chance
        return THOUSAND
    before, now = sum(days[-2 * half : -half]), sum(days[-half:])
    if now * THOUSAND >= before * (DECLINED_BELOW if half >= FEW_DAYS else DECLINED_BELOW_FEW):
        return THOUSAND
    keeps = THOUSAND - 1
    while keeps and keeps**half * before > now * THOUSAND**half:
        keeps -= 1
    return keeps


def trend(days: Sequence[int], factors: Sequence[int]) -> int:
    """Bytes by which a day changes on the next; 0 where the weeks of a whole window show no trend.

    Weeks are in order by Kendall's pairs; the slope is the median of the pairs' slopes (Theil and Sen), so that no
    single week makes a trend. A change of level that explains the days better is no trend.
    """
    if len(days) < WINDOW:
        return 0
    weeks = [sum(days[start : start + WEEK]) for start in range(0, WINDOW, WEEK)]
    pairs = [(weeks[j] - weeks[i], j - i) for i in range(len(weeks)) for j in range(i + 1, len(weeks))]
    if max(sum(more > 0 for more, _ in pairs), sum(more < 0 for more, _ in pairs)) < LEAST_PAIRS_IN_ORDER:
        return 0
    slopes = sorted(more // apart for more, apart in pairs)
    slope = slopes[len(slopes) // 2] // WEEK**2
    mean, middle = level(days, factors), len(days) // 2
    line = [mean + slope * (number - middle) for number in range(len(days))]
    steps = list(_two_levels(days, factors, since_change(days, factors)))
    return 0 if _missed(days, factors, line) > _missed(days, factors, steps) else slope


def _two_levels(days: Sequence[int], factors: Sequence[int], recent: int) -> Iterator[int]:
    """The level of each day where it changed once, before the last `recent` days."""
    cut = len(days) - recent
    for part in (slice(0, cut), slice(cut, None)):
        yield from [level(days[part], factors[part])] * len(days[part])


def _missed(days: Sequence[int], factors: Sequence[int], levels: Sequence[int]) -> int:
    """The sum of squares by which these levels of a mean day miss the days."""
    rows = zip(days, factors, levels, strict=True)
    return sum((amount - expected * factor // THOUSAND) ** 2 for amount, factor, expected in rows)


def silence(days: Sequence[int]) -> int:
    """How many days at the end are silent in a row; 0 where they are no end.

    An end: all days, or at least `SHORTEST_SILENCE` and more than twice as many as were ever silent in a row before.
    """
    total, longest, run = sum(days), 0, 0
    for amount in days:
        if amount * len(days) * SILENT_BELOW_FRACTION > total:
            longest, run = max(longest, run), 0
        else:
            run += 1
    if run == len(days):
        return run
    return run if run >= SHORTEST_SILENCE and run > 2 * longest else 0
