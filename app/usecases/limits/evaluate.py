"""Limits (QT, ST-24, ST-25, LC-1, RM-1): the cards whose use reached something, worked in chunks.

Whatever moves a counter queues the card in the same transaction (`usage_checks`); `work` takes a chunk, asks the rules,
and writes holds, events and the carriers' operations in one transaction. A crossing speaks once per cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.pools import cycles as pool_cycles
from app.db.uow import UnitOfWork
from app.db.usage import brake as rule_stops
from app.db.usage import counters as rows
from app.db.usage import plan_checks
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.domain.calendar.days import local
from app.domain.sim.holds import HOLDS, codes
from app.domain.sim.lifecycle import allowed_test_bytes, end_test_early, has_used_test_traffic
from app.domain.sim.model import Sim
from app.domain.sim.transitions import Transition
from app.domain.terms.model import Edge
from app.domain.units import MB
from app.domain.usage.quota import USAGE_HOLDS, apply_usage_holds, limits
from app.domain.usage.reminders import Reminders, usage_due
from app.domain.vocabulary import HoldCode, SimState
from app.usecases.context import Context
from app.usecases.limits import reminders as usage_reminders
from app.usecases.limits.brake import load_brake
from app.usecases.limits.pool_holds import with_pools_holds
from app.usecases.limits.pools import enforce_pool_stop, evaluate_pools
from app.usecases.limits.reminders import Reached
from app.usecases.operations.enforce_holds import enqueue_enforcement
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

CHUNK = 1_000
POOLS = 10
"""Pools looked at in one transaction."""

RELEASED_CHUNK = 200
ACTOR = "limits"
CAUSE = "usage"
NO_REMINDERS = Reminders(usage_mb=(0, 0), expiry_days=(0, 0))


@dataclass(slots=True)
class LimitEvaluation:
    """A card before and after its use was weighed; `added`: the holds a rule puts on, `ended`: its test ended."""

    record: SimRecord
    cycle: int
    used: int
    addons: int
    today: date
    sim: Sim
    added: frozenset[HoldCode]
    tested: Sim
    ended: Transition | None
    next_check_bytes: int | None = None
    told: tuple[int, ...] = ()


async def work(ctx: Context) -> int:
    """One turn: a chunk of a changed plan, of cards, their pools, of a pool being stopped, what a person released.

    Gives how much there was, 0 when all is quiet.
    """
    done = await _queue_changed_plans(ctx)
    done += await _evaluate_queued(ctx)
    done += await enforce_pool_stop(ctx)
    done += await _apply_released(ctx)
    return done


async def _queue_changed_plans(ctx: Context) -> int:
    """Queue the next cards of a plan whose limits have changed."""
    async with ctx.work() as work:
        seen = await plan_checks.queue_chunk(await work.driver(), CHUNK)
        if seen:
            await work.commit()
    return seen


async def _evaluate_queued(ctx: Context) -> int:
    """Cards first, then pools apart from them: to sum a pool takes its time, and ingest waits for locked cards."""
    async with ctx.work() as work:
        connection = await work.driver()
        cards = await rows.dequeue_sim_checks(connection, CHUNK)
        if cards:
            await evaluate_sims(ctx, work, connection, cards)
            await work.commit()
    async with ctx.work() as work:
        connection = await work.driver()
        pools = await rows.dequeue_pool_checks(connection, POOLS)
        if pools:
            await evaluate_pools(ctx, work, connection, pools)
            await work.commit()
    return len(cards) + len(pools)


async def _apply_released(ctx: Context) -> int:
    """Stops that waited behind the brake when a person released it, as far as they are still called for."""
    async with ctx.work() as work:
        connection = await work.driver()
        released = await rule_stops.released(connection, RELEASED_CHUNK)
        if not released:
            return 0
        wanted = {(row["sim_id"], HoldCode(row["hold"])) for row in released}
        await evaluate_sims(ctx, work, connection, {row["sim_id"] for row in released}, released=wanted)
        await rule_stops.drop(connection, [(row["sim_id"], row["cycle"], row["hold"]) for row in released])
        await work.commit()
    return len(released)


async def evaluate_sims(
    ctx: Context,
    work: UnitOfWork,
    connection: Connection,
    sim_ids: Iterable[int],
    *,
    released: frozenset[tuple[int, HoldCode]] | set[tuple[int, HoldCode]] = frozenset(),
) -> None:
    """Weigh these cards' use: put on and lift holds, end tests, speak of thresholds, and say where to look again."""
    records = await work.sims.by_ids(sim_ids, for_update=True)
    if not records:
        return
    log = SimChangeRecorder(ctx.now())
    reminders = await usage_reminders.wanted(connection, list(records))
    missed = await usage_reminders.reached_in_last_cycle(ctx, connection, list(records.values()), reminders)
    judged = await _evaluate(ctx, connection, list(records.values()), log, reminders)
    await _add_pool_holds(ctx, connection, judged)
    await _apply_brake(ctx, work, connection, judged, released)
    moved = [(one.record, _change(log, one)) for one in judged]
    await usage_reminders.emit_crossings(connection, log, [Reached(o.record, o.cycle, o.used, o.told) for o in judged])
    await usage_reminders.emit_crossings(connection, log, missed)
    await log.write(work)
    changed = [(before, after) for before, after in moved if before.sim != after.sim]
    await enqueue_enforcement(ctx, work, changed, reason="ST-24")
    checks = [(one.record.id, one.cycle, one.next_check_bytes) for one in judged]
    await rows.set_next_checks(connection, checks)


