"""Gauges that are counted, not kept: cards by state, open operations by status."""

from __future__ import annotations

import asyncio

from app.clock import monotonic
from app.container import DATABASE_TROUBLE
from app.telemetry import get_logger
from app.usecases.context import Context

PERIOD_S = 15.0
REST_FOR_COUNTING = 50
"""Counting ten million cards reads all of them: it rests so many times as long as it took."""

log = get_logger("gauges")


async def keep_gauges(ctx: Context) -> None:
    """Count again every quarter of a minute, less often where counting takes long."""
    while True:
        began = monotonic()
        try:
            await count(ctx)
        except DATABASE_TROUBLE as error:
            log.warning("gauges.database_trouble", error=type(error).__name__)
        await asyncio.sleep(rest_after(monotonic() - began))


def rest_after(took: float) -> float:
    """How many seconds to rest after a count that took so many: counting has at most a fiftieth of a processor."""
    return max(PERIOD_S, took * REST_FOR_COUNTING)


async def count(ctx: Context) -> None:
    """Set the gauges from the rows."""
    async with ctx.work() as work:
        cards = await work.sims.counts()
        operations = await work.operations.open_counts()
    ctx.telemetry.sims.clear()
    for carrier, state, how_many in cards:
        ctx.telemetry.sims.labels(carrier, state).set(how_many)
    for status, how_many in operations.items():
        ctx.telemetry.operations_open.labels(status).set(how_many)
