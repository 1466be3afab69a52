"""The limits loop (QT, ST-24, ST-25, LC-1, RM-1): evaluates the SIMs and pools whose usage or limits changed.

Whatever changes them queues the SIM or pool in the same transaction (`usage_checks`). `run_once` takes a chunk of the
queue, evaluates it, and writes holds, events and the operations at the carriers in one transaction. An event for a
threshold is emitted once per cycle.

Order of locks: SIM rows by id, counters by SIM, the tenants' balances, the account's brake, a pool's cycle, the pool's
row, shares by SIM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from app.db import quarantine as quarantined
from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.pools import cycles as pool_cycles
from app.db.uow import UnitOfWork
from app.db.usage import brake as rule_stops
from app.db.usage import counters as rows
from app.db.usage import limit_checks, shares
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.domain.calendar.days import local
from app.domain.sim.holds import HOLDS, codes, without_hold
from app.domain.sim.transitions import Cause
from app.domain.usage.figures import CarrierFigure
from app.domain.usage.quota import USAGE_HOLDS
from app.domain.usage.reminders import NO_REMINDERS, Reminders
from app.domain.vocabulary import HoldCode, SimState
from app.usecases.context import Context
from app.usecases.limits import meters
from app.usecases.limits import reminders as usage_reminders
from app.usecases.limits.brake import load_brake
from app.usecases.limits.evaluation import LimitEvaluation, SimUsage, evaluate
from app.usecases.limits.overrun import charge_overrun, remember_arrears
from app.usecases.limits.pool_holds import sims_with_pool_holds
from app.usecases.limits.pools import enforce_pool_stop, evaluate_pools
from app.usecases.limits.reminders import Reached
from app.usecases.operations.enforce_holds import enqueue_enforcement
from app.usecases.quarantine import SubjectKind, Task, handle_isolated, is_of_data
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

CHUNK = 1_000
"""SIMs evaluated in one transaction."""

POOLS = 10
"""Pools evaluated in one transaction."""

RELEASED_CHUNK = 200
"""Holds released from the brake that are put on in one transaction."""

ACTOR = "limits"


async def run_once(ctx: Context) -> int:
    """Run the loop once; gives how many subjects there were, 0 when nothing is queued.

    A chunk each of a changed plan, of changed reminder settings, of queued SIMs and pools, of a stopped pool's members,
    of holds a person released.
    """
    done = await _queue_changed_plans(ctx)
    done += await usage_reminders.queue_changed_settings(ctx, CHUNK)
    done += await _evaluate_queued(ctx)
    done += await enforce_pool_stop(ctx)
    done += await _apply_released(ctx)
    return done


async def _queue_changed_plans(ctx: Context) -> int:
    """Queue the next SIMs of a plan whose limits have changed."""
    async with ctx.work() as work:
        seen = await limit_checks.queue_plan_chunk(await work.driver(), CHUNK)
        if seen:
            await work.commit()
    return seen


async def _evaluate_queued(ctx: Context) -> int:
    """Queued SIMs, then queued pools in another transaction: summing a pool takes time, and ingest waits.

    Where a chunk cannot be evaluated, its subjects are handled each by itself (`app.usecases.quarantine`).
    """
    sims: set[int] = set()
    pools: set[int] = set()
    try:
        async with ctx.work() as work:
            connection = await work.driver()
            if sims := await limit_checks.dequeue_sim_checks(connection, CHUNK):
                resting = await quarantined.resting(connection, Task.LIMITS, SubjectKind.SIM, list(sims), ctx.now())
                await evaluate_sims(ctx, work, connection, sims - resting)
                await work.commit()
    except Exception as error:
        if not is_of_data(error):
            raise
        await evaluate_again(ctx, SubjectKind.SIM, sorted(sims))
    try:
        async with ctx.work() as work:
            connection = await work.driver()
            if pools := await limit_checks.dequeue_pool_checks(connection, POOLS):
                resting = await quarantined.resting(connection, Task.LIMITS, SubjectKind.POOL, list(pools), ctx.now())
                await evaluate_pools(ctx, work, connection, pools - resting)
                await work.commit()
    except Exception as error:
        if not is_of_data(error):
            raise
        await evaluate_again(ctx, SubjectKind.POOL, sorted(pools))
    return len(sims) + len(pools)


async def evaluate_again(ctx: Context, kind: SubjectKind, subject_ids: Sequence[int]) -> None:
    """Evaluate the limits of these SIMs or pools; what cannot be evaluated is set aside."""
    handle = _evaluate_chunk if kind is SubjectKind.SIM else _evaluate_pool_chunk
    await handle_isolated(ctx, Task.LIMITS, subject_ids, partial(handle, ctx), kind=kind)


async def _evaluate_chunk(ctx: Context, sim_ids: Sequence[int]) -> int:
    async with ctx.work() as work:
        connection = await work.driver()
        await limit_checks.drop_sim_checks(connection, sim_ids)
        await evaluate_sims(ctx, work, connection, sim_ids)
        await work.commit()
    return len(sim_ids)


async def _evaluate_pool_chunk(ctx: Context, refs: Sequence[int]) -> int:
    async with ctx.work() as work:
        connection = await work.driver()
        await limit_checks.drop_pool_checks(connection, refs)
        await evaluate_pools(ctx, work, connection, set(refs))
        await work.commit()
    return len(refs)


async def _apply_released(ctx: Context) -> int:
    """Put on the holds that waited behind the brake when a person released it, where usage still calls for them."""
    async with ctx.pool.acquire() as connection:
        # Read without a lock, since SIMs are locked first; two workers put the same hold on the SIM once.
        released = await rule_stops.released(connection, ctx.now(), RELEASED_CHUNK)
    if released:
        sim_ids = sorted({row["sim_id"] for row in released})
        await handle_isolated(ctx, Task.LIMITS, sim_ids, partial(_apply_released_of, ctx, released))
    return len(released)


async def _apply_released_of(ctx: Context, released: Sequence[Mapping[str, Any]], sim_ids: Sequence[int]) -> int:
    """Put on the released holds of these SIMs in one transaction; what another worker did is done a second time."""
    mine = [row for row in released if row["sim_id"] in set(sim_ids)]
    async with ctx.work() as work:
        connection = await work.driver()
        wanted = {(row["sim_id"], HoldCode(row["hold"])) for row in mine}
        await evaluate_sims(ctx, work, connection, sim_ids, released=wanted)
        await rule_stops.drop(connection, [(row["sim_id"], row["cycle"], row["hold"]) for row in mine])
        await work.commit()
    return len(mine)


async def evaluate_sims(
    ctx: Context,
    work: UnitOfWork,
    connection: Connection,
    sim_ids: Iterable[int],
    *,
    released: frozenset[tuple[int, HoldCode]] | set[tuple[int, HoldCode]] = frozenset(),
) -> None:
    """Put on and lift the holds of these SIMs' usage, end used-up tests, emit threshold events, set the next check.

    `released`: (SIM row id, hold) that a person has released from the brake.
    """
    records = await work.sims.by_ids(sim_ids, for_update=True)
    if not records:
        return
    recorder = SimChangeRecorder(ctx.now(), ctx.zone)
    reminders = await usage_reminders.load_reminders(connection, list(records))
    missed = await usage_reminders.reached_in_last_cycle(ctx, connection, list(records.values()), reminders)
    usages = await _load_usage(ctx, connection, list(records.values()), reminders)
    evaluations = [evaluate(usage, recorder.now) for usage in usages]
    evaluations = await _with_pool_holds(ctx, connection, evaluations)
    stopped = await meters.stop_marks(connection, evaluations)
    evaluations = meters.without_repeats(evaluations, stopped)
    due = frozenset(sim_id for sim_id, code in released if code is HoldCode.ARREARS)
    evaluations, spells = await charge_overrun(ctx, work, connection, evaluations, released=due)
    evaluations = await _braked(ctx, work, connection, evaluations, released)
    changes = [(one.usage.record, _record_change(recorder, one)) for one in evaluations]
    reached = [Reached(o.usage.record, o.usage.cycle, o.usage.used, o.reached_levels) for o in evaluations]
    await usage_reminders.emit_crossings(connection, recorder, reached)
    await usage_reminders.emit_crossings(connection, recorder, missed)
    await meters.record_stops(ctx, connection, recorder, evaluations, stopped)
    await remember_arrears(connection, evaluations, spells)
    await recorder.write(work)
    changed = [(before, after) for before, after in changes if before.sim != after.sim]
    await enqueue_enforcement(ctx, work, changed, reason="ST-24")
    checks = [(one.usage.record.id, one.usage.cycle, one.next_check_bytes) for one in evaluations]
    await rows.set_next_checks(connection, checks)
    await shares.restate_changed(connection, [one.usage.record.id for one in evaluations])


async def _load_usage(
    ctx: Context, connection: Connection, records: Sequence[SimRecord], reminders: Mapping[int, Reminders]
) -> list[SimUsage]:
    """What these SIMs have used in their running cycles; locks the counters and moves them to their pools."""
    now = ctx.now()
    zones = {record.account: ctx.zone(record.account) for record in records}
    cycles = {r.id: cycle_number(cycle_at(r.sim.carrier, now, zones[r.account])) for r in records}
    counters = await rows.counters(connection, sorted(cycles.items()))
    if pooled := [(record.id, cycles[record.id]) for record in records if record.sim.pool is not None]:
        await pool_cycles.move_sim_counters(connection, pooled)
    testing = [record.id for record in records if record.sim.underlying is SimState.TESTING]
    lifetime = await rows.lifetime_bytes(connection, testing) if testing else {}
    held = [(record.id, cycles[record.id]) for record in records if codes(record.sim.holds) & USAGE_HOLDS]
    liftable = await rule_stops.liftable_holds(connection, held) if held else {}
    return [
        SimUsage(
            record=record,
            cycle=cycles[record.id],
            used=counters[record.id]["used"] if record.id in counters else 0,
            addons=counters[record.id]["addons"] if record.id in counters else 0,
            reported=counters[record.id]["reported"] if record.id in counters else 0,
            carrier=_figure(counters.get(record.id)),
            lifetime=lifetime.get(record.id, 0),
            today=local(now, zones[record.account]).date(),
            reminders=reminders.get(record.id, NO_REMINDERS),
            liftable=frozenset(map(HoldCode, liftable.get(record.id, ()))),
        )
        for record in records
    ]


def _figure(row: Mapping[str, Any] | None) -> CarrierFigure | None:
    """The carrier's figure of a counter; None: none yet."""
    if row is None or row["figures"] is None:
        return None
    return CarrierFigure(used=row["figures"], as_of=row["figures_to"])


