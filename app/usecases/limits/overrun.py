"""Overrun charged to the balance (QT-3), and arrears where the balance is empty (ST-14).

Each (SIM, cycle) is charged the difference between what it owes and what it was charged, at the price of its first
charge: twice is nothing, and a correction downwards or an add-on pack gives back. An empty balance puts in arrears the
SIMs whose overrun of the running cycle was charged, and any SIM that is charged while it is empty (D); each once until
the balance has been positive again, so that a resume once paid lasts until the next charge (ST-20).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo

from app.db.commerce import overruns as rows
from app.db.commerce.overruns import Charge, Pair
from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.domain.calendar.cycles import cycle_at, cycle_named, cycle_number, end_instant, preceding, start_instant
from app.domain.commerce.balance import Draft, EntryKind, is_empty
from app.domain.sim.holds import codes, is_ours, with_hold, without_hold
from app.domain.sim.model import Hold, Sim
from app.domain.usage.overrun import is_charged, overrun_mb
from app.domain.vocabulary import HoldCode, HoldSource, PlanKind, SimState
from app.usecases.balance.entries import post_entries
from app.usecases.context import Context
from app.usecases.limits.evaluation import LimitEvaluation

SETTLED_AFTER = timedelta(days=5)
"""After a cycle's start its predecessor is queued no more; what changes later queues itself."""


@dataclass(slots=True, kw_only=True)
class Overruns:
    """What a chunk of evaluations owes and was charged; `spells`: of the SIMs whose arrears this chunk may put on."""

    charges: dict[Pair, Charge]
    owed_mb: dict[Pair, int] = field(default_factory=dict)
    prices: dict[Pair, int] = field(default_factory=dict)
    charged_now: set[int] = field(default_factory=set)
    spells: dict[int, int] = field(default_factory=dict)
    released: frozenset[int] = frozenset()
    """SIMs whose arrears waited behind the brake, also since an earlier cycle, until a person released it (ST-25)."""


async def charge_overrun(
    ctx: Context,
    work: UnitOfWork,
    connection: Connection,
    evaluations: Sequence[LimitEvaluation],
    *,
    released: frozenset[int] = frozenset(),
) -> tuple[list[LimitEvaluation], dict[int, int]]:
    """Charge what these SIMs owe; gives the evaluations with arrears put on or lifted, and the spells to remember.

    `released`: the SIMs whose arrears a person has released from the brake.

    Locks the balances of the tenants concerned: behind the counters, before the brake.
    """
    checks = await rows.take_checks(connection, [one.usage.record.id for one in evaluations])
    queued = {sim_id for sim_id, _ in checks}
    concerned = [one for one in evaluations if _is_concerned(one, queued | released)]
    if not concerned:
        return list(evaluations), {}
    found = await _load(ctx, connection, concerned, checks)
    found.released = released
    by_tenant: dict[str, list[LimitEvaluation]] = defaultdict(list)
    for one in concerned:
        by_tenant[one.usage.record.tenant].append(one)
    held: dict[int, Sim] = {}
    for tenant, of_tenant in sorted(by_tenant.items()):
        held |= await _charge_tenant(ctx, work, connection, tenant, of_tenant, found)
    return [replace(one, sim=held.get(one.usage.record.id, one.sim)) for one in evaluations], found.spells


def _is_concerned(one: LimitEvaluation, queued: set[int]) -> bool:
    record = one.usage.record
    return record.id in queued or is_charged(one.sim, one.usage.today) or _in_our_arrears(one.sim)


def _in_our_arrears(sim: Sim) -> bool:
    return any(hold.code is HoldCode.ARREARS and is_ours(hold) for hold in sim.holds)


async def _load(
    ctx: Context, connection: Connection, concerned: Sequence[LimitEvaluation], checks: set[Pair]
) -> Overruns:
    """What these SIMs owe of the running cycle and of the closed ones that are queued, and what they were charged."""
    records = {one.usage.record.id: one.usage.record for one in concerned}
    running = {(one.usage.record.id, one.usage.cycle): one for one in concerned}
    closed = sorted(pair for pair in checks if pair not in running)
    tenants = {sim_id: record.tenant for sim_id, record in records.items()}
    found = Overruns(charges=await rows.charges(connection, tenants, [*running, *closed]))
    for pair, one in running.items():
        if is_charged(one.sim, one.usage.today):
            plan = one.sim.plan
            found.owed_mb[pair] = overrun_mb(one.usage.used, plan.allowance + one.usage.addons)
            found.prices[pair] = plan.overrun_fen_per_mb or 0
    if closed:
        await _load_closed(ctx, connection, records, closed, found)
    return found


async def _load_closed(
    ctx: Context, connection: Connection, records: Mapping[int, SimRecord], closed: Sequence[Pair], found: Overruns
) -> None:
    """What closed cycles owe, by the plan that the SIM had at their end and whether a stop is chosen now."""
    ends = {pair: _end_of(ctx, records[pair[0]], pair[1]) for pair in closed}
    for row in await rows.closed_usage(connection, ends):
        pair = (row["sim_id"], row["cycle"])
        earlier, sim = found.charges.get(pair), records[row["sim_id"]].sim
        price = earlier.fen_per_mb if earlier else row["overrun_fen_per_mb"]
        plan = replace(
            sim.plan,
            allowance=row["allowance"],
            auto_stop=row["auto_stop"],
            kind=PlanKind(row["kind"]),
            overrun_fen_per_mb=price,
        )
        if is_charged(replace(sim, plan=plan, pool=None), ends[pair].date()):
            found.owed_mb[pair] = overrun_mb(row["used"], row["allowance"] + row["addons"])
            found.prices[pair] = price


