"""The integers into which usage ingest packs what it knows of a report, and their layout.

A batch handles thousands of reports, so a SIM with its calendar, a billing cycle, and a counter are one integer each:
compared, hashed and sorted at no cost. All shifts and masks are in this module. Bit 0 is the lowest.

==============  =====================================================================================
`SimKey`        bits 0-7: number of the SIM's calendar (`SimLookupCache`), bits 8 and up: SIM row id
`CycleKey`      bits 0-19: billing cycle as yyyymm, bit 20: set where the cycle is closed
`CounterKey`    bits 0-20: a `CycleKey`, bits 21 and up: SIM row id; sorts by SIM, then by cycle
==============  =====================================================================================
"""

from __future__ import annotations

from typing import NewType

SimKey = NewType("SimKey", int)
CycleKey = NewType("CycleKey", int)
CounterKey = NewType("CounterKey", int)

CALENDAR_BITS = 8
MAX_CALENDARS = 1 << CALENDAR_BITS
_CALENDAR_MASK = MAX_CALENDARS - 1

_CYCLE_BITS = 20
_CYCLE_MASK = (1 << _CYCLE_BITS) - 1
_CLOSED = 1 << _CYCLE_BITS
_CYCLE_KEY_BITS = _CYCLE_BITS + 1

TOO_OLD = CycleKey(0)
"""The `CycleKey` of an instant before the cycles that are kept."""


def sim_key(sim_id: int, calendar: int) -> SimKey:
    """A SIM's row id and its calendar's number (below `MAX_CALENDARS`)."""
    return SimKey(sim_id << CALENDAR_BITS | calendar)


def sim_id_of(sim: SimKey) -> int:
    """The SIM's row id."""
    return sim >> CALENDAR_BITS


def calendar_of(sim: SimKey) -> int:
    """The number of the SIM's calendar."""
    return sim & _CALENDAR_MASK


def cycle_key(cycle: int, *, closed: bool) -> CycleKey:
    """A billing cycle (yyyymm) and whether it is closed."""
    return CycleKey(cycle | _CLOSED if closed else cycle)


def counter_key(sim: SimKey, cycle: CycleKey) -> CounterKey:
    """The counter that a SIM's reports of a cycle are added to."""
    return CounterKey(sim >> CALENDAR_BITS << _CYCLE_KEY_BITS | cycle)


def is_closed(key: CycleKey | CounterKey) -> bool:
    """Whether the cycle is closed."""
    return bool(key & _CLOSED)


def counter_of(key: CounterKey) -> tuple[int, int]:
    """The counter's SIM row id and cycle (yyyymm)."""
    return key >> _CYCLE_KEY_BITS, key & _CYCLE_MASK


def cycle_of(key: CycleKey | CounterKey) -> int:
    """The cycle as yyyymm."""
    return key & _CYCLE_MASK
