"""A pool's limits (PL-1, PL-4, PL-8, ST-4, ST-13): its members are stopped or released in chunks, under the brake.

A pool is evaluated in one transaction, which stores the hold its members are to have (`pool_cycles.stopping`). The
members are then processed by SIM row id, each chunk in its own transaction, by the pool's usage at that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from app.db.connection import Connection
from app.db.events.store import Event
from app.db.mapping import SimRecord
from app.db.pools import cycles as sums
from app.db.pools import rows
from app.db.reminders import settings_of
from app.db.uow import UnitOfWork
from app.domain.calendar.cycles import cycle_number
from app.domain.events import EventType
from app.domain.sim.holds import HOLDS, codes, without_hold
from app.domain.sim.model import Sim
from app.domain.sim.transitions import Cause
from app.domain.usage.pools import PoolState, PoolUsage, crossed_levels, postpaid_state
from app.domain.vocabulary import HoldCode
from app.usecases.context import Context
from app.usecases.events import EventStamp, pool_event
from app.usecases.limits.brake import load_brake
from app.usecases.limits.pool_holds import with_pool_holds
from app.usecases.operations.enforce_holds import enqueue_enforcement
from app.usecases.pools.views import POSTPAID, PoolRow, pool_usage, running_cycle
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

CHUNK = 500
ACTOR = "limits"
EXHAUSTED = "exhausted"
STOPPED = "stopped"
"""The mark of a cycle whose members are stopped or being stopped; releasing them removes it."""

FREE = "free"


async def evaluate_pools(ctx: Context, work: UnitOfWork, connection: Connection, refs: Iterable[int]) -> None:
    """Evaluate these pools: emit what they crossed, once a cycle, and start stopping or releasing their members."""
    for ref in sorted(refs):
        pool = await rows.by_ref(connection, ref)
        if pool is not None:
            await _evaluate_pool(ctx, work, connection, pool)


async def _evaluate_pool(ctx: Context, work: UnitOfWork, connection: Connection, pool: PoolRow) -> None:
    cycle = running_cycle(ctx, pool)
    kept = await sums.cycle_of(connection, pool["ref"], cycle_number(cycle), lock=True)
    use, _ = await pool_usage(ctx, connection, pool, cycle)
    before = tuple(kept["marks"]) if kept else ()
    marks, events = _crossings(ctx, await _with_defaults(connection, pool), cycle.id, use, before)
    hold = _hold_due(pool, use)
    stopping, through = (kept["stopping"], kept["stopped_through"]) if kept else (None, 0)
    if hold is not None and STOPPED not in marks:
        marks, stopping, through = (*marks, STOPPED), hold.value, 0
    elif hold is None and STOPPED in marks:
        marks, stopping, through = tuple(mark for mark in marks if mark != STOPPED), FREE, 0
    await sums.save_cycle(connection, pool["ref"], cycle_number(cycle), marks, stopping, through)
    if not pool["settled"] and pool["account"] is not None:
        await rows.assign_account(connection, pool["ref"], pool["account"], cycle_number(cycle))
    if pool["kind"] == POSTPAID:
        arrears = pool["arrears_since"] is not None
        state = postpaid_state(arrears=arrears, retention_over=False, over_threshold=hold is not None)
        if pool["state"] != PoolState.RELEASED:
            await rows.set_state(connection, pool["ref"], state.value, ctx.now())
    await work.events.add(events)


async def _with_defaults(connection: Connection, pool: PoolRow) -> PoolRow:
    """The pool; one without reminders of its own with its tenant's percents of the total (RM-2)."""
    rules = pool["rules"]
    if "levels_pct" in rules or "remaining" in rules:
        return pool
    percents = (await settings_of(connection, pool["tenant"])).pool_percent
    return pool if percents is None else {**pool, "rules": rules | {"levels_pct": list(percents)}}


def _hold_due(pool: PoolRow, use: PoolUsage) -> HoldCode | None:
    """The hold that the pool puts on its active members now; under arrears `pool_frozen` (ST-12)."""
    return HoldCode.POOL_FROZEN if pool["arrears_since"] is not None else _usage_hold(pool, use)


def _usage_hold(pool: PoolRow, use: PoolUsage) -> HoldCode | None:
    """The hold that the pool's usage puts on its active members now."""
    if use.total is not None:
        return HoldCode.POOL_EXHAUSTED if use.exhausted else None
    stop_at = pool["rules"].get("stop_at")
    return HoldCode.POOL_THRESHOLD if stop_at is not None and use.used >= stop_at else None


