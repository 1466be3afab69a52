"""A pool as it was at a moment: its row, its members then, and what they had used (LC-12, PL-7; ADR 29)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.connection import Connection
from app.db.pools import past
from app.db.sims.past import allowance_at
from app.db.usage.past import PastCycle, counters_at
from app.domain.calendar.cycles import (
    Cycle,
    cycle_at,
    cycle_named,
    cycle_number,
    end_instant,
    oldest_cycle,
    start_instant,
)
from app.domain.usage.pools import PoolUsage
from app.domain.vocabulary import Carrier
from app.usecases.as_of import Moment, past_sim, read_as_of_view
from app.usecases.context import Context
from app.usecases.errors import BeforeRecords, NotFound
from app.usecases.pools.views import PREPAID, cycle_view, find_pool, pool_view, pool_zone

CHUNK = 1_000
"""Members read by one statement."""

_NOT_ACTIVATED = frozenset({"inventory", "testing", "silent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _PastPool:
    """A pool at a moment: its row then, the cycle it was in, and the one that is read."""

    row: dict[str, Any]
    running: Cycle
    cycle: Cycle
    closing: Mapping[str, Any] | None
    """How the cycle had been closed by then; None: it was open."""


async def read_pool_at(ctx: Context, tenant: str, pool: str, moment: Moment) -> dict[str, Any]:
    """One pool with the cycle it was in at a moment. Raises `NotFound`, `BeforeRecords`."""
    async with ctx.pool.acquire() as connection:
        found = await _pool_at(ctx, connection, tenant, pool, None, moment)
        use, as_of = await _usage_at(ctx, connection, found, moment)
    return pool_view(found.row, cycle_view(found.row, found.cycle, use, as_of)) | {
        "read_as_of": read_as_of_view(moment)
    }


async def read_cycle_at(ctx: Context, tenant: str, pool: str, name: str, moment: Moment) -> dict[str, Any]:
    """A cycle of a pool as it was at a moment. Raises `NotFound`, `Malformed`, `BeforeRecords`."""
    async with ctx.pool.acquire() as connection:
        found = await _pool_at(ctx, connection, tenant, pool, name, moment)
        use, as_of = await _usage_at(ctx, connection, found, moment)
    return cycle_view(found.row, found.cycle, use, as_of) | {"read_as_of": read_as_of_view(moment)}


async def read_members_at(
    ctx: Context, tenant: str, pool: str, name: str | None, moment: Moment, *, after: int, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of a pool's members at a moment, and its end where more follow.

    Raises `NotFound`, `Malformed`, `BeforeRecords`.
    """
    items: list[dict[str, Any]] = []
    async with ctx.pool.acquire() as connection:
        found = await _pool_at(ctx, connection, tenant, pool, name, moment)
        while len(items) <= limit:
            members, end = await _members(ctx, connection, found, moment, after=after, limit=limit + 1)
            items += [one for one in members if found.closing is None or one["reported"] or one["figures"] is not None]
            if end is None:
                break
            after = end
    shown = [_member_view(found.cycle, one) for one in items[:limit]]
    return shown, items[limit - 1]["id"] if len(items) > limit else None


async def pool_remaining_at(ctx: Context, connection: Connection, tenant: str, pool: str, moment: Moment) -> int | None:
    """What a pool had left in its cycle at a moment (bytes); None for a postpaid one, and where it is not kept."""
    try:
        found = await _pool_at(ctx, connection, tenant, pool, None, moment)
    except (NotFound, BeforeRecords):
        return None
    use, _ = await _usage_at(ctx, connection, found, moment)
    return use.remaining


async def _pool_at(
    ctx: Context, connection: Connection, tenant: str, pool: str, name: str | None, moment: Moment
) -> _PastPool:
    """The pool and a cycle of it, by default the one it was in. Raises `NotFound`, `Malformed`, `BeforeRecords`."""
    present = await find_pool(connection, tenant, pool)
    carrier, zone = Carrier(present["carrier"]), pool_zone(ctx, present)
    begins = [present["created_at"], await past.kept_since(connection)]
    running = cycle_at(carrier, moment.as_of, zone)
    cycle = running if name is None else cycle_named(carrier, name)
    if cycle.start > running.start:
        raise NotFound("cycle")
    oldest = oldest_cycle(carrier, ctx.now(), zone, ctx.retention.report_cycles)
    if cycle.start < oldest.start:  # the reports from which use is counted are deleted
        begins.append(start_instant(oldest, zone))
    since = max(instant for instant in begins if instant is not None)
    if moment.as_of < since or cycle.start < oldest.start:
        raise BeforeRecords("pool", since)
    row = present | _former(await past.pool_before(connection, present["ref"], moment.as_of))
    closing = await past.closing(connection, present["ref"], cycle_number(cycle))
    closed = closing is not None and closing["closed_at"] is not None and closing["closed_at"] <= moment.as_of
    before_it = cycle_number(cycle) < cycle_number(cycle_at(carrier, present["created_at"], zone))
    kept = dict(closing) if closing is not None and closed else {} if before_it else None
    return _PastPool(row=row, running=running, cycle=cycle, closing=kept)


