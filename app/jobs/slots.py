"""The next slot of each job, and the slots running in this process: jobs in parallel, each job once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from app.clock import monotonic
from app.jobs.runner import SlotOutcome, pass_idle, run_slot
from app.jobs.schedule import JobSpec
from app.usecases.context import Context

RETRY_S = 60.0
"""Seconds before a failed slot is retried; doubled after each further failure, at most `MAX_RETRY_S`."""

MAX_RETRY_S = 3600.0
RECHECK_S = 10.0
"""How often a slot that another process holds is tried."""


@dataclass(slots=True)
class _Progress:
    """A job's progress: last finished slot, last slot tried here, its failures, when it may be retried (monotonic)."""

    last: datetime
    tried: datetime
    failures: int = 0
    retry_at: float = 0.0


class Slots:
    """The jobs' slots in the gateway's clock. A slot is retried until it has finished, here or in another process."""

    def __init__(
        self, jobs: Iterable[JobSpec], since: datetime, last: dict[str, datetime], *, retry_s: float = RETRY_S
    ) -> None:
        self._jobs = tuple(jobs)
        self._retry_s = retry_s
        begins = {job.name: last.get(job.name, since) for job in self._jobs}
        self._progress = {name: _Progress(last=slot, tried=slot) for name, slot in begins.items()}
        self._running: dict[str, asyncio.Task[SlotOutcome]] = {}

    def next_due(self) -> datetime:
        """When the next slot that was not tried here is due."""
        return min(job.next_after(self._progress[job.name].tried) for job in self._jobs)

    async def run_due(self, ctx: Context) -> list[tuple[str, SlotOutcome]]:
        """Run the slots that are due and were not tried yet, in order of time; gives (job, outcome) of each.

        Used by an advance of the clock; failed slots are retried by later ticks.
        """
        now = ctx.now()
        due = [(job.latest_until(self._progress[job.name].tried, now), job) for job in self._jobs]
        tried: list[tuple[str, SlotOutcome]] = []
        for looks, part in groupby(_in_order(due), key=lambda pair: pair[1].only_looks):
            rest = list(part)
            if looks:
                passed = await self._pass_idle(ctx, rest)
                tried += ((name, SlotOutcome.RUN) for name in passed)
                rest = [(slot, job) for slot, job in rest if job.name not in passed]
            tried += [(job.name, await self._try(ctx, job, slot)) for slot, job in rest]
        return tried

    def start_due(self, ctx: Context) -> None:
        """Start the due slots as tasks, except of jobs that run here already and slots that wait to be retried."""
        now = ctx.now()
        free = [job for job in self._jobs if job.name not in self._running]
        due = [(job.latest_until(self._progress[job.name].last, now), job) for job in free]
        for slot, job in _in_order(due):
            if not self._rests(job, slot):
                task = self._running[job.name] = asyncio.create_task(self._try(ctx, job, slot), name=f"job {job.name}")
                task.add_done_callback(partial(self._ended, job.name))

    async def wait_until_idle(self) -> None:
        """Wait until no job runs in this process."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def stop(self, grace_s: float) -> None:
        """Wait `grace_s` seconds for running jobs, then cancel them; another process may claim their slots at once."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running.values(), timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _rests(self, job: JobSpec, slot: datetime) -> bool:
        progress = self._progress[job.name]
        return slot == progress.tried and monotonic() < progress.retry_at

    async def _try(self, ctx: Context, job: JobSpec, slot: datetime) -> SlotOutcome:
        progress = self._progress[job.name]
        if slot != progress.tried:
            progress.tried, progress.failures = slot, 0
        retry_s = min(self._retry_s * 2**progress.failures, MAX_RETRY_S)
        outcome = await run_slot(ctx, job, slot, retry_after=timedelta(seconds=retry_s))
        if outcome is SlotOutcome.FAILED:
            progress.failures += 1
            progress.retry_at = monotonic() + retry_s
        elif outcome is SlotOutcome.HELD:
            progress.retry_at = monotonic() + min(RECHECK_S, self._retry_s)
        else:
            progress.last = slot
        return outcome

    async def _pass_idle(self, ctx: Context, due: Sequence[tuple[datetime, JobSpec]]) -> list[str]:
        """Write down those slots that would only look and find nothing as run; gives their jobs."""
        idle = {job.name: slot for slot, job in due if job.idle is not None and await job.idle(ctx)}
        passed = await pass_idle(ctx, idle) if idle else []
        for name in passed:
            self._progress[name] = _Progress(last=idle[name], tried=idle[name])
        return passed

    def _ended(self, name: str, _: asyncio.Task[SlotOutcome]) -> None:
        del self._running[name]


def _in_order(due: Iterable[tuple[datetime | None, JobSpec]]) -> list[tuple[datetime, JobSpec]]:
    """Those with a due slot, by time; equal times in the order of the schedule."""
    return sorted(((slot, job) for slot, job in due if slot is not None), key=lambda pair: pair[0])


async def open_slots(ctx: Context, jobs: Iterable[JobSpec]) -> Slots:
    """The slots after the last finished ones in `job_runs`; a job that never ran starts now."""
    known = tuple(jobs)
    async with ctx.work() as work:
        last = await work.job_runs.last_slots()
    for job in known:
        ctx.telemetry.expect_job(job.name, last.get(job.name), ctx.now())
    return Slots(known, ctx.now(), last)
