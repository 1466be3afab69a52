"""Deadlines over a tenant's fleet, page by page: those of its SIMs, and the ends of its pools' cycles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.db.connection import Connection
from app.db.deadlines.search import DeadlinePosition, Span, pool_zones, pools_in, sim_deadlines
from app.domain.calendar.cycles import cycle_at
from app.domain.calendar.days import HOME_ZONE
from app.domain.sim.deadlines import DeadlineKind
from app.domain.vocabulary import Carrier
from app.usecases.context import Context

"""The zone of accounts that are no longer configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDeadline:
    """One deadline of a SIM (`iccid`) or of a pool (`pool`), and its place in the list."""

    position: DeadlinePosition
    rule: str
    assumed: tuple[str, ...] = ()
    iccid: str | None = None
    pool: str | None = None


async def list_deadlines(
    ctx: Context,
    tenant: str,
    *,
    kinds: Sequence[DeadlineKind],
    first: date | None,
    before: date | None,
    after: DeadlinePosition | None,
    limit: int,
) -> list[FleetDeadline]:
    """The next deadlines of a tenant, by day. `first`: from this day on, else from today on, where the SIM is."""
    span = span_of(ctx, kinds, first, before)
    async with ctx.pool.acquire() as connection:
        rows = await sim_deadlines(connection, tenant, span, after, limit)
        found = [
            FleetDeadline(
                position=DeadlinePosition(day=row["day"], kind=row["kind"], group=row["group_id"], row=row["id"]),
                rule=row["rule"],
                assumed=tuple(row["assumed"]),
                iccid=row["iccid"],
            )
            for row in rows
        ]
        if DeadlineKind.POOL_CYCLE_END in kinds:
            found += await _of_pools(ctx, connection, tenant, span, after, limit)
    return sorted(found, key=_place)[:limit]


def span_of(ctx: Context, kinds: Sequence[DeadlineKind], first: date | None, before: date | None) -> Span:
    """The days asked for; without a first one they begin today in the zone of each account."""
    now = ctx.now()
    days = {code: now.astimezone(ctx.zone(code)).date() for code in ctx.accounts} if first is None else {}
    home = first or now.astimezone(HOME_ZONE).date()
    return Span(
        kinds=tuple(kind.value for kind in kinds),
        first=min([home, *days.values()]),
        before=before,
        today=days,
        home=home,
    )


async def cycle_ends(ctx: Context, connection: Connection, tenant: str) -> dict[date, list[tuple[str, str | None]]]:
    """The last days of the running cycles of the tenant's pools: the carriers and accounts of each (BC-4)."""
    found: defaultdict[date, list[tuple[str, str | None]]] = defaultdict(list)
    for carrier, account in await pool_zones(connection, tenant):
        zone = HOME_ZONE if account is None else ctx.zone(account)
        found[cycle_at(Carrier(carrier), ctx.now(), zone).last_day].append((carrier, account))
    return dict(sorted(found.items()))


async def _of_pools(
    ctx: Context, connection: Connection, tenant: str, span: Span, after: DeadlinePosition | None, limit: int
) -> list[FleetDeadline]:
    kind = DeadlineKind.POOL_CYCLE_END.value
    found: list[FleetDeadline] = []
    for day, zones in (await cycle_ends(ctx, connection, tenant)).items():
        done = -1 if after is None or (after.day, after.kind) < (day, kind) else after.row
        passed = after is not None and (after.day, after.kind) > (day, kind)
        if passed or day < span.first or (span.before is not None and day >= span.before):
            continue
        for row in await pools_in(connection, tenant, zones, done, limit - len(found)):
            position = DeadlinePosition(day=day, kind=kind, group=0, row=row["ref"])
            found.append(FleetDeadline(position=position, rule="BC-4", pool=row["id"]))
    return found


def _place(one: FleetDeadline) -> tuple[date, str, int, int]:
    return one.position.day, one.position.kind, one.position.group, one.position.row