def _former(before: Mapping[str, Any]) -> dict[str, Any]:
    since = before.get("arrears_since")
    return dict(before) | ({"arrears_since": datetime.fromisoformat(since)} if since else {})


async def _members(
    ctx: Context, connection: Connection, pool: _PastPool, moment: Moment, *, after: int, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Members at a moment with their counters, and the row id to continue after (None: there are no more)."""
    closed = None if pool.closing is None else cycle_number(pool.cycle)
    found = await past.members_known_at(connection, pool.row["ref"], moment.as_of, after, limit, closed_cycle=closed)
    late = await past.changed_late(connection, [one["id"] for one in found], *moment.pair)
    for one in found:
        if one["id"] in late:
            row = (await past_sim(ctx, connection, pool.row["tenant"], one["iccid"], moment)).row
            one |= {name: row[name] for name in past.MEMBER_COLUMNS}
    members = [one for one in found if closed is not None or one["pool"] == pool.row["id"]]
    await _count(ctx, connection, pool, members, moment)
    return members, found[-1]["id"] if len(found) == limit else None


async def _count(
    ctx: Context, connection: Connection, pool: _PastPool, members: list[dict[str, Any]], moment: Moment
) -> None:
    """Put each member's counters of the cycle, and what it had used, into its row."""
    zone, number = pool_zone(ctx, pool.row), cycle_number(pool.cycle)
    opens, closes = start_instant(pool.cycle, zone), end_instant(pool.cycle, zone)
    wanted = [
        PastCycle(
            sim_id=one["id"],
            cycle=number,
            opens=opens,
            closes=closes,
            activated=one["underlying"] not in _NOT_ACTIVATED,
        )
        for one in members
    ]
    counters = await counters_at(connection, wanted, moment.pair)
    for one in members:
        row = counters.get((one["id"], number), {})
        figures, since, tested = row.get("figures"), row.get("reported_since", 0), row.get("tested", 0)
        one["figures"], one["reported"] = figures, row.get("reported", 0)
        one["used"] = max((figures or 0) + since - tested, 0) if _activated(one, pool.cycle) else None
        times = [at for at in (row.get("reported_at"), row.get("figures_to")) if at is not None]
        one["as_of"] = max(times, default=None)


def _activated(member: Mapping[str, Any], cycle: Cycle) -> bool:
    """Activated before the cycle's end; a SIM imported as active without a day counts as activated (PL-2)."""
    on = member["activated_on"]
    return bool(on < cycle.end) if on is not None else member["underlying"] in ("active", "expired")


def _effective(member: Mapping[str, Any], pool: _PastPool) -> bool:
    """Adds its allowance (PL-1); in a cycle that was over so did a SIM that was valid to its last day."""
    if not _activated(member, pool.cycle):
        return False
    over = pool.cycle.start < pool.running.start
    ended = over and member["underlying"] == "expired" and (member["expires_on"] - pool.cycle.last_day).days >= 0
    return member["underlying"] == "active" or ended


async def _usage_at(
    ctx: Context, connection: Connection, pool: _PastPool, moment: Moment
) -> tuple[PoolUsage, datetime | None]:
    """The cycle's usage in bytes and its `as_of` at a moment; a closed cycle has the cards it was closed with."""
    cards = effective = used = 0
    times: list[datetime] = []
    after: int | None = 0
    while after is not None:
        members, after = await _members(ctx, connection, pool, moment, after=after, limit=CHUNK)
        cards += len(members)
        effective += sum(_effective(one, pool) for one in members)
        used += sum(one["used"] or 0 for one in members)
        times += [one["as_of"] for one in members if one["as_of"] is not None]
    total = None
    if pool.closing:
        cards, effective, total = pool.closing["cards"], pool.closing["effective_cards"], pool.closing["total"]
    elif pool.closing is None:
        allowance = await allowance_at(connection, pool.row["tenant"], pool.row["plan"], moment.as_of)
        number = cycle_number(pool.cycle)
        addons = await past.addons_at(connection, pool.row["ref"], number, moment.as_of)
        total = effective * (allowance or 0) + addons
    total = total if pool.row["kind"] == PREPAID else None
    remaining = None if total is None else total - used
    use = PoolUsage(cards=cards, effective_cards=effective, total=total, used=used, remaining=remaining)
    return use, max(times, default=None)


def _member_view(cycle: Cycle, member: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "iccid": member["iccid"],
        "state": member["state"],
        "activated_on": member["activated_on"].isoformat() if member["activated_on"] else None,
        "cycle": cycle.id,
        "used": member["used"],
        "reported": member["reported"],
        "as_of": member["as_of"].isoformat() if member["as_of"] else None,
    }
