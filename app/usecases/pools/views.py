"""Pools as callers see them (PL-7): a cycle's sums, its members; summed when read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.db.connection import Connection
from app.db.pools import cycles as sums
from app.db.pools import rows
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_named, cycle_number
from app.domain.usage.pools import PoolUsage
from app.domain.vocabulary import Carrier
from app.usecases.context import Context
from app.usecases.errors import NotFound

PoolRow = Mapping[str, Any]
PREPAID, POSTPAID = "forward", "backward"
"""The kinds of a pool, 前向 and 后向, as the API and the table name them."""


async def read_pool(ctx: Context, tenant: str, pool: str) -> dict[str, Any]:
    """One pool with its running cycle. Raises `NotFound`."""
    async with ctx.pool.acquire() as connection:
        return await show_pool(ctx, connection, await find_pool(connection, tenant, pool))


async def list_pools(ctx: Context, tenant: str, *, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """A page of pools, and the ref of its last where more follow."""
    async with ctx.pool.acquire() as connection:
        found = await rows.page(connection, tenant, after, limit + 1)
        shown = [await show_pool(ctx, connection, pool) for pool in found[:limit]]
    return shown, found[limit - 1]["ref"] if len(found) > limit else None


async def show_pool(ctx: Context, connection: Connection, pool: PoolRow) -> dict[str, Any]:
    """The pool with its running cycle, as JSON (PL-7)."""
    return pool_view(pool, await show_cycle(ctx, connection, pool, running_cycle(ctx, pool)))


def pool_view(pool: PoolRow, cycle: Mapping[str, Any]) -> dict[str, Any]:
    """The pool's row as JSON, with one of its cycles as `cycle_view` makes it."""
    names = ("id", "name", "kind", "carrier", "plan", "rules")
    return {
        **{name: pool[name] for name in names},
        "state": pool["state"] if pool["kind"] == POSTPAID else None,
        "arrears_since": pool["arrears_since"].isoformat() if pool["arrears_since"] else None,
        "created_at": pool["created_at"].isoformat(),
        "cycle": cycle,
    }


def running_cycle(ctx: Context, pool: PoolRow) -> Cycle:
    """The cycle a pool is in, in its account's zone (PL-7, BC-4)."""
    return cycle_at(Carrier(pool["carrier"]), ctx.now(), pool_zone(ctx, pool))


async def running_pools(
    ctx: Context, connection: Connection, carriers: Iterable[Carrier] = tuple(Carrier)
) -> list[tuple[int, int]]:
    """(ref, running cycle as yyyymm) of every pool of these carriers, each in its own zone."""
    found = await rows.every(connection, [carrier.value for carrier in carriers])
    return [(pool["ref"], cycle_number(running_cycle(ctx, pool))) for pool in found]


def pool_zone(ctx: Context, pool: PoolRow) -> ZoneInfo:
    """The zone of the pool's account, which is its first member's; without any, of the carrier's first account."""
    first = (code for code, account in ctx.accounts.items() if account.carrier.value == pool["carrier"])
    return ctx.zone(pool["account"] or next(first, ""))


def is_open(pool: PoolRow, number: int, now: int) -> bool:
    """Whether a cycle up to the running one (`now`) is not closed yet: members count as they are now."""
    opened = pool["open_cycle"]
    return number >= (now if opened is None else min(opened, now))


async def pool_usage(
    ctx: Context, connection: Connection, pool: PoolRow, cycle: Cycle
) -> tuple[PoolUsage, datetime | None]:
    """A cycle's usage in bytes and its `as_of`: the members' sum, and a total for a prepaid pool (PL-1, PL-4).

    A closed cycle has the cards and the total it was closed with; one from before the pool existed has no total.
    """
    number, now = cycle_number(cycle), running_cycle(ctx, pool)
    kept = await sums.cycle_of(connection, pool["ref"], number)
    if is_open(pool, number, cycle_number(now)):
        over = cycle.start < now.start
        summed = await sums.open_sum(connection, pool["ref"], number, cycle.end, over=over)
        frozen: Mapping[str, Any] = summed
        total = summed["effective_cards"] * (pool["allowance"] or 0) + (kept["addons"] if kept else 0)
    else:
        summed = await sums.closed_sum(connection, pool["ref"], number, cycle.end)
        frozen = kept if kept and kept["cards"] is not None else summed
        total = kept["total"] if kept else None
    total = total if pool["kind"] == PREPAID else None
    used = summed["used"]
    remaining = None if total is None else total - used
    cards, effective = frozen["cards"], frozen["effective_cards"]
    use = PoolUsage(cards=cards, effective_cards=effective, total=total, used=used, remaining=remaining)
    return use, summed["as_of"]


async def show_cycle(ctx: Context, connection: Connection, pool: PoolRow, cycle: Cycle) -> dict[str, Any]:
    """One cycle of a pool as JSON (`docs/api.md`, Plans, pools, orders)."""
    use, as_of = await pool_usage(ctx, connection, pool, cycle)
    return cycle_view(pool, cycle, use, as_of)


def cycle_view(pool: PoolRow, cycle: Cycle, use: PoolUsage, as_of: datetime | None) -> dict[str, Any]:
    """A cycle's usage as JSON."""
    state = pool["state"] if pool["kind"] == POSTPAID else "exhausted" if use.exhausted else "in_use"
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
    """A cycle of a pool, running or past, by its name YYYY-MM. Raises `NotFound`, `Malformed`."""
    async with ctx.pool.acquire() as connection:
        found = await find_pool(connection, tenant, pool)
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
    """A page of members with their usage in a cycle, and its end where more follow. Raises `NotFound`, `Malformed`."""
    async with ctx.pool.acquire() as connection:
        found = await find_pool(connection, tenant, pool)
        now = running_cycle(ctx, found)
        cycle = now if cycle_id is None else _known_cycle(ctx, found, cycle_id)
        number = cycle_number(cycle)
        read = sums.open_members if is_open(found, number, cycle_number(now)) else sums.closed_members
        members = await read(connection, found["ref"], number, cycle.end, after, limit + 1)
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


async def read_rules(ctx: Context, tenant: str, pool: str) -> dict[str, Any]:
    """The rules of a pool. Raises `NotFound`."""
    async with ctx.pool.acquire() as connection:
        found = await find_pool(connection, tenant, pool)
    rules: dict[str, Any] = found["rules"]
    return rules


async def find_pool(connection: Connection, tenant: str, pool: str) -> dict[str, Any]:
    """One pool of a tenant. Raises `NotFound`."""
    found = await rows.get(connection, tenant, pool)
    if found is None:
        raise NotFound("pool")
    return found
