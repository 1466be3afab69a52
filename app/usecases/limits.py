"""Limits (QT, ST-24, ST-25, LC-1, RM-1): the cards whose use reached something, worked in chunks.

Whatever moves a counter queues the card in the same transaction (`usage_checks`); `work` takes a chunk, asks the rules,
and writes holds, events and the carriers' operations in one transaction. A crossing speaks once per cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import asyncpg

from app.db import pool_cycles, rule_stops
from app.db import usage as rows
from app.db.ingest import Connection
from app.db.mapping import SimRecord
from app.db.sim_read import cycle_number
from app.db.unknown_reports import driver
from app.db.uow import UnitOfWork
from app.domain.cycles import cycle_at
from app.domain.days import local
from app.domain.events import EventType
from app.domain.holds import HOLDS, codes
from app.domain.lifecycle import allowed_test_bytes, end_test_early
from app.domain.quota import limits, weighed
from app.domain.reminders import Reminders, usage_due
from app.domain.sim import Sim
from app.domain.terms.model import Edge
from app.domain.units import MB
from app.domain.vocabulary import HoldCode, SimState
from app.usecases.brake import open_brake
from app.usecases.changes import Because, ChangeLog
from app.usecases.context import Context
from app.usecases.operations.rule_stops import follow_holds
from app.usecases.pool_holds import bring_under
from app.usecases.pool_limits import work_pools, work_stopping

CHUNK = 1_000
RELEASED_CHUNK = 200
ACTOR = "limits"
CAUSE = "usage"
USAGE_MARK = "usage_mb:"
NO_REMINDERS = Reminders(usage_mb=(0, 0), expiry_days=(0, 0))


@dataclass(slots=True)
class Judged:
    """A card before and after its use was weighed; `added` are the holds a rule puts on, `test_over` ended its test."""

    record: SimRecord
    cycle: int
    used: int
    addons: int
    today: date
    sim: Sim
    added: frozenset[HoldCode]
    watch: int | None = None
    told: tuple[int, ...] = ()


async def work(ctx: Context) -> int:
    """One turn: a chunk of cards, the pools they moved, a chunk of a pool being stopped, what a person released.

    Gives how much there was, 0 when all is quiet.
    """
    done = await _work_checks(ctx)
    done += await work_stopping(ctx)
    done += await _work_released(ctx)
    return done


async def _work_checks(ctx: Context) -> int:
    async with ctx.work() as work:
        connection = await driver(work)
        cards, pools = await rows.take_checks(connection, CHUNK)
        if not cards and not pools:
            return 0
        await judge(ctx, work, connection, cards)
        await work_pools(ctx, work, connection, pools)
        await work.commit()
    return len(cards) + len(pools)


async def _work_released(ctx: Context) -> int:
    """Stops that waited behind the brake when a person released it, as far as they are still called for."""
    async with ctx.work() as work:
        connection = await driver(work)
        released = await rule_stops.released(connection, RELEASED_CHUNK)
        if not released:
            return 0
        wanted = {(row["sim_id"], HoldCode(row["hold"])) for row in released}
        await judge(ctx, work, connection, {row["sim_id"] for row in released}, released=wanted)
        await rule_stops.drop(connection, [(row["sim_id"], row["cycle"], row["hold"]) for row in released])
        await work.commit()
    return len(released)


async def judge(
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
    log = ChangeLog(ctx.now())
    judged = await _judged(ctx, connection, list(records.values()), log)
    await _add_pool_holds(ctx, connection, judged)
    await _apply_brake(ctx, work, connection, judged, released)
    moved = [(one.record, log.change(one.record, one.sim, _because(one, log.now))) for one in judged]
    await _speak(connection, log, judged)
    await log.write(work)
    changed = [(before, after) for before, after in moved if before.sim != after.sim]
    await follow_holds(ctx, work, changed, reason="ST-24")
    watches = [(one.record.id, one.cycle, one.watch) for one in judged]
    await rows.set_watches(connection, watches)
    await pool_cycles.follow_cards(connection, [(one.record.id, one.cycle) for one in judged if one.sim.pool])


async def _judged(ctx: Context, connection: Connection, records: Sequence[SimRecord], log: ChangeLog) -> list[Judged]:
    zones = {record.account: ctx.zone(record.account) for record in records}
    cycles = {r.id: cycle_number(cycle_at(r.sim.carrier, log.now, zones[r.account])) for r in records}
    counters = await rows.counters(connection, sorted(cycles.items()))
    testing = [record.id for record in records if record.sim.underlying is SimState.TESTING]
    ever = await rows.bytes_ever(connection, testing) if testing else {}
    reminders = await _reminders(connection, [record.id for record in records])
    judged = []
    for record in records:
        counter = counters.get(record.id)
        today = local(log.now, zones[record.account]).date()
        judged.append(_judge_one(record, cycles[record.id], counter, today, ever.get(record.id, 0), log))
        _look_again(judged[-1], reminders.get(record.id, NO_REMINDERS), ever.get(record.id, 0))
    return judged


def _judge_one(
    record: SimRecord, cycle: int, counter: asyncpg.Record | None, today: date, ever: int, log: ChangeLog
) -> Judged:
    used, addons = (counter["used"], counter["addons"]) if counter else (0, 0)
    sim = record.sim
    if sim.underlying is SimState.TESTING:
        allowed = allowed_test_bytes(sim)
        if allowed is not None and ever >= allowed:
            sim, _ = end_test_early(sim, today, at=log.now)
    after, _ = weighed(sim, used, addons, at=log.now, today=today)
    added = codes(after.holds) - codes(sim.holds)
    return Judged(record=record, cycle=cycle, used=used, addons=addons, today=today, sim=after, added=frozenset(added))


def _look_again(one: Judged, wanted: Reminders, ever: int) -> None:
    """At how many bytes of the cycle the next thing happens; thresholds reached by now are told."""
    points = []
    if one.sim.underlying is SimState.TESTING:
        allowed = allowed_test_bytes(one.sim)
        points += [] if allowed is None else [one.used + max(1, allowed - ever)]
    elif one.sim.underlying is SimState.ACTIVE:
        points += [limit.at + (limit.edge is Edge.PASSED) for limit in limits(one.sim, one.addons, one.today)]
        points += [level * MB for level in wanted.usage_mb if level > 0]
    one.told = usage_due(wanted, one.sim.underlying, one.used) if one.sim.underlying is SimState.ACTIVE else ()
    one.watch = min((point for point in points if point > one.used), default=None)


async def _reminders(connection: Connection, sim_ids: Sequence[int]) -> dict[int, Reminders]:
    """What owners asked to be told (RM-1); nobody is reminded unasked."""
    asked = await rows.reminders_of(connection, sim_ids)
    return {
        sim_id: Reminders(usage_mb=_two(given.get("usage_mb", ())), expiry_days=_two(given.get("expiry_days", ())))
        for sim_id, given in asked.items()
    }


def _two(levels: Sequence[int]) -> tuple[int, int]:
    padded = (*levels, 0, 0)
    return padded[0], padded[1]


async def _add_pool_holds(ctx: Context, connection: Connection, judged: Sequence[Judged]) -> None:
    """Members of a pool that is stopped come under its hold, also those that came to it since (PL-1, PL-4)."""
    brought = await bring_under(ctx, connection, [(one.record, one.sim) for one in judged])
    for one in judged:
        sim = brought.get(one.record.id, one.sim)
        one.added |= codes(sim.holds) - codes(one.sim.holds)
        one.sim = sim


async def _apply_brake(
    ctx: Context,
    work: UnitOfWork,
    connection: Connection,
    judged: Sequence[Judged],
    released: Iterable[tuple[int, HoldCode]],
) -> None:
    """Take back the holds that the brake keeps waiting (ST-25)."""
    stopping = [one for one in judged if one.added]
    if not stopping:
        return
    free = frozenset(released)
    brake = await open_brake(ctx, connection, [one.record for one in stopping])
    for one in stopping:
        for code in sorted(one.added):
            if not brake.lets(one.record, one.cycle, code, released=(one.record.id, code) in free):
                one.sim = replace(one.sim, holds=tuple(hold for hold in one.sim.holds if hold.code is not code))
    await work.events.add(await brake.write(connection))


def _because(one: Judged, now: datetime) -> Because:
    rule = next((HOLDS[code].rule for code in sorted(one.added)), "ST-24")
    if one.record.sim.underlying is not one.sim.underlying:
        rule = "LC-1"
    return Because(cause=CAUSE, actor=ACTOR, effective_at=now, rule=rule)


async def _speak(connection: Connection, log: ChangeLog, judged: Sequence[Judged]) -> None:
    """`usage.threshold_crossed`, once a cycle for each threshold (RM-1)."""
    marks = [(one.record.id, one.cycle, f"{USAGE_MARK}{level}") for one in judged for level in one.told]
    if not marks:
        return
    fresh = await rows.mark(connection, marks, log.now)
    for one in judged:
        for level in one.told:
            if (one.record.id, f"{USAGE_MARK}{level}") in fresh:
                because = Because(cause=CAUSE, actor=ACTOR, effective_at=log.now, rule="RM-1")
                data = {"threshold_mb": level, "cycle": one.cycle, "before": {}, "after": {"used": one.used}}
                log.tell(one.record, EventType.USAGE_THRESHOLD_CROSSED.value, because, data)


async def touch(work: UnitOfWork, sim_ids: Iterable[int]) -> None:
    """Have these cards' limits looked at: what they may use has changed (an add-on, a threshold, a plan, a state)."""
    await rows.queue_checks(await driver(work), sim_ids)
