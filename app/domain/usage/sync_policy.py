"""Which SIMs a usage pull queries, and when a closed cycle's final figure is pulled (US-2, US-5, ST-21)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType

from app.domain.calendar.cycles import Cycle
from app.domain.sim.model import Sim
from app.domain.sim.snapshot import STOPPED_STATES
from app.domain.vocabulary import HoldSource, ProtocolName, SimState

CLOSING_DAYS = 3
"""Days by which carriers' data lag at a cycle's start (ST-21); traffic from before a stop may arrive as late (D)."""

DAILY_FIGURES_IN_BATCHES = frozenset({ProtocolName.ONELINK, ProtocolName.GSL, ProtocolName.CTWING})
"""Protocols that return one day's usage of 100 SIMs in one call; elsewhere daily figures cost a call per SIM."""

CURRENT_FIGURES_IN_BATCHES = frozenset({ProtocolName.UNICOM_CMP, ProtocolName.CTWING})
"""Protocols that return the month to date of 50 or 100 SIMs in one call, as of now.

OneLink and GSL have such a call too, but its figures end with yesterday.
"""

CLOSING_PULL_FROM_DAY: Mapping[ProtocolName, int] = MappingProxyType(
    {
        ProtocolName.JASPER: CLOSING_DAYS,
        ProtocolName.UNICOM_CMP: CLOSING_DAYS,
        ProtocolName.CTCC_CMP: CLOSING_DAYS,
        ProtocolName.CTWING: CLOSING_DAYS,
    }
)
"""The day of the new cycle from which the closed cycle is pulled; protocols not listed: from day 1.

These need one call per SIM for a closed cycle (Telecom: the days of a month as one span, B1.5, B2.2), so they are
queried once, when the data is expected to be complete. The others take it in batches and are queried every day.
"""

MAY_CARRY_TRAFFIC = frozenset({SimState.TESTING, SimState.ACTIVE, SimState.EXPIRED})
"""Underlying states in which a SIM can carry traffic; an expired one until the carrier has stopped it."""


def stopped_since(sim: Sim, carrier_state: SimState | None) -> datetime | None:
    """The instant since when a SIM can have carried no traffic; None where it may be carrying some.

    `carrier_state`: what the carrier reports, None where that is older than our last change there. A hold of ours or of
    an import counts only once the carrier reports a stopped state; a hold set by the carrier counts by itself, also
    under a state that reads active (ST-22).
    """
    theirs = tuple(hold for hold in sim.holds if hold.source is HoldSource.CARRIER)
    effective = sim.holds if carrier_state in STOPPED_STATES else theirs
    return min((hold.since for hold in effective), default=None)


def may_have_used(sim: Sim, carrier_state: SimState | None, now: datetime) -> bool:
    """Whether a usage pull queries this SIM: not once it has been stopped for longer than carriers' data lag."""
    stopped = stopped_since(sim, carrier_state)
    recent = stopped is None or now - stopped < timedelta(days=CLOSING_DAYS)
    return sim.underlying in MAY_CARRY_TRAFFIC and recent


def may_have_used_since(sim: Sim, carrier_state: SimState | None, opens: datetime) -> bool:
    """Whether a SIM may have carried traffic in the cycle that opened at `opens`."""
    stopped = stopped_since(sim, carrier_state)
    return stopped is None or stopped >= opens


def day_of_cycle(cycle: Cycle, today: date) -> int:
    """The ordinal of a day in its cycle: 1 on the cycle's first day."""
    return (today - cycle.start).days + 1


def closing_pull_due(protocol: ProtocolName, day: int) -> bool:
    """Whether the previous cycle is pulled on this day (1 = first) of the running cycle."""
    return day >= CLOSING_PULL_FROM_DAY.get(protocol, 1)


def closing_pull_repeats(protocol: ProtocolName, day: int) -> bool:
    """Whether SIMs whose final figure is already held are pulled again: batch protocols, while data lag."""
    return protocol not in CLOSING_PULL_FROM_DAY and day <= CLOSING_DAYS
