"""The rollover into a new cycle (BC-4, ST-21): its predecessor's holds are lifted, its pools closed.

Runs daily in each zone; an account whose cycle has not changed since the last run costs one row. In chunks by SIM row
id, restartable: a hold put on in the new cycle stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

from app.db.connection import DATABASE_ERRORS, Connection
from app.db.mapping import SimRecord
from app.db.pools import cycles as sums
from app.db.pools import rows as pools
from app.db.usage import brake as rule_stops
from app.db.usage import rollovers as rows
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, preceding, start_instant
from app.domain.sim.holds import start_cycle
from app.domain.sim.model import Sim
from app.domain.sim.transitions import Cause
from app.domain.vocabulary import Carrier, HoldCode
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.operations.enforce_holds import enqueue_enforcement
from app.usecases.pools.views import PoolRow, pool_usage, pool_zone, running_cycle
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

CHUNK = 500
ACTOR = "cycle_rollover"
OUTLIVES_CYCLE = (HoldCode.ARREARS.value,)
"""Holds that no new cycle lifts: behind the brake they go on waiting, until they are released or paid (ST-14)."""

log = get_logger(ACTOR)


async def roll_over_zone(ctx: Context, zone: tzinfo) -> dict[str, int]:
    """Roll over the accounts of one zone that have entered a new cycle, and close their pools' cycles."""
    report = {"accounts": 0, "lifted": 0, "pools": 0}
    here = {code: account for code, account in ctx.accounts.items() if str(ctx.zone(code)) == str(zone)}
    report["pools"] += await _close_pools(ctx, {account.carrier for account in here.values()}, zone)
    for code, account in here.items():
        cycle = cycle_at(account.carrier, ctx.now(), zone)
        async with ctx.pool.acquire() as connection:
            is_rolled_over = await rows.is_rolled_over(connection, code, cycle_number(cycle))
        if is_rolled_over:
            continue
        roll_over = partial(_roll_over_accounts, ctx, report)
        await handle_isolated(ctx, Task.CYCLE_ROLLOVER, [code], roll_over, kind=SubjectKind.ACCOUNT)
    return report


async def _roll_over_accounts(ctx: Context, report: dict[str, int], accounts: Sequence[str]) -> int:
    for code in accounts:
        cycle = cycle_at(ctx.accounts[code].carrier, ctx.now(), ctx.zone(code))
        report["lifted"] += await _roll_over_account(ctx, code, cycle)
        report["accounts"] += 1
    return len(accounts)


async def _roll_over_account(ctx: Context, account: str, cycle: Cycle) -> int:
    """Roll an account's SIMs over, chunk by chunk; a SIM that cannot be is set aside."""
    lifted, number = 0, cycle_number(cycle)
    while True:
        # Split on purpose: a chunk has transactions of its own (`handle_isolated`), and the cursor moves after it. A
        # run that dies in between repeats the chunk, whose SIMs have no hold of the old cycle left.
        async with ctx.work() as work:
            connection = await work.driver()
            cursor = await rows.lock(connection, account, number)
            ids = await rows.held_cards(connection, account, cursor, CHUNK)
            await work.commit()
        lifted += await handle_isolated(ctx, Task.CYCLE_ROLLOVER, ids, partial(_roll_over_chunk, ctx))
        async with ctx.work() as work:
            connection = await work.driver()
            if len(ids) < CHUNK:
                await rule_stops.drop_waiting(connection, account, number, OUTLIVES_CYCLE)
                await rows.finish(connection, account, number, ctx.now())
            else:
                await rows.save_cursor(connection, account, ids[-1])
            await work.commit()
        if len(ids) < CHUNK:
            return lifted


async def roll_over_again(ctx: Context, kind: SubjectKind, ids: Sequence[Any]) -> None:
    """Roll these accounts or SIMs over, or close these pools' cycles; what fails stays set aside."""
    if kind is SubjectKind.ACCOUNT:
        roll_over = partial(_roll_over_accounts, ctx, Counter())
        await handle_isolated(ctx, Task.CYCLE_ROLLOVER, ids, roll_over, kind=kind)
        return
    if kind is SubjectKind.POOL:
        await _close_each(ctx, ids)
        return
    await handle_isolated(ctx, Task.CYCLE_ROLLOVER, ids, partial(_roll_over_chunk, ctx), kind=kind)


