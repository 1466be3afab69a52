"""APScheduler as a one-second tick that starts the slots due in the gateway's clock; it holds no job (ADR 10)."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from app.clock import SystemClock
from app.jobs.loops import take_turn, wait
from app.jobs.slots import Slots
from app.usecases.context import Context

LOOP = "scheduler"
LATE = timedelta(seconds=3)
GRACE_S = 5.0
"""Seconds that a running job has to finish when the process stops."""


async def run_scheduler(ctx: Context, slots: Slots, stop: asyncio.Event, *, busy: asyncio.Lock) -> None:
    """Tick until `stop` is set; no slot is started while `busy` is held (an advance of the clock)."""

    async def start_due(_: Context) -> None:
        if not busy.locked():
            slots.start_due(ctx)

    async def tick() -> None:  # a coroutine, or it would run in a thread
        await take_turn(ctx, LOOP, start_due)

    ctx.telemetry.expect_loops([LOOP], ctx.now())
    scheduler = AsyncIOScheduler(timezone=UTC)
    every_second = IntervalTrigger(seconds=1, timezone=UTC)  # not the machine's zone: TZ may name none
    job = scheduler.add_job(tick, every_second, coalesce=True, max_instances=1, misfire_grace_time=None)
    scheduler.start()
    try:
        await keep_ticking(job, stop)
    finally:
        scheduler.shutdown(wait=False)
        await slots.stop(GRACE_S)


async def keep_ticking(job: Job, stop: asyncio.Event) -> None:
    """Keep a job of every second going until `stop` is set.

    APScheduler waits by the machine's clock: where that was set back an hour, the next tick would be an hour away.
    """
    while not stop.is_set():
        now = SystemClock().now()
        if job.next_run_time - now > LATE:
            job.modify(next_run_time=now)
        await wait(stop, LATE.total_seconds())
