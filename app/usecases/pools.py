"""Pools (流量池, PL): made, renamed, topped up, given rules; what a cycle of one shows, its members, its outlook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.db import pools as rows
from app.db.access import AuditRow
from app.db.ingest import Connection
from app.db.sim_read import cycle_number
from app.db.unknown_reports import driver
from app.db.uow import UnitOfWork
from app.db.usage import queue_checks
from app.domain.cycles import Cycle, cycle_at, cycle_named
from app.domain.days import local
from app.domain.pools import PoolUse
from app.domain.vocabulary import Carrier, OperationKind, PlanKind
from app.usecases.bulk.request import RequestBulk, request_bulk
from app.usecases.bulk.selectors import Pool
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.sims import current_cycles

KIND_OF_PLAN: Mapping[str, PlanKind] = {"forward": PlanKind.POOL_FORWARD, "backward": PlanKind.POOL_BACKWARD}
RULES = ("levels_pct", "remaining", "levels", "stop_at")
"""Percents of a forward pool's total, bytes remaining, bytes used, and the bytes at which a backward pool stops."""

PoolRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, why, and the id that joins what comes of it."""

    name: str
    reason: str | None = None
    correlation_id: str | None = None


async def make_pool(
    ctx: Context, work: UnitOfWork, tenant: str, given: Mapping[str, Any], actor: Actor
) -> dict[str, Any]:
    """A new pool of one carrier and one plan (PL-5). Raises `InvalidArgument`, `Conflict`."""
    faults = [
        Fault(code="REQUIRED", detail="1 to 100 characters", pointer=f"/{name}")
        for name in ("id", "name", "carrier", "plan", "kind")
        if not isinstance(given.get(name), str) or not 0 < len(given[name]) <= 100  # noqa: PLR2004
    ]
    faults += [
        Fault(code="UNKNOWN_FIELD", detail="not known here", pointer=f"/{name}")
        for name in given
        if name not in ("id", "name", "carrier", "plan", "kind")
    ]
    if not faults:
        plan = (await work.plans.all(tenant)).get(given["plan"])
        if given["kind"] not in KIND_OF_PLAN:
            faults.append(Fault(code="UNKNOWN_WORD", detail="forward or backward", pointer="/kind"))
        elif plan is None:
            faults.append(Fault(code="UNKNOWN_PLAN", detail="no such plan", pointer="/plan"))
        elif plan.carrier.value != given["carrier"] or plan.kind is not KIND_OF_PLAN[given["kind"]]:
            detail = "the plan is not of this carrier and kind (PL-5)"
            faults.append(Fault(code="PLAN_MISMATCH", detail=detail, pointer="/plan"))
    if faults:
        raise InvalidArgument(faults)
    columns = [tenant, *(given[name] for name in ("id", "name", "kind", "carrier", "plan")), ctx.now()]
    connection = await driver(work)
    if await rows.add(connection, columns) is None:
        raise Conflict("ALREADY_EXISTS", "there is a pool of that id")
    await _note(ctx, work, tenant, given["id"], "pool.made", actor, dict(given))
    return await show_pool(ctx, connection, await _found(connection, tenant, given["id"]))


async def read_pool(ctx: Context, tenant: str, pool: str) -> dict[str, Any]:
    """One pool with its running cycle. Raises `NotFound`."""
    async with ctx.pool.acquire() as connection:
        return await show_pool(ctx, connection, await _found(connection, tenant, pool))


async def list_pools(ctx: Context, tenant: str, *, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """A page of pools, and the number of the last where more follow."""
    async with ctx.pool.acquire() as connection:
        found = await rows.page(connection, tenant, after, limit + 1)
        shown = [await show_pool(ctx, connection, pool) for pool in found[:limit]]
    return shown, found[limit - 1]["ref"] if len(found) > limit else None


async def show_pool(ctx: Context, connection: Connection, pool: PoolRow) -> dict[str, Any]:
    """The pool as callers see it (PL-7)."""
    names = ("id", "name", "kind", "carrier", "plan", "rules")
    return {
        **{name: pool[name] for name in names},
        "state": pool["state"] if pool["kind"] == "backward" else None,
        "created_at": pool["created_at"].isoformat(),
        "cycle": await show_cycle(ctx, connection, pool, running_cycle(ctx, pool)),
    }


def running_cycle(ctx: Context, pool: PoolRow) -> Cycle:
    """The cycle a pool is in (PL-7, BC-4)."""
    return cycle_named(Carrier(pool["carrier"]), _cycle_id(current_cycles(ctx)[pool["carrier"]]))


def _cycle_id(number: int) -> str:
    return f"{number // 100:04d}-{number % 100:02d}"


async def use_of(ctx: Context, connection: Connection, pool: PoolRow, cycle: Cycle) -> tuple[PoolUse, datetime | None]:
    """A cycle's figures and their `as_of`: the members' sum, a total for a forward pool (PL-1, PL-4)."""
    number = cycle_number(cycle)
    kept = await rows.cycle_of(connection, pool["ref"], number)
    addons = kept["addons"] if kept else 0
    if cycle == running_cycle(ctx, pool):
        summed = await rows.running(connection, pool["tenant"], pool["id"], number)
        total = summed["effective_cards"] * (pool["allowance"] or 0) + addons
        cards, effective = summed["cards"], summed["effective_cards"]
    else:
        summed = await rows.closed(connection, pool["ref"], number)
        cards = kept["cards"] if kept and kept["cards"] is not None else summed["cards"]
        effective = kept["effective_cards"] if kept and kept["cards"] is not None else summed["effective_cards"]
        total = kept["total"] if kept and kept["total"] is not None else 0
    total = total if pool["kind"] == "forward" else None
    used = summed["used"]
    remaining = None if total is None else total - used
    use = PoolUse(cards=cards, effective_cards=effective, total=total, used=used, remaining=remaining)
    return use, summed["as_of"]


async def show_cycle(ctx: Context, connection: Connection, pool: PoolRow, cycle: Cycle) -> dict[str, Any]:
    """One cycle of a pool as callers see it (`api.md`, Plans, pools, orders)."""
    use, as_of = await use_of(ctx, connection, pool, cycle)
    state = pool["state"] if pool["kind"] == "backward" else "exhausted" if use.exhausted else "in_use"
    return {
        "pool": pool["id"],
        "kind": pool["kind"],
        "cycle": {"id": cycle.id, "start": cycle.start.isoformat(), "end": cycle.end.isoformat()},
        "cards": use.cards,
        "effective_cards": use.effective_cards,
        "total": use.total,
        "used": use.used,
        "remaining": use.remaining,
        "state": state,
        "as_of": as_of.isoformat() if as_of else None,
    }


async def read_cycle(ctx: Context, tenant: str, pool: str, name: str) -> dict[str, Any]:
    """A cycle of a pool, running or past. Raises `NotFound`, `Malformed`."""
    async with ctx.pool.acquire() as connection:
        found = await _found(connection, tenant, pool)
        cycle = _known_cycle(ctx, found, name)
        return await show_cycle(ctx, connection, found, cycle)


def _known_cycle(ctx: Context, pool: PoolRow, name: str) -> Cycle:
    cycle, now = cycle_named(Carrier(pool["carrier"]), name), running_cycle(ctx, pool)
    if cycle.start > now.start:
        raise NotFound("cycle")
    return cycle


async def read_members(
    ctx: Context, tenant: str, pool: str, cycle_id: str | None, *, after: int, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Members with what they used in a cycle. Raises `NotFound`, `Malformed`."""
    async with ctx.pool.acquire() as connection:
        found = await _found(connection, tenant, pool)
        now = running_cycle(ctx, found)
        cycle = now if cycle_id is None else _known_cycle(ctx, found, cycle_id)
        number = cycle_number(cycle)
        if cycle == now:
            members = await rows.members(connection, tenant, pool, number, after, limit + 1)
        else:
            members = await rows.closed_members(connection, found["ref"], number, after, limit + 1)
    items = [
        {
            "iccid": row["iccid"],
            "state": row["state"],
            "activated_on": row["activated_on"].isoformat() if row["activated_on"] else None,
            "cycle": cycle.id,
            "used": row["used"],
            "reported": row["reported"] or 0,
            "as_of": row["as_of"].isoformat() if row["as_of"] else None,
        }
        for row in members[:limit]
    ]
    return items, members[limit - 1]["id"] if len(members) > limit else None


