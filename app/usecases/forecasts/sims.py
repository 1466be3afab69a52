"""The forecast of a SIM: bytes used by its cycle's end, the day its quota runs out, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.db.usage import counters
from app.db.usage.history import Subject
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number
from app.domain.calendar.days import local
from app.domain.operation.request import RuleContext
from app.domain.sim.holds import network_allowed
from app.domain.sim.model import Sim
from app.domain.usage.forecast.options import Demand, Option, Stop, options_of, quota_of, stop_of
from app.domain.usage.forecast.outlook import Outlook, day_reached, outlook
from app.domain.usage.forecast.reasons import Reason, reasons_of
from app.domain.vocabulary import OperationKind
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.forecasts.history import Wanted, read_history
from app.usecases.operations.validate import catalogue_of, references_of, rule_context_of
from app.usecases.usage.views import shows_used, usage_view


@dataclass(frozen=True, slots=True, kw_only=True)
class SimForecast:
    """Where a SIM's cycle ends. `quota` in bytes, None: it has none of its own; `stop`: the limit that stops it."""

    sim: Sim
    cycle: Cycle
    as_of: datetime | None
    used: int
    quota: int | None
    outlook: Outlook
    exhausted_on: date | None
    stop: Stop | None
    because: tuple[Reason, ...]
    options: tuple[Option, ...]


async def forecast_sim(ctx: Context, tenant: str, iccid: str) -> SimForecast:
    """The forecast of a SIM's running cycle, with what can be done as a dry run would decide it. Raises `NotFound`."""
    async with ctx.work() as work:
        record = await work.sims.get(tenant, iccid)
        if record is None:
            raise NotFound("sim")
        context = await rule_context_of(ctx, work, record, catalogue=await catalogue_of(work, tenant))
        pools = await _pools_for(ctx, work, record)
        connection = await work.driver()
        cycle = cycle_at(record.sim.carrier, context.now, ctx.zone(record.account))
        number = cycle_number(cycle)
        rows = await counters.cycles_of(connection, record.id, number, number)
        wanted = _wanted(ctx, record, context, rows[0] if rows else None)
        history = await read_history(connection, wanted)
    return _forecast(
        record.sim,
        context,
        cycle,
        rows[0] if rows else None,
        Demand(
            history=history,
            outlook=outlook(history, running=_is_activated(record.sim)),
            addons=rows[0]["addons"] if rows else 0,
            today=context.today,
        ),
        pools,
    )


def _is_activated(sim: Sim) -> bool:
    return shows_used(sim.underlying.value, sim.activated_on)


def _wanted(ctx: Context, record: SimRecord, context: RuleContext, row: Mapping[str, Any] | None) -> Wanted:
    """What of the SIM's history counts: from its activation on (QT-9), without the days since it was stopped."""
    sim, zone = record.sim, ctx.zone(record.account)
    return Wanted(
        subject=Subject(sim_id=record.id),
        carrier=sim.carrier,
        zone=zone,
        now=context.now,
        used=_usage(sim, row)["used"] or 0,
        begins=sim.activated_on,
        stopped_on=min((local(hold.since, zone).date() for hold in sim.holds), default=None),
        last_day=sim.expires_on,
    )


def _usage(sim: Sim, row: Mapping[str, Any] | None) -> dict[str, Any]:
    facts = {"underlying": sim.underlying.value, "activated_on": sim.activated_on, "allowance": sim.plan.allowance}
    return usage_view(row, facts, {})


def _forecast(
    sim: Sim,
    context: RuleContext,
    cycle: Cycle,
    row: Mapping[str, Any] | None,
    demand: Demand,
    pools: list[str],
) -> SimForecast:
    running = _is_activated(sim) and network_allowed(sim.underlying, sim.holds)
    found = demand.outlook if running else outlook(demand.history, running=False)
    as_is = Demand(history=demand.history, outlook=found, addons=demand.addons, today=demand.today)
    quota = quota_of(sim, demand.addons)
    early = sim.expires_on if sim.expires_on is not None and sim.expires_on < cycle.last_day else None
    as_of = _usage(sim, row)["as_of"]
    return SimForecast(
        sim=sim,
        cycle=cycle,
        as_of=None if as_of is None else datetime.fromisoformat(as_of),
        used=demand.history.used,
        quota=quota,
        outlook=found,
        exhausted_on=None if quota is None else day_reached(demand.history, found, quota),
        stop=stop_of(sim, as_is),
        because=reasons_of(found.habit, activated=_is_activated(sim), running=running, expires_on=early),
        options=options_of(sim, demand, as_is, context, pools),
    )


async def _pools_for(ctx: Context, work: UnitOfWork, record: SimRecord) -> list[str]:
    """The tenant's pools that the SIM fits: of its plan and in its zone (PL-5, BC-4)."""
    if record.sim.pool is not None:
        return []
    references = await references_of(ctx, work, [record], OperationKind.JOIN_POOL)
    return [
        pool
        for pool in references.pool_plans
        if references.mismatch(record, OperationKind.JOIN_POOL, {"pool": pool}) is None
    ]