def _crossings(
    ctx: Context, pool: PoolRow, cycle: str, use: PoolUsage, marks: tuple[str, ...]
) -> tuple[tuple[str, ...], list[Event]]:
    """The marks and events of what the pool's usage has reached for the first time in this cycle (PL-8, RM-2)."""
    rules = pool["rules"]
    emitted_pct = frozenset(int(mark[4:]) for mark in marks if mark.startswith("pct:"))
    percents = crossed_levels([n for n in rules.get("levels_pct", []) if n > 0], use.used, use.total, emitted_pct)
    used = sorted(n for n in rules.get("levels", []) if 0 < n <= use.used)
    left = [n for n in rules.get("remaining", []) if use.remaining is not None and use.remaining <= n]
    reached: list[tuple[str, EventType, dict[str, Any]]] = [
        *((f"pct:{n}", EventType.POOL_THRESHOLD_CROSSED, {"threshold_pct": n}) for n in percents),
        *((f"used:{n}", EventType.POOL_THRESHOLD_CROSSED, {"threshold_bytes": n}) for n in used),
        *((f"left:{n}", EventType.REMINDER_DUE, {"remaining_bytes": n}) for n in left if use.effective_cards),
    ]
    hold = _usage_hold(pool, use)
    if hold is HoldCode.POOL_EXHAUSTED:
        reached.append((EXHAUSTED, EventType.POOL_EXHAUSTED, {}))
    elif hold is HoldCode.POOL_THRESHOLD:
        facts = {"threshold_bytes": rules["stop_at"], "stops": True}
        reached.append((f"stop_at:{rules['stop_at']}", EventType.POOL_THRESHOLD_CROSSED, facts))
    fresh = [(mark, kind, facts) for mark, kind, facts in reached if mark not in marks]
    events = [_event(ctx, pool, cycle, use, kind, facts) for _, kind, facts in fresh]
    return (*marks, *(mark for mark, _, _ in fresh)), events


def _event(ctx: Context, pool: PoolRow, cycle: str, use: PoolUsage, kind: EventType, facts: dict[str, Any]) -> Event:
    now = ctx.now()
    return pool_event(
        kind,
        EventStamp(tenant=pool["tenant"], known_at=now),
        pool["id"],
        cycle=cycle,
        usage={"used": use.used, "total": use.total, "remaining": use.remaining},
        facts=facts,
    )


async def enforce_pool_stop(ctx: Context) -> int:
    """Process a chunk of the members of one pool that is being stopped or released; gives how many SIMs, at least 1.

    A member that cannot be handled is set aside, a pool whose members cannot be as well; the others go on.
    """
    async with ctx.pool.acquire() as connection:
        chosen = await sums.next_stopping(connection, ctx.now())
    if chosen is None:
        return 0
    ref: int = chosen["pool_ref"]
    done: list[int] = []

    async def enforce(_: Sequence[int]) -> int:
        done.append(await _enforce_chunk(ctx, chosen))
        return done[-1]

    await handle_isolated(ctx, Task.LIMITS, [ref], enforce, kind=SubjectKind.POOL)
    return max(*done, 1) if done else 1


async def _enforce_chunk(ctx: Context, chosen: Mapping[str, Any]) -> int:
    """Process the next members of the pool and move its cursor; gives how many members there were.

    Of two workers at the same chunk the second finds its SIMs as they are to be, and does not move the cursor.
    """
    ids: list[int] = []
    async with ctx.pool.acquire() as connection:
        pool = await rows.by_ref(connection, chosen["pool_ref"])
        if pool is not None and chosen["cycle"] == cycle_number(running_cycle(ctx, pool)):
            ids = await rows.member_ids(connection, pool["tenant"], pool["id"], chosen["stopped_through"], CHUNK)
    if pool is not None:
        await handle_isolated(ctx, Task.LIMITS, ids, partial(_enforce_some, ctx, pool, chosen["cycle"]))
    stopping, through = (None, 0) if len(ids) < CHUNK else (chosen["stopping"], ids[-1])
    async with ctx.pool.acquire() as connection:
        await sums.stopped_through(connection, chosen, stopping, through)
    return len(ids)


async def _enforce_some(ctx: Context, pool: PoolRow, cycle: int, ids: Sequence[int]) -> int:
    """Bring these members to the pool's hold in one transaction. Locks as `evaluate` does: SIMs, then the brake."""
    async with ctx.work() as work:
        await _enforce_members(ctx, work, await work.driver(), pool, cycle, ids)
        await work.commit()
    return len(ids)


async def _enforce_members(
    ctx: Context, work: UnitOfWork, connection: Connection, pool: PoolRow, cycle: int, ids: Sequence[int]
) -> None:
    records = list((await work.sims.by_ids(ids, for_update=True)).values())
    if not records:
        return
    use, _ = await pool_usage(ctx, connection, pool, running_cycle(ctx, pool))
    recorder = SimChangeRecorder(ctx.now(), ctx.zone)
    evaluated = [(record, with_pool_holds(record.sim, pool, use, recorder.now)) for record in records]
    evaluated = await _braked(ctx, work, connection, evaluated, cycle)
    changes = []
    for record, after in evaluated:
        changed = codes(after.holds) ^ codes(record.sim.holds)
        rule = next((HOLDS[code].rule for code in sorted(changed)), "ST-24")
        reason = ChangeReason(cause=Cause.POOL, actor=ACTOR, effective_at=recorder.now, rule=rule)
        if after != record.sim:
            changes.append((record, recorder.change(record, after, reason)))
    await recorder.write(work)
    await enqueue_enforcement(ctx, work, changes, reason="ST-24")


async def _braked(
    ctx: Context, work: UnitOfWork, connection: Connection, evaluated: list[tuple[SimRecord, Sim]], cycle: int
) -> list[tuple[SimRecord, Sim]]:
    """The SIMs with the holds that the brake allows; the others wait (ST-25)."""
    stopping = [record for record, sim in evaluated if codes(sim.holds) - codes(record.sim.holds)]
    if not stopping:
        return evaluated
    brake = await load_brake(ctx, connection, stopping)
    allowed = []
    for record, sim in evaluated:
        after = sim
        for code in sorted(codes(sim.holds) - codes(record.sim.holds)):
            if not brake.allows(record, cycle, code):
                after = without_hold(after, code)
        allowed.append((record, after))
    await work.events.add(await brake.write(connection))
    return allowed