async def _with_pool_holds(
    ctx: Context, connection: Connection, evaluations: Sequence[LimitEvaluation]
) -> list[LimitEvaluation]:
    """Members of a stopped pool get its hold, also those that joined since; others lose it (PL-1, PL-4)."""
    sims = await sims_with_pool_holds(ctx, connection, [(one.usage.record, one.sim) for one in evaluations])
    return [replace(one, sim=sims.get(one.usage.record.id, one.sim)) for one in evaluations]


async def _braked(
    ctx: Context,
    work: UnitOfWork,
    connection: Connection,
    evaluations: Sequence[LimitEvaluation],
    released: Iterable[tuple[int, HoldCode]],
) -> list[LimitEvaluation]:
    """The evaluations without the holds that the brake keeps waiting (ST-25)."""
    stopping = [one.usage.record for one in evaluations if one.added]
    if not stopping:
        return list(evaluations)
    free = frozenset(released)
    brake = await load_brake(ctx, connection, stopping)
    allowed = []
    for one in evaluations:
        sim, record = one.sim, one.usage.record
        for code in sorted(one.added):
            if not brake.allows(record, one.usage.cycle, code, released=(record.id, code) in free):
                sim = without_hold(sim, code)
        allowed.append(replace(one, sim=sim))
    await work.events.add(await brake.write(connection))
    return allowed


def _record_change(recorder: SimChangeRecorder, one: LimitEvaluation) -> SimRecord:
    """Record the end of the test with its cause and rule (LC-12), then the holds with theirs; gives the new SIM."""
    record = one.usage.record
    if one.ended is not None:
        ended = ChangeReason(cause=one.ended.cause, actor=ACTOR, effective_at=recorder.now, rule=one.ended.rule)
        record = recorder.change(record, one.tested, ended)
    lifted = codes(record.sim.holds) - codes(one.sim.holds)
    cause = Cause.BALANCE if one.added | lifted == {HoldCode.ARREARS} else Cause.USAGE
    rule = next((HOLDS[code].rule for code in (*sorted(one.added), *sorted(lifted))), "ST-24")
    return recorder.change(
        record, one.sim, ChangeReason(cause=cause, actor=ACTOR, effective_at=recorder.now, rule=rule)
    )