async def rename_pool(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, name: Any, actor: Actor
) -> dict[str, Any]:
    """Another name (PL-7). Raises `NotFound`, `InvalidArgument`."""
    if not isinstance(name, str) or not 0 < len(name) <= 100:  # noqa: PLR2004
        raise InvalidArgument([Fault(code="TEXT_UNUSABLE", detail="1 to 100 characters", pointer="/name")])
    connection = await driver(work)
    found = await _found(connection, tenant, pool)
    await rows.rename(connection, found["ref"], name)
    await _note(ctx, work, tenant, pool, "pool.renamed", actor, {"name": name})
    return await show_pool(ctx, connection, found | {"name": name})


async def order_pack(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, amount: Any, actor: Actor
) -> dict[str, Any]:
    """A pool add-on of the running cycle, in force now (QT-7). Raises `NotFound`, `InvalidArgument`, `Conflict`."""
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= 1 << 50:
        raise InvalidArgument([Fault(code="WRONG_TYPE", detail="bytes above 0", pointer="/bytes")])
    connection = await driver(work)
    found = await _found(connection, tenant, pool)
    if found["kind"] != "forward":
        raise Conflict("INCOMPATIBLE_STATE", "add-ons are for forward pools", rule="QT-7")
    cycle = running_cycle(ctx, found)
    await rows.add_pack(connection, found["ref"], cycle_number(cycle), amount, ctx.now())
    await queue_checks(connection, pool_refs=[found["ref"]])
    await _note(ctx, work, tenant, pool, "pool.addon", actor, {"bytes": amount, "cycle": cycle.id})
    return await show_cycle(ctx, connection, found, cycle)


