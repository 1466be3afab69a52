"""One SIM as it was at a moment, and its deadlines then, in the form of the present reads (LC-12)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.db.sims import past
from app.domain.calendar.cycles import Cycle, cycle_at, oldest_cycle
from app.domain.calendar.days import local, start_of_day
from app.usecases.as_of import Moment, NotKept, PastSim, past_sim, read_as_of_view
from app.usecases.context import Context
from app.usecases.sims.insight import deadlines_view
from app.usecases.sims.read import account_zones
from app.usecases.sims.views import days_at, sim_view
from app.usecases.usage.read import counters_at

_NO_COUNTERS: Mapping[str, Any] = {
    "cycle": None,
    "figures": None,
    "figures_to": None,
    "reported": 0,
    "reported_since": 0,
    "reported_at": None,
    "addons": 0,
    "tested": 0,
}

_NOT_KEPT_USAGE = ("used", "source", "allowance", "remaining", "as_of", "carrier", "reported_since", "reported")
_ALWAYS_THERE = {"source": "gateway_report"}


async def get_sim_at(ctx: Context, tenant: str, iccid: str, moment: Moment) -> dict[str, Any]:
    """One SIM at a moment as a JSON object, with what of it is not kept. Raises `NotFound`, `BeforeRecords`."""
    async with ctx.pool.acquire() as connection:
        found = await past_sim(ctx, connection, tenant, iccid, moment)
        record = found.record
        zone = ctx.zone(record.account)
        cycle = cycle_at(record.sim.carrier, moment.as_of, zone)
        counters = await counters_at(ctx, connection, record, [cycle], moment)
        month = start_of_day(local(moment.as_of, zone).date().replace(day=1), zone)
        row = {
            **found.row,
            **_NO_COUNTERS,
            **next(iter(counters.values()), {}),
            "allowance": await past.allowance_at(connection, tenant, record.sim.plan.id, moment.as_of),
            "operation_id": await past.open_operation_at(connection, record.id, moment.as_of),
            "rebinds": await past.rebinds_between(connection, record.id, month, moment.as_of),
        }
    zones = account_zones(ctx)
    view = sim_view(row, days_at(moment.as_of, zones), zones)
    return _with_moment(ctx, view, found, cycle, moment)


def _with_moment(ctx: Context, view: dict[str, Any], found: PastSim, cycle: Cycle, moment: Moment) -> dict[str, Any]:
    """The view with both times; the usage of a cycle whose reports are deleted is null, with the reason."""
    record = found.record
    oldest = oldest_cycle(record.sim.carrier, ctx.now(), ctx.zone(record.account), ctx.retention.report_cycles)
    not_kept: list[NotKept] = []
    if cycle.start < oldest.start:
        view["usage"] |= {name: _ALWAYS_THERE.get(name) for name in _NOT_KEPT_USAGE} | {"before_activation": None}
        not_kept.append(usage_not_kept(start_of_day(oldest.start, ctx.zone(record.account))))
    return view | {"read_as_of": read_as_of_view(moment, not_kept)}


def usage_not_kept(since: datetime) -> NotKept:
    """The usage of a cycle whose reports are deleted."""
    return NotKept(part="usage", reason="reports_deleted", since=since)


async def deadlines_at(ctx: Context, tenant: str, iccid: str, moment: Moment) -> dict[str, Any]:
    """The deadlines that lay ahead of a SIM at a moment. Raises `NotFound`, `BeforeRecords`."""
    async with ctx.pool.acquire() as connection:
        found = await past_sim(ctx, connection, tenant, iccid, moment)
    return deadlines_view(ctx, found.record, moment.as_of)
