"""What is asked of a report before it is looked up: is it in time, and may its id have been used before?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from app.db.usage import ingest as rows
from app.usecases.usage.ingest.cycle_index import CALENDAR_MASK, DayTable
from app.usecases.usage.ingest.reports import Rejected

Identity = tuple[int, str]
"""(gateway, report id)."""


def keys_of(tables: Sequence[DayTable], cards: Sequence[int], seconds: Sequence[float]) -> list[int]:
    """The key of each report in its card's calendar."""
    if len(tables) == 1:
        keys, starts = tables[0].keys, tables[0].starts
        return [keys[bisect_right(starts, second)] for second in seconds]
    return [tables[card & CALENDAR_MASK].key(second) for card, second in zip(cards, seconds, strict=True)]


def rejected_instant(index: int, *, too_old: bool) -> Rejected:
    """Why a report's instant does not count."""
    if too_old:
        return Rejected(index=index, code="AT_TOO_OLD", detail="at lies before the six cycles that are kept")
    return Rejected(index=index, code="AT_TOO_FAR_AHEAD", detail="at lies more than 10 minutes ahead")


NOTHING_USED = ((1 << 30, ""), (-1, ""))


def bounds_of(mark: rows.WaterMarks) -> tuple[tuple[int, str], tuple[int, str]]:
    """A gateway's marks in their order: by length, then text."""
    if mark.lowest is None or mark.highest is None:
        return NOTHING_USED
    return (len(mark.lowest), mark.lowest), (len(mark.highest), mark.highest)


def possible_duplicates(identities: Iterable[Identity], marks: Mapping[int, rows.WaterMarks]) -> list[Identity]:
    """Those whose id lies between the ids its gateway has used: they may have been seen before, the others not."""
    bounds = {gateway: bounds_of(mark) for gateway, mark in marks.items()}
    found = []
    for identity in identities:
        gateway, report_id = identity
        low, high = bounds[gateway]
        if low <= (len(report_id), report_id) <= high:
            found.append(identity)
    return found
