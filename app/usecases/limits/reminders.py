"""Usage reminders (RM-1): each level once a cycle, also in a cycle that closed before it was evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.usage import counters as rows
from app.domain.calendar.cycles import cycle_at, cycle_number, preceding, start_instant
from app.domain.events import EventType
from app.domain.sim.transitions import Cause
from app.domain.usage.reminders import Reminders, usage_due
from app.domain.vocabulary import SimState
from app.usecases.context import Context
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

ACTOR = "limits"
MARK = "usage_mb:"
RECHECK_FOR = timedelta(days=1)
"""How long after a cycle's opening an evaluation also covers the cycle before."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The levels (MB) a SIM has reached in a cycle (yyyymm) with `used` bytes."""

    record: SimRecord
    cycle: int
    used: int
    levels: tuple[int, ...]


async def load_reminders(connection: Connection, sim_ids: Sequence[int]) -> dict[int, Reminders]:
    """The reminders by SIM, where the owner has set any."""
    reminders = await rows.reminders_of(connection, sim_ids)
    return {
        sim_id: Reminders(usage_mb=_two(given.get("usage_mb", ())), expiry_days=_two(given.get("expiry_days", ())))
        for sim_id, given in reminders.items()
    }


def _two(levels: Sequence[int]) -> tuple[int, int]:
    padded = (*levels, 0, 0)
    return padded[0], padded[1]


async def reached_in_last_cycle(
    ctx: Context, connection: Connection, records: Sequence[SimRecord], reminders: Mapping[int, Reminders]
) -> list[Reached]:
    """What active SIMs reached in the cycle just closed and that was queued but not evaluated in time."""
    now, checked = ctx.now(), {}
    for record in records:
        zone, carrier = ctx.zone(record.account), record.sim.carrier
        cycle = cycle_at(carrier, now, zone)
        if (
            record.sim.underlying is SimState.ACTIVE
            and now - start_instant(cycle, zone) < RECHECK_FOR
            and record.id in reminders
        ):
            checked[record.id] = (record, cycle_number(preceding(carrier, cycle)))
    if not checked:
        return []
    used = await rows.unchecked_usage(connection, [(sim_id, cycle) for sim_id, (_, cycle) in checked.items()])
    return [
        Reached(*checked[sim_id], amount, usage_due(reminders[sim_id], SimState.ACTIVE, amount))
        for sim_id, amount in used.items()
    ]


async def emit_crossings(connection: Connection, recorder: SimChangeRecorder, reached: Sequence[Reached]) -> None:
    """Emit `usage.threshold_crossed` once a cycle for each level; each SIM at most once in `reached`."""
    marks = [(one.record.id, one.cycle, f"{MARK}{level}") for one in reached for level in one.levels]
    if not marks:
        return
    fresh = await rows.mark(connection, marks, recorder.now)
    for one in reached:
        for level in one.levels:
            if (one.record.id, f"{MARK}{level}") in fresh:
                reason = ChangeReason(cause=Cause.USAGE, actor=ACTOR, effective_at=recorder.now, rule="RM-1")
                data = {"threshold_mb": level, "cycle": one.cycle, "before": {}, "after": {"used": one.used}}
                recorder.add_event(one.record, EventType.USAGE_THRESHOLD_CROSSED, reason, data)
