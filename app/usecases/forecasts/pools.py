"""The forecast of a pool: its members' days together, the day nothing remains, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.db.pools import rows
from app.db.usage.history import Subject
from app.domain.calendar.cycles import Cycle
from app.domain.usage.forecast.options import Option, Stop
from app.domain.usage.forecast.outlook import Outlook, day_reached, outlook
from app.domain.usage.forecast.pool_options import PoolDemand, pool_effect, pool_options
from app.domain.usage.forecast.reasons import Reason, reasons_of
from app.domain.vocabulary import Carrier
from app.usecases.context import Context
from app.usecases.forecasts.history import Wanted, read_history
from app.usecases.operations.validate import catalogue_of
from app.usecases.pools.views import POSTPAID, find_pool, pool_usage, pool_zone, running_cycle

IN_USE = "in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolForecast:
    """Where a pool's cycle ends. `total` in bytes, None: postpaid, without a ceiling (PL-4)."""

    pool: str
    cycle: Cycle
    as_of: datetime | None
    used: int
    total: int | None
    outlook: Outlook
    exhausted_on: date | None
    stop: Stop | None
    because: tuple[Reason, ...]
    options: tuple[Option, ...]


async def forecast_pool(ctx: Context, tenant: str, pool: str) -> PoolForecast:
    """The forecast of a pool's running cycle. Raises `NotFound`."""
    async with ctx.work() as work:
        connection = await work.driver()
        found = await find_pool(connection, tenant, pool)
        catalogue = await catalogue_of(work, tenant)
        cycle = running_cycle(ctx, found)
        use, as_of = await pool_usage(ctx, connection, found, cycle)
        wanted = Wanted(
            subject=Subject(pool_ref=found["ref"]),
            carrier=Carrier(found["carrier"]),
            zone=pool_zone(ctx, found),
            now=ctx.now(),
            used=use.used,
        )
        history = await read_history(connection, wanted)
        inactive = await rows.count_inactive(connection, tenant, pool)
    running = not use.exhausted and (found["kind"] != POSTPAID or found["state"] == IN_USE)
    ends, wished = outlook(history, running=running), outlook(history)
    demand = PoolDemand(
        history=history,
        outlook=wished,
        total=use.total,
        stop_at=found["rules"].get("stop_at"),
        effective=use.effective_cards,
        inactive=inactive,
    )
    return PoolForecast(
        pool=pool,
        cycle=cycle,
        as_of=as_of,
        used=use.used,
        total=use.total,
        outlook=ends,
        exhausted_on=day_reached(history, ends, use.total) if use.total is not None and use.effective_cards else None,
        stop=pool_effect(demand).stop,
        because=reasons_of(ends.habit, running=running),
        options=pool_options(demand, catalogue.plans.get(found["plan"]), catalogue.addons.values()),
    )
