"""Jobs of a test's own, and time that passes over what runs or rests."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from app.domain.calendar.days import HOME_ZONE
from app.jobs.schedule import JobSpec, Run, daily
from app.jobs.slots import Slots
from app.usecases.context import Context
from tests.gateway import Gateway

EVENING = datetime.fromisoformat("2040-11-22T20:00:00+08:00")
"""After the slots of 18:00 and 19:00 of a day that is ahead of the real clock, which an advance needs."""


class Job:
    """A job body that counts its runs, fails so many times first, and may be held up by an event."""

    def __init__(self, *, failures: int = 0, until: asyncio.Event | None = None) -> None:
        self.runs = 0
        self._failures = failures
        self._until = until

    async def __call__(self, ctx: Context) -> dict[str, Any]:
        self.runs += 1
        if self._until is not None:
            await self._until.wait()
        if self.runs <= self._failures:
            raise ValueError("the job is broken")
        return {"runs": self.runs}


def at(hour: int, name: str, run: Run) -> JobSpec:
    """A job of every day at an hour in the home zone."""
    return JobSpec(name=name, trigger=daily(hour, 0, HOME_ZONE), run=run)


def slots(*jobs: JobSpec, retry_s: float = 0.0) -> Slots:
    """One process's slots: nothing ran before that day."""
    return Slots(jobs, EVENING - timedelta(hours=12), {}, retry_s=retry_s)


async def tick(gateway: Gateway, *processes: Slots) -> None:
    """One tick of each process, and what it starts is run to its end."""
    for process in processes:
        process.start_due(gateway.ctx)
        await process.wait_until_idle()


async def leases_run_out(gateway: Gateway) -> None:
    """As if the runners had been silent for long enough."""
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE job_runs SET lease_until = clock_timestamp() WHERE finished_at IS NULL")


async def runs(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """The latest run of each job as operators see it."""
    answer = await gateway.api.get("/v1/admin/jobs")
    return {run["job"]: run for run in reversed(answer.json()["items"])}