async def _roll_over_chunk(ctx: Context, sim_ids: Sequence[int]) -> int:
    """Roll SIMs over in one transaction; gives how many changed."""
    async with ctx.work() as work:
        records = await work.sims.by_ids(sim_ids, for_update=True)
        recorder = SimChangeRecorder(ctx.now(), ctx.zone)
        rolled_over = [(record, _roll_over(recorder, record, _opens(ctx, record))) for record in records.values()]
        await recorder.write(work)
        changed = [(before, after) for before, after in rolled_over if before.sim != after.sim]
        await enqueue_enforcement(ctx, work, changed, reason="ST-21")
        await work.commit()
    return len(changed)


def _opens(ctx: Context, record: SimRecord) -> datetime:
    """When the running cycle of a SIM opened."""
    zone = ctx.zone(record.account)
    return start_instant(cycle_at(record.sim.carrier, ctx.now(), zone), zone)


def _roll_over(recorder: SimChangeRecorder, record: SimRecord, opens: datetime) -> SimRecord:
    reason = ChangeReason(cause=Cause.CYCLE_START, actor=ACTOR, effective_at=opens, rule="ST-21")
    return recorder.change(record, after_rollover(record.sim, opens), reason)


def after_rollover(sim: Sim, opens: datetime) -> Sim:
    """The SIM at the start of a cycle; holds put on since stay (ST-21)."""
    old = tuple(hold for hold in sim.holds if hold.since < opens)
    _, leaving = start_cycle(replace(sim, holds=old), opens.date())
    return replace(sim, holds=tuple(h for h in sim.holds if h.since >= opens or h.code not in leaving))


async def _close_pools(ctx: Context, carriers: set[Carrier], zone: tzinfo) -> int:
    """Close the cycles that are over of the pools of one zone, each in its own transaction; gives how many pools."""
    async with ctx.pool.acquire() as connection:
        found = await pools.every(connection, [carrier.value for carrier in sorted(carriers)])
    due = [pool for pool in found if str(pool_zone(ctx, pool)) == str(zone)]
    due = [pool for pool in due if pool["open_cycle"] != cycle_number(running_cycle(ctx, pool))]
    return await _close_each(ctx, [pool["ref"] for pool in due])


async def _close_each(ctx: Context, refs: Sequence[int]) -> int:
    """Close the cycles of these pools, each in its own transaction; one that cannot be closed is set aside."""
    closed = 0

    async def close(one: Sequence[int]) -> int:
        async with ctx.work() as work:
            await _close_pool(ctx, await work.driver(), one[0])
            await work.commit()
        return 1

    for ref in refs:
        try:
            closed += await handle_isolated(ctx, Task.CYCLE_ROLLOVER, [ref], close, kind=SubjectKind.POOL)
        except DATABASE_ERRORS:  # its cycle stays open, and is closed by the next run
            log.exception("cycle_rollover.pool_failed", pool_ref=ref)
    return closed


async def _close_pool(ctx: Context, connection: Connection, ref: int) -> None:
    """Freeze the cards and totals of every cycle that is over; a postpaid pool is in use again (PL-7, ST-13).

    Members count as they are now, each from its activation (PL-2); later joins change nothing (PL-6).
    """
    # Locks: counters by SIM and cycle, then the pool's cycles, then the pool's row.
    pool = await pools.by_ref(connection, ref)
    if pool is None:
        return
    now = cycle_number(running_cycle(ctx, pool))
    over = [cycle for cycle in _cycles_over(ctx, pool) if not await _is_closed(connection, ref, cycle)]
    await sums.move_pool_counters(connection, [*((ref, cycle_number(cycle)) for cycle in over), (ref, now)])
    pool = pool | {"open_cycle": cycle_number(over[0]) if over else now}
    for cycle in over:
        await sums.keep_members(connection, ref, cycle_number(cycle), cycle.end)
        use, _ = await pool_usage(ctx, connection, pool, cycle)
        await sums.close_cycle(connection, ref, cycle_number(cycle), use, at=ctx.now())
    await pools.reopen(connection, ref, now, ctx.now())


async def _is_closed(connection: Connection, ref: int, cycle: Cycle) -> bool:
    """Whether the cycle was closed before pools had `open_cycle`; it stays as it is."""
    kept = await sums.cycle_of(connection, ref, cycle_number(cycle))
    return kept is not None and kept["closed_at"] is not None


def _cycles_over(ctx: Context, pool: PoolRow) -> list[Cycle]:
    """The pool's cycles that are over and not closed, oldest first; without `open_cycle`, the last one."""
    carrier, now, opened = Carrier(pool["carrier"]), running_cycle(ctx, pool), pool["open_cycle"]
    cycle = preceding(carrier, now)
    over = [cycle] if opened is None else []
    while opened is not None and cycle_number(cycle) >= opened:
        over.insert(0, cycle)
        cycle = preceding(carrier, cycle)
    return over
