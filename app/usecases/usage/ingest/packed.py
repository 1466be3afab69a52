"""The integers into which usage ingest packs what it knows of a report, and their layout.

A batch handles thousands of reports, so a SIM with its calendar, a billing cycle, and a counter are one integer each:
compared, hashed and sorted at no cost. All shifts and masks are in this module. Bit 0 is the lowest.

==============  =====================================================================================
`SimKey`        bits 0-7: number of the SIM's calendar (`SimLookupCache`), bits 8-46: SIM row id
`CycleKey`      bits 0-19: billing cycle as yyyymm, bit 59: set where the cycle is running
`CounterKey`    bits 0-19: the cycle, bits 20-58: SIM row id, bit 59: the cycle is running
==============  =====================================================================================

So counter keys sort as counters are locked: closed cycles first, then by SIM, then by cycle. All fit into the two
30-bit digits of a CPython integer. `sim_key` and `counter_key` run for every report, so they leave out the call of the
`NewType`, which would double their cost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NewType

SimKey = NewType("SimKey", int)
CycleKey = NewType("CycleKey", int)
CounterKey = NewType("CounterKey", int)

_CALENDAR_BITS = 8
_CALENDAR_MASK = (1 << _CALENDAR_BITS) - 1
_CYCLE_BITS = 20
_CYCLE_MASK = (1 << _CYCLE_BITS) - 1
_RUNNING = 1 << 59
_SIM_MASK = (_RUNNING >> _CYCLE_BITS) - 1

TOO_OLD = CycleKey(0)
"""The `CycleKey` of an instant before the cycles that are kept."""


def sim_key(sim_id: int, calendar: int) -> SimKey:
    """A SIM's row id (below 2 to the power of 39) and its calendar's number (below 256)."""
    return sim_id << _CALENDAR_BITS | calendar  # type: ignore[return-value]


def sim_id_of(sim: SimKey) -> int:
    """The SIM's row id."""
    return sim >> _CALENDAR_BITS


def calendar_of(sim: SimKey) -> int:
    """The number of the SIM's calendar."""
    return sim & _CALENDAR_MASK


def cycle_key(cycle: int, *, running: bool) -> CycleKey:
    """A billing cycle (yyyymm), running (or not open yet) or closed."""
    return CycleKey(cycle | _RUNNING if running else cycle)


def cycle_of(key: CycleKey | CounterKey) -> int:
    """The cycle as yyyymm."""
    return key & _CYCLE_MASK


def is_closed(key: CycleKey | CounterKey) -> bool:
    """Whether the cycle is closed."""
    return not key & _RUNNING


def counter_key(sim: SimKey, cycle: CycleKey) -> CounterKey:
    """The counter that a SIM's reports of a cycle are added to."""
    return sim >> _CALENDAR_BITS << _CYCLE_BITS | cycle  # type: ignore[return-value]


def columns_of(keys: Sequence[CounterKey]) -> tuple[list[int], list[int]]:
    """The SIM row ids and the cycles (as yyyymm) of the counters, by column."""
    return [key >> _CYCLE_BITS & _SIM_MASK for key in keys], [key & _CYCLE_MASK for key in keys]


def closed_count(keys: Sequence[CounterKey]) -> int:
    """How many of the keys, which are sorted, are of closed cycles: they are the first."""
    return bisect_left(keys, _RUNNING)