async def set_rules(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, rules: Mapping[str, Any], actor: Actor
) -> dict[str, Any]:
    """What happens at which use: levels speak once a cycle, `stop_at` stops a backward pool (PL-4, PL-8, RM-2)."""
    faults = [Fault(code="UNKNOWN_FIELD", detail="not known here", pointer=f"/{n}") for n in rules if n not in RULES]
    for name in ("levels_pct", "remaining", "levels"):
        value = rules.get(name, [])
        if not isinstance(value, list) or len(value) > 10 or not all(_amount(one) for one in value):  # noqa: PLR2004
            faults.append(Fault(code="WRONG_TYPE", detail="at most 10 whole numbers", pointer=f"/{name}"))
    if rules.get("stop_at") is not None and not _amount(rules["stop_at"]):
        faults.append(Fault(code="WRONG_TYPE", detail="bytes, or null", pointer="/stop_at"))
    connection = await driver(work)
    found = await _found(connection, tenant, pool)
    if rules.get("stop_at") is not None and found["kind"] == "forward":
        detail = "a forward pool stops where nothing remains (PL-1)"
        faults.append(Fault(code="NOT_FOR_THIS_KIND", detail=detail, pointer="/stop_at"))
    if faults:
        raise InvalidArgument(faults)
    await rows.set_rules(connection, found["ref"], dict(rules))
    await queue_checks(connection, pool_refs=[found["ref"]])
    await _note(ctx, work, tenant, pool, "pool.rules", actor, dict(rules))
    return dict(rules)


def _amount(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 60


async def read_rules(ctx: Context, tenant: str, pool: str) -> dict[str, Any]:
    """The rules of a pool. Raises `NotFound`."""
    async with ctx.pool.acquire() as connection:
        found = await _found(connection, tenant, pool)
    rules: dict[str, Any] = found["rules"]
    return rules


async def activate_members(ctx: Context, work: UnitOfWork, tenant: str, pool: str, actor: Actor) -> UUID:
    """Activate the pool's inactive cards, as a bulk operation (AC-1); gives its id. Raises `NotFound`."""
    await _found(await driver(work), tenant, pool)
    wish = RequestBulk(
        tenant=tenant,
        kind=OperationKind.ACTIVATE,
        selector=Pool(pool=pool),
        requested_by=actor.name,
        reason=actor.reason,
        correlation_id=actor.correlation_id,
    )
    return (await request_bulk(ctx, work, wish)).id


async def forecast(ctx: Context, tenant: str, pool: str) -> dict[str, Any]:
    """Where the running cycle ends if days go on as those of it that are over; whole bytes, half a day is none."""
    async with ctx.pool.acquire() as connection:
        found = await _found(connection, tenant, pool)
        cycle = running_cycle(ctx, found)
        use, as_of = await use_of(ctx, connection, found, cycle)
        daily = await rows.daily(connection, tenant, pool, cycle_number(cycle))
    today = local(ctx.now(), ctx.zone(_account_of(ctx, found))).date()
    return {
        "pool": pool,
        "cycle": cycle.id,
        "used": use.used,
        "total": use.total,
        "as_of": as_of.isoformat() if as_of else None,
        **_outlook(use, cycle, today, daily),
    }


def _outlook(use: PoolUse, cycle: Cycle, today: date, daily: Mapping[int, int]) -> dict[str, Any]:
    over = (today - cycle.start).days
    left = (cycle.end - today).days
    per_day = sum(amount for place, amount in daily.items() if place <= over) // over if over else None
    expected = None if per_day is None else use.used + per_day * left
    exhausts_on: str | None = None
    if per_day and use.remaining is not None:
        days = max(0, use.remaining) // per_day
        exhausts_on = date.fromordinal(today.toordinal() + days).isoformat() if days < left else None
    return {"per_day": per_day, "days_left": left, "expected": expected, "exhausts_on": exhausts_on}


def _account_of(ctx: Context, pool: PoolRow) -> str:
    return next((code for code, account in ctx.accounts.items() if account.carrier.value == pool["carrier"]), "")


async def _found(connection: Connection, tenant: str, pool: str) -> dict[str, Any]:
    found = await rows.get(connection, tenant, pool)
    if found is None:
        raise NotFound("pool")
    return found


async def _note(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, action: str, actor: Actor, after: dict[str, Any]
) -> None:
    row = AuditRow(
        tenant=tenant,
        at=ctx.now(),
        actor=actor.name,
        action=action,
        subject=pool,
        reason=actor.reason,
        correlation_id=actor.correlation_id,
        after=after,
    )
    await work.access.note([row])


def cycle_now(ctx: Context, account: str, carrier: Carrier) -> Cycle:
    """The running cycle of an account's cards."""
    return cycle_at(carrier, ctx.now(), ctx.zone(account))
