"""Usage reminders (RM-1): each level once a cycle, also in a cycle that closed before it was evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from app.db import reminders as settings
from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.usage import counters as rows
from app.domain.calendar.cycles import cycle_at, cycle_number, preceding, start_instant
from app.domain.events import EventType
from app.domain.sim.transitions import Cause
from app.domain.usage.reminders import Reminders, reminders_of, usage_due
from app.domain.vocabulary import SimState
from app.usecases.context import Context
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

ACTOR = "limits"
MARK = "usage_mb:"
RECHECK_FOR = timedelta(days=7)
"""How long after a cycle's opening an evaluation also covers the cycle before: it may have been down for days."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The levels (MB) a SIM has reached in a cycle (yyyymm) with `used` bytes."""

    record: SimRecord
    cycle: int
    used: int
    levels: tuple[int, ...]
    late: bool = False
    """The cycle has closed meanwhile."""


async def load_reminders(connection: Connection, sim_ids: Sequence[int]) -> dict[int, Reminders]:
    """The reminders by SIM, where its owner has set any for it or for all."""
    thresholds = await settings.thresholds_of(connection, sim_ids)
    return {sim_id: reminders_of(own, defaults) for sim_id, (own, defaults) in thresholds.items()}


async def queue_changed_settings(ctx: Context, size: int) -> int:
    """Queue the next SIMs that follow reminder settings that have changed; gives how many were read."""
    async with ctx.work() as work:
        seen = await settings.queue_chunk(await work.driver(), size)
        if seen:
            await work.commit()
    return seen


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
        Reached(*checked[sim_id], amount, usage_due(reminders[sim_id], SimState.ACTIVE, amount), late=True)
        for sim_id, amount in used.items()
    ]


async def emit_crossings(connection: Connection, recorder: SimChangeRecorder, reached: Sequence[Reached]) -> None:
    """Emit `usage.threshold_crossed` once a cycle for each level; each SIM at most once in `reached`."""
    reached = await _untold(connection, [one for one in reached if one.levels])
    marks = [(one.record.id, one.cycle, f"{MARK}{level}") for one in reached for level in one.levels]
    if not marks:
        return
    fresh = await rows.mark(connection, marks, recorder.now)
    for one in reached:
        for level in one.levels:
            if (one.record.id, f"{MARK}{level}") in fresh:
                reason = ChangeReason(cause=Cause.USAGE, actor=ACTOR, effective_at=recorder.now, rule="RM-1")
                data = {"threshold_mb": level, "cycle": one.cycle, "before": {}, "after": {"used": one.used}}
                recorder.add_event(one.record, EventType.USAGE_THRESHOLD_CROSSED, reason, data | {"late": one.late})


async def _untold(connection: Connection, reached: Sequence[Reached]) -> list[Reached]:
    """Without the levels that an earlier reminder of the cycle has told (`usage_due`)."""
    if not reached:
        return []
    marks = await rows.marks_of(connection, [(one.record.id, one.cycle) for one in reached], MARK)
    told = {sim_id: max(int(mark.removeprefix(MARK)) for mark in marked) for sim_id, marked in marks.items()}
    return [
        replace(one, levels=tuple(level for level in one.levels if level > told.get(one.record.id, 0)))
        for one in reached
    ]
