"""APScheduler as a metronome: every second it asks which slots are due by the one clock. It keeps no job of its own."""

from __future__ import annotations

import asyncio

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from app.jobs.loops import TROUBLE_S
from app.jobs.runner import Slots
from app.telemetry import get_logger
from app.usecases.context import Context

log = get_logger("scheduler")


async def run_scheduler(ctx: Context, slots: Slots, stop: asyncio.Event, *, busy: asyncio.Lock) -> None:
    """Tick until told to stop. `busy` keeps a tick and an advance of the clock apart."""

    async def tick() -> None:
        if busy.locked():
            return
        async with busy:
            try:
                await slots.run_due(ctx)
            except Exception:
                log.exception("job.failed")
                await asyncio.sleep(TROUBLE_S)

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(tick, IntervalTrigger(seconds=1), coalesce=True, max_instances=1, misfire_grace_time=None)
    scheduler.start()
    try:
        await stop.wait()
    finally:
        scheduler.shutdown(wait=False)
