"""APScheduler as a metronome: every second it asks which slots are due by the one clock. It keeps no job of its own."""

from __future__ import annotations

import asyncio

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from app.jobs.slots import Slots
from app.usecases.context import Context

GRACE_S = 5.0
"""How long a job under way may take to end when the process is told to stop."""


async def run_scheduler(ctx: Context, slots: Slots, stop: asyncio.Event, *, busy: asyncio.Lock) -> None:
    """Tick until told to stop. `busy` keeps a tick and an advance of the clock apart."""

    async def tick() -> None:  # a coroutine, or it would run in a thread
        if not busy.locked():
            slots.start_due(ctx)

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(tick, IntervalTrigger(seconds=1), coalesce=True, max_instances=1, misfire_grace_time=None)
    scheduler.start()
    try:
        await stop.wait()
    finally:
        scheduler.shutdown(wait=False)
        await slots.stop(GRACE_S)
