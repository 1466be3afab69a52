"""Whom the pull asks about, and when a closed cycle's last figure is asked for (US-2, US-5, ST-21)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType

from app.domain.calendar.cycles import Cycle
from app.domain.sim.holds import is_ours
from app.domain.sim.model import Sim
from app.domain.vocabulary import ProtocolName, SimState

CLOSING_DAYS = 3
"""Carriers' data lag about so many days at a cycle's start (ST-21); traffic of before a stop may come as late (D)."""

DAILY_FIGURES_IN_BATCHES = frozenset({ProtocolName.ONELINK, ProtocolName.GSL, ProtocolName.CTWING})
"""Where a day of a hundred cards is one call; elsewhere the daily figures would eat the budget."""

CURRENT_FIGURES_IN_BATCHES = frozenset({ProtocolName.UNICOM_CMP, ProtocolName.CTWING})
"""Where the month to date of 50 or 100 cards is one call and is of now; what OneLink and GSL give so ends yesterday."""

CLOSING_PULL_FROM_DAY: Mapping[ProtocolName, int] = MappingProxyType(
    {
        ProtocolName.JASPER: CLOSING_DAYS,
        ProtocolName.UNICOM_CMP: CLOSING_DAYS,
        ProtocolName.CTCC_CMP: CLOSING_DAYS,
        ProtocolName.CTWING: CLOSING_DAYS,
    }
)
"""The day of the new cycle from which the closed one is asked for. These take one call a card for it (Telecom: the days
of a month as one span, B1.5, B2.2), so they are asked once, when the data is expected to be complete; elsewhere it is a
batch, and asked for from the first day on."""

MAY_CARRY_TRAFFIC = frozenset({SimState.TESTING, SimState.ACTIVE, SimState.EXPIRED})
"""States in which a card can carry traffic; an expired one where the carrier has not stopped it, or not yet."""

STOPPED = frozenset({SimState.SUSPENDED, SimState.EXPIRED, SimState.CANCELLED})


def stopped_since(sim: Sim, carrier_state: SimState | None) -> datetime | None:
    """Since when a card can have carried nothing: it is held, and by the carrier's own word.

    `carrier_state`: the carrier's, None where it is older than our last change there. A hold of the carrier's stands while its
    word has it, also under a state that reads active (ST-22). None: the card may be carrying traffic.
    """
    told = sim.holds if carrier_state in STOPPED else tuple(hold for hold in sim.holds if not is_ours(hold))
    return min((hold.since for hold in told), default=None)


def may_have_used(sim: Sim, carrier_state: SimState | None, now: datetime) -> bool:
    """Whether the carrier is asked what a card has used: not where it has been idle for longer than data lag."""
    idle = stopped_since(sim, carrier_state)
    return sim.underlying in MAY_CARRY_TRAFFIC and (idle is None or now - idle < timedelta(days=CLOSING_DAYS))


def may_have_used_since(sim: Sim, carrier_state: SimState | None, opens: datetime) -> bool:
    """Whether a card may have carried traffic in a cycle that opened then."""
    idle = stopped_since(sim, carrier_state)
    return idle is None or idle >= opens


def day_of_cycle(cycle: Cycle, today: date) -> int:
    """1 on the cycle's first day."""
    return (today - cycle.start).days + 1


def closing_pull_due(protocol: ProtocolName, day: int) -> bool:
    """Whether the cycle before is asked for on this day of the running one."""
    return day >= CLOSING_PULL_FROM_DAY.get(protocol, 1)


def closing_pull_repeats(protocol: ProtocolName, day: int) -> bool:
    """Whether also the cards whose closing figure is held are asked about: a batch may, while data lag."""
    return protocol not in CLOSING_PULL_FROM_DAY and day <= CLOSING_DAYS
