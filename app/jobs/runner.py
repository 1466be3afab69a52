"""Run job slots: claimed in the ledger, so that N replicas run each slot once; one line in the log, one metric."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from app.jobs.schedule import JobSpec
from app.telemetry import get_logger
from app.usecases.context import Context

LEASE = timedelta(seconds=30)
HEARTBEAT_S = 10.0

log = get_logger("jobs")


class Slots:
    """Which slot of each job is next, by the one clock."""

    def __init__(self, jobs: Iterable[JobSpec], since: datetime, last: dict[str, datetime]) -> None:
        self._jobs = tuple(jobs)
        self._last = {job.name: last.get(job.name, since) for job in self._jobs}

    def next_due(self) -> datetime:
        """When the next slot of any job comes."""
        return min(job.next_after(self._last[job.name]) for job in self._jobs)

    async def run_due(self, ctx: Context) -> list[dict[str, str]]:
        """Run what is due now, in order of time; gives the runs of this process."""
        now = ctx.now()
        due = [(slot, job) for job in self._jobs if (slot := job.latest_until(self._last[job.name], now))]
        runs = []
        for slot, job in sorted(due, key=lambda pair: pair[0]):
            if await run_slot(ctx, job, slot):
                runs.append({"job": job.name, "slot": slot.isoformat()})
            self._last[job.name] = slot
        return runs


async def open_slots(ctx: Context, jobs: Iterable[JobSpec]) -> Slots:
    """The slots as the ledger knows them; a job that never ran begins now."""
    async with ctx.work() as work:
        last = await work.ledger.last_slots()
    return Slots(jobs, ctx.now(), last)


async def run_slot(ctx: Context, job: JobSpec, slot: datetime) -> bool:
    """Run one slot if nobody else has it; False where somebody has. A failed run leaves its slot to be taken over."""
    async with ctx.work() as work:
        mine = await work.ledger.claim_slot(job.name, slot, ctx.now(), LEASE)
        await work.commit()
    if not mine:
        return False
    beating = asyncio.create_task(_beat(ctx, job, slot))
    try:
        report = await job.run(ctx)
    finally:
        beating.cancel()
    async with ctx.work() as work:
        await work.ledger.finish_slot(job.name, slot, ctx.now(), report)
        await work.commit()
    ctx.telemetry.job_last_success.labels(job.name).set(slot.timestamp())
    log.info("job.done", job=job.name, slot=slot.isoformat(), **report)
    return True


async def _beat(ctx: Context, job: JobSpec, slot: datetime) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        async with ctx.work() as work:
            await work.ledger.extend_slot(job.name, slot, LEASE)
            await work.commit()
