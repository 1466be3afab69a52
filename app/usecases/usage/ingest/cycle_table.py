"""The billing cycle of an instant, by table: one bisection per report.

A calendar is a carrier's cycles (BC-1, BC-2) in an account's zone. A table holds the starts of the cycles that are kept
(six, US-1, or as few as are set) and of the next one, in which a report may lie that is dated up to `MAX_AHEAD` ahead
of the clock. It is valid for one day of the zone.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, tzinfo

from app.domain.calendar.cycles import CYCLES_KEPT, cycle_at, cycle_number, following, oldest_cycle, start_instant
from app.domain.vocabulary import Carrier
from app.usecases.usage.ingest.packed import TOO_OLD, CycleKey, cycle_key


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleTable:
    """`starts`: epoch seconds at which each cycle opens; `keys[n]`: the cycle of an instant after n of these starts.

    `keys` has one element more than `starts`; its first is `TOO_OLD`.
    """

    starts: list[float]
    keys: list[CycleKey]

    def key(self, second: float) -> CycleKey:
        """The cycle of an instant in epoch seconds, or `TOO_OLD`."""
        return self.keys[bisect_right(self.starts, second)]


def cycle_table(carrier: Carrier, zone: tzinfo, now: datetime, kept: int = CYCLES_KEPT) -> CycleTable:
    """The table of a calendar as it is on the day of `now`; `kept`: of how many cycles reports are taken."""
    running = cycle_at(carrier, now, zone)
    cycle = oldest_cycle(carrier, now, zone, kept)
    starts, keys = [start_instant(cycle, zone).timestamp()], [TOO_OLD]
    while cycle.start <= running.start:
        keys.append(cycle_key(cycle_number(cycle), running=cycle == running))
        cycle = following(carrier, cycle)
        starts.append(start_instant(cycle, zone).timestamp())
    keys.append(cycle_key(cycle_number(cycle), running=True))
    return CycleTable(starts=starts, keys=keys)


def oldest_instant(carrier: Carrier, zone: tzinfo, now: datetime, kept: int = CYCLES_KEPT) -> datetime:
    """The first instant for which a report is still accepted."""
    return start_instant(oldest_cycle(carrier, now, zone, kept), zone)