async def _evaluate(
    ctx: Context,
    connection: Connection,
    records: Sequence[SimRecord],
    log: SimChangeRecorder,
    reminders: Mapping[int, Reminders],
) -> list[LimitEvaluation]:
    zones = {record.account: ctx.zone(record.account) for record in records}
    cycles = {r.id: cycle_number(cycle_at(r.sim.carrier, log.now, zones[r.account])) for r in records}
    counters = await rows.counters(connection, sorted(cycles.items()))
    if pooled := [(record.id, cycles[record.id]) for record in records if record.sim.pool is not None]:
        await pool_cycles.move_sim_counters(connection, pooled)
    testing = [record.id for record in records if record.sim.underlying is SimState.TESTING]
    ever = await rows.lifetime_bytes(connection, testing) if testing else {}
    held = [(record.id, cycles[record.id]) for record in records if codes(record.sim.holds) & USAGE_HOLDS]
    answers = await rule_stops.liftable_holds(connection, held) if held else {}
    judged = []
    for record in records:
        counter = counters.get(record.id)
        today = local(log.now, zones[record.account]).date()
        tested, ended = _tested(record.sim, ever.get(record.id, 0), today, log.now)
        used, addons = (counter["used"], counter["addons"]) if counter else (0, 0)
        liftable_holds = frozenset(map(HoldCode, answers.get(record.id, ())))
        sim, _ = apply_usage_holds(tested, used, addons, at=log.now, today=today, answers=liftable_holds)
        one = LimitEvaluation(
            record=record,
            cycle=cycles[record.id],
            used=used,
            addons=addons,
            today=today,
            sim=sim,
            added=codes(sim.holds) - codes(tested.holds),
            tested=tested,
            ended=ended,
        )
        _look_again(one, reminders.get(record.id, NO_REMINDERS), ever.get(record.id, 0))
        judged.append(one)
    return judged


def _tested(sim: Sim, ever: int, today: date, now: datetime) -> tuple[Sim, Transition | None]:
    """A testing card whose test traffic is used up, and its move (LC-1, LC-3); any other as it is."""
    if not has_used_test_traffic(sim, ever):
        return sim, None
    tested, [ended] = end_test_early(sim, today, at=now)
    return tested, ended


def _look_again(one: LimitEvaluation, wanted: Reminders, ever: int) -> None:
    """At how many bytes of the cycle the next thing happens; thresholds reached by now are told."""
    points = []
    if one.sim.underlying is SimState.TESTING:
        allowed = allowed_test_bytes(one.sim)
        points += [] if allowed is None else [one.used + max(1, allowed - ever)]
    elif one.sim.underlying is SimState.ACTIVE:
        points += [limit.at + (limit.edge is Edge.PASSED) for limit in limits(one.sim, one.addons, one.today)]
        points += [level * MB for level in wanted.usage_mb if level > 0]
    one.told = usage_due(wanted, one.sim.underlying, one.used) if one.sim.underlying is SimState.ACTIVE else ()
    one.next_check_bytes = min((point for point in points if point > one.used), default=None)


async def _add_pool_holds(ctx: Context, connection: Connection, judged: Sequence[LimitEvaluation]) -> None:
    """Members of a pool that is stopped come under its hold, also those that came to it since (PL-1, PL-4)."""
    brought = await with_pools_holds(ctx, connection, [(one.record, one.sim) for one in judged])
    for one in judged:
        sim = brought.get(one.record.id, one.sim)
        one.added |= codes(sim.holds) - codes(one.sim.holds)
        one.sim = sim


async def _apply_brake(
    ctx: Context,
    work: UnitOfWork,
    connection: Connection,
    judged: Sequence[LimitEvaluation],
    released: Iterable[tuple[int, HoldCode]],
) -> None:
    """Take back the holds that the brake keeps waiting (ST-25)."""
    stopping = [one for one in judged if one.added]
    if not stopping:
        return
    free = frozenset(released)
    brake = await load_brake(ctx, connection, [one.record for one in stopping])
    for one in stopping:
        for code in sorted(one.added):
            if not brake.allows(one.record, one.cycle, code, released=(one.record.id, code) in free):
                one.sim = replace(one.sim, holds=tuple(hold for hold in one.sim.holds if hold.code is not code))
    await work.events.add(await brake.write(connection))


def _change(log: SimChangeRecorder, one: LimitEvaluation) -> SimRecord:
    """The end of a test with its own cause and rule (LC-12), then the holds with theirs."""
    record = one.record
    if one.ended is not None:
        ended = ChangeReason(cause=one.ended.cause.value, actor=ACTOR, effective_at=log.now, rule=one.ended.rule)
        record = log.change(record, one.tested, ended)
    lifted = codes(record.sim.holds) - codes(one.sim.holds)
    rule = next((HOLDS[code].rule for code in (*sorted(one.added), *sorted(lifted))), "ST-24")
    return log.change(record, one.sim, ChangeReason(cause=CAUSE, actor=ACTOR, effective_at=log.now, rule=rule))