def _end_of(ctx: Context, record: SimRecord, number: int) -> datetime:
    cycle = cycle_named(record.sim.carrier, f"{number // 100:04d}-{number % 100:02d}")
    return end_instant(cycle, ctx.zone(record.account))


async def _charge_tenant(
    ctx: Context,
    work: UnitOfWork,
    connection: Connection,
    tenant: str,
    evaluations: Sequence[LimitEvaluation],
    found: Overruns,
) -> dict[int, Sim]:
    """Charge a tenant's SIMs; gives those whose arrears are put on or lifted, by row id."""
    drafts: list[Draft] = []
    stored: list[Charge] = []
    records = {one.usage.record.id: one.usage.record for one in evaluations}
    for pair in sorted(pair for pair in found.owed_mb if pair[0] in records):
        before = found.charges.get(pair) or Charge(
            sim_id=pair[0], cycle=pair[1], tenant=tenant, fen_per_mb=found.prices[pair]
        )
        more = found.owed_mb[pair] - before.charged_mb
        if more:
            after = replace(before, charged_mb=found.owed_mb[pair], times=before.times + 1)
            stored.append(after)
            found.charges[pair] = after
            drafts += _drafts(records[pair[0]].sim.iccid, after, -more * before.fen_per_mb)
            if more > 0:
                found.charged_now.add(pair[0])
    if not drafts and not any(_may_change(one, found) for one in evaluations):
        await rows.store(connection, stored)
        return {}
    posted = await post_entries(ctx, work, tenant, drafts)
    await rows.store(connection, stored)
    empty = is_empty(posted.balance_fen)
    return {one.usage.record.id: _with_arrears(ctx, one, found, posted.spell, empty=empty) for one in evaluations}


def _drafts(iccid: str, charge: Charge, amount_fen: int) -> list[Draft]:
    """The entry of one charge, none where it costs nothing; its reference counts the charges of the SIM's cycle."""
    if amount_fen == 0:
        return []
    reference = f"{iccid}:{charge.cycle}:{charge.times}"
    kind = EntryKind.OVERRUN
    return [Draft(kind=kind, reference=reference, amount_fen=amount_fen, iccid=iccid, cycle=charge.cycle)]


def _may_change(one: LimitEvaluation, found: Overruns) -> bool:
    """Whether the balance decides about the SIM: it is in arrears or was to be, or its overrun now was charged."""
    charge = found.charges.get((one.usage.record.id, one.usage.cycle))
    return (
        _in_our_arrears(one.sim)
        or one.usage.record.id in found.released
        or (charge is not None and charge.charged_mb > 0)
    )


def _with_arrears(ctx: Context, one: LimitEvaluation, found: Overruns, spell: int, *, empty: bool) -> Sim:
    """The SIM with arrears put on or lifted by the balance (ST-14)."""
    sim, record = one.sim, one.usage.record
    if not empty:
        return without_hold(sim, HoldCode.ARREARS) if _in_our_arrears(sim) else sim
    charge = found.charges.get((record.id, one.usage.cycle))
    fresh = charge is not None and charge.charged_mb > 0 and charge.held_in_spell != spell
    wanted = record.id in found.charged_now or fresh or record.id in found.released
    if not wanted or sim.underlying is not SimState.ACTIVE or HoldCode.ARREARS in codes(sim.holds):
        return sim
    found.spells[record.id] = spell
    return with_hold(sim, Hold(code=HoldCode.ARREARS, since=ctx.now(), source=HoldSource.GATEWAY))


async def remember_arrears(
    connection: Connection, evaluations: Sequence[LimitEvaluation], spells: Mapping[int, int]
) -> None:
    """Remember the arrears that were put on, after the brake, so that each spell puts them on once."""
    on = {one.usage.record.id for one in evaluations if HoldCode.ARREARS in codes(one.sim.holds)}
    kept = {sim_id: spell for sim_id, spell in spells.items() if sim_id in on}
    if kept:
        await rows.store_held(connection, kept)


async def queue_closed_cycles(ctx: Context, zone: tzinfo) -> dict[str, int]:
    """Queue what the cycles that closed lately in this zone still owe: usage that came in as they turned (QT-3)."""
    queued = 0
    for code, account in ctx.accounts.items():
        running = cycle_at(account.carrier, ctx.now(), ctx.zone(code))
        today = ctx.today(code)
        if str(ctx.zone(code)) != str(zone) or today - running.start >= SETTLED_AFTER:
            continue
        number = cycle_number(preceding(account.carrier, running))
        async with ctx.pool.acquire() as connection:
            queued += await rows.queue_closed(connection, code, number, start_instant(running, zone))
    return {"queued": queued}


async def is_not_priced(ctx: Context) -> bool:
    """Whether no plan has a price for overrun, so that nothing is to be queued."""
    async with ctx.pool.acquire() as connection:
        return not await rows.is_priced(connection)
