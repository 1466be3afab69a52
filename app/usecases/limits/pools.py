"""What a pool's use does to its members (PL-1, PL-4, PL-8, ST-4, ST-13): chunk by chunk, restartable, under the brake.

A pool is judged in one transaction, which notes what its members are to bear (`pool_cycles.stopping`); the members are
then worked through by card id, each chunk its own transaction, each judged by the pool as it is then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg

from app.db.connection import Connection
from app.db.events.store import Event
from app.db.mapping import SimRecord
from app.db.pools import cycles as sums
from app.db.pools import rows
from app.db.uow import UnitOfWork
from app.domain.calendar.cycles import cycle_number
from app.domain.events import EventType
from app.domain.sim.holds import HOLDS, codes, without_hold
from app.domain.sim.model import Sim
from app.domain.usage.pools import PoolState, PoolUsage, crossed_levels, postpaid_state
from app.domain.vocabulary import HoldCode
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.events import EventStamp, pool_event
from app.usecases.limits.brake import load_brake
from app.usecases.limits.pool_holds import with_pool_holds
from app.usecases.operations.enforce_holds import enqueue_enforcement
from app.usecases.pools.views import PoolRow, pool_usage, running_cycle
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

log = get_logger("limits")
CHUNK = 500
ACTOR = "limits"
EXHAUSTED = "exhausted"
STOPPED = "stopped"
"""The mark of a cycle whose members have been, or are being, stopped; freeing them takes it away."""

FREE = "free"


async def evaluate_pools(ctx: Context, work: UnitOfWork, connection: Connection, refs: Iterable[int]) -> None:
    """Look at these pools: speak of what they crossed, once a cycle, and have their members stopped or freed."""
    for ref in sorted(refs):
        pool = await rows.by_ref(connection, ref)
        if pool is None:
            continue
        try:
            async with connection.transaction():  # a savepoint: one pool's figures never stop the others' limits
                await _evaluate_pool(ctx, work, connection, pool)
        except asyncpg.DataError:
            log.exception("pool_limits.failed", pool_ref=ref)


async def _evaluate_pool(ctx: Context, work: UnitOfWork, connection: Connection, pool: PoolRow) -> None:
    cycle = running_cycle(ctx, pool)
    kept = await sums.cycle_of(connection, pool["ref"], cycle_number(cycle), lock=True)
    use, _ = await pool_usage(ctx, connection, pool, cycle)
    before = tuple(kept["marks"]) if kept else ()
    marks, events = _spoken(ctx, pool, cycle.id, use, before)
    wanted = _wanted(pool, use)
    stopping, through = (kept["stopping"], kept["stopped_through"]) if kept else (None, 0)
    if wanted is not None and STOPPED not in marks:
        marks, stopping, through = (*marks, STOPPED), wanted.value, 0
    elif wanted is None and STOPPED in marks:
        marks, stopping, through = tuple(mark for mark in marks if mark != STOPPED), FREE, 0
    await sums.save_cycle(connection, pool["ref"], cycle_number(cycle), marks, stopping, through)
    if not pool["settled"] and pool["account"] is not None:
        await rows.assign_account(connection, pool["ref"], pool["account"], cycle_number(cycle))
    if pool["kind"] == "backward":
        state = postpaid_state(arrears=False, retention_over=False, over_threshold=wanted is not None)
        if pool["state"] != PoolState.RELEASED:
            await rows.set_state(connection, pool["ref"], state.value)
    await work.events.add(events)


def _wanted(pool: PoolRow, use: PoolUsage) -> HoldCode | None:
    """The hold that the pool's use puts on its active members now."""
    if use.total is not None:
        return HoldCode.POOL_EXHAUSTED if use.exhausted else None
    stop_at = pool["rules"].get("stop_at")
    return HoldCode.POOL_THRESHOLD if stop_at is not None and use.used >= stop_at else None


def _spoken(
    ctx: Context, pool: PoolRow, cycle: str, use: PoolUsage, marks: tuple[str, ...]
) -> tuple[tuple[str, ...], list[Event]]:
    """What the pool's use says for the first time in this cycle (PL-8, RM-2)."""
    rules = pool["rules"]
    spoken_pct = frozenset(int(mark[4:]) for mark in marks if mark.startswith("pct:"))
    percents = crossed_levels([n for n in rules.get("levels_pct", []) if n > 0], use.used, use.total, spoken_pct)
    used = sorted(n for n in rules.get("levels", []) if 0 < n <= use.used)
    left = [n for n in rules.get("remaining", []) if use.remaining is not None and use.remaining <= n]
    said: list[tuple[str, EventType, dict[str, Any]]] = [
        *((f"pct:{n}", EventType.POOL_THRESHOLD_CROSSED, {"threshold_pct": n}) for n in percents),
        *((f"used:{n}", EventType.POOL_THRESHOLD_CROSSED, {"threshold_bytes": n}) for n in used),
        *((f"left:{n}", EventType.REMINDER_DUE, {"remaining_bytes": n}) for n in left if use.effective_cards),
    ]
    wanted = _wanted(pool, use)
    if wanted is HoldCode.POOL_EXHAUSTED:
        said.append((EXHAUSTED, EventType.POOL_EXHAUSTED, {}))
    elif wanted is HoldCode.POOL_THRESHOLD:
        facts = {"threshold_bytes": rules["stop_at"], "stops": True}
        said.append((f"stop_at:{rules['stop_at']}", EventType.POOL_THRESHOLD_CROSSED, facts))
    fresh = [(mark, kind, facts) for mark, kind, facts in said if mark not in marks]
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
    """One chunk of the members of one pool that is being stopped or freed; gives how many cards were looked at.

    Locks are taken as by whoever judges cards: cards, then the brake, then the pool's cycle. What was read without a
    lock at the beginning is compared at the end: who comes second rolls back, and nothing is done twice.
    """
    async with ctx.work() as work:
        connection = await work.driver()
        chosen = await sums.next_stopping(connection)
        if chosen is None:
            return 0
        pool = await rows.by_ref(connection, chosen["pool_ref"])
        ids: list[int] = []
        if pool is not None and chosen["cycle"] == cycle_number(running_cycle(ctx, pool)):
            place = pool["tenant"], pool["id"], chosen["stopped_through"]
            ids = await rows.member_ids(connection, *place, CHUNK)
            await _enforce_members(ctx, work, connection, pool, chosen["cycle"], ids)
        over = len(ids) < CHUNK
        stopping, through = (None, 0) if over else (chosen["stopping"], ids[-1])
        if await sums.stopped_through(connection, chosen, stopping, through):
            await work.commit()
    return max(len(ids), 1)


async def _enforce_members(
    ctx: Context, work: UnitOfWork, connection: Connection, pool: PoolRow, cycle: int, ids: list[int]
) -> None:
    records = list((await work.sims.by_ids(ids, for_update=True)).values())
    if not records:
        return
    use, _ = await pool_usage(ctx, connection, pool, running_cycle(ctx, pool))
    log = SimChangeRecorder(ctx.now(), ctx.zone)
    judged = [(record, with_pool_holds(record.sim, pool, use, log.now)) for record in records]
    judged = await _braked(ctx, work, connection, judged, cycle)
    moved = []
    for record, after in judged:
        changed = codes(after.holds) ^ codes(record.sim.holds)
        rule = next((HOLDS[code].rule for code in sorted(changed)), "ST-24")
        because = ChangeReason(cause="pool", actor=ACTOR, effective_at=log.now, rule=rule)
        if after != record.sim:
            moved.append((record, log.change(record, after, because)))
    await log.write(work)
    await enqueue_enforcement(ctx, work, moved, reason="ST-24")


async def _braked(
    ctx: Context, work: UnitOfWork, connection: Connection, judged: list[tuple[SimRecord, Sim]], cycle: int
) -> list[tuple[SimRecord, Sim]]:
    """The cards with the holds that the brake lets on; the others wait (ST-25)."""
    stopping = [record for record, sim in judged if codes(sim.holds) - codes(record.sim.holds)]
    if not stopping:
        return judged
    brake = await load_brake(ctx, connection, stopping)
    let = []
    for record, sim in judged:
        after = sim
        for code in sorted(codes(sim.holds) - codes(record.sim.holds)):
            if not brake.allows(record, cycle, code):
                after = without_hold(after, code)
        let.append((record, after))
    await work.events.add(await brake.write(connection))
    return let
