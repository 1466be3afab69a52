"""Which slot of each job is next, and what runs in this process: jobs side by side, no job twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from app.clock import monotonic
from app.jobs.runner import SlotOutcome, run_slot
from app.jobs.schedule import JobSpec
from app.usecases.context import Context

RETRY_S = 60.0
"""How long a slot rests after its first failure, twice as long after each further one."""

MAX_RETRY_S = 3600.0
RECHECK_S = 10.0
"""How often a slot that another process has in hand is looked at."""


@dataclass(slots=True)
class _Progress:
    """Where a job stands: its last finished slot, the last one tried here, how often that failed, its rest's end."""

    last: datetime
    tried: datetime
    failures: int = 0
    rests_until: float = 0.0


class Slots:
    """The jobs' slots by the one clock. A slot is over once finished, here or elsewhere; else it is tried again."""

    def __init__(
        self, jobs: Iterable[JobSpec], since: datetime, last: dict[str, datetime], *, retry_s: float = RETRY_S
    ) -> None:
        self._jobs = tuple(jobs)
        self._rest_s = retry_s
        begins = {job.name: last.get(job.name, since) for job in self._jobs}
        self._progress = {name: _Progress(last=slot, tried=slot) for name, slot in begins.items()}
        self._running: dict[str, asyncio.Task[SlotOutcome]] = {}

    def next_due(self) -> datetime:
        """When the next slot comes that has not been tried here."""
        return min(job.next_after(self._progress[job.name].tried) for job in self._jobs)

    async def run_due(self, ctx: Context) -> list[tuple[str, SlotOutcome]]:
        """Try what is due and was not tried yet, one after the other in order of time; gives what came of each.

        For whoever moves the clock: what fails is left behind, for the ticks to try again.
        """
        now = ctx.now()
        due = [(job.latest_until(self._progress[job.name].tried, now), job) for job in self._jobs]
        return [(job.name, await self._try(ctx, job, slot)) for slot, job in _in_order(due)]

    def start_due(self, ctx: Context) -> None:
        """Start what is due and does not rest, each job as a task of its own. A job still running here goes on."""
        now = ctx.now()
        free = [job for job in self._jobs if job.name not in self._running]
        due = [(job.latest_until(self._progress[job.name].last, now), job) for job in free]
        for slot, job in _in_order(due):
            if not self._rests(job, slot):
                task = self._running[job.name] = asyncio.create_task(self._try(ctx, job, slot), name=f"job {job.name}")
                task.add_done_callback(partial(self._ended, job.name))

    async def wait_until_idle(self) -> None:
        """Wait until no job runs here."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def stop(self, grace_s: float) -> None:
        """Give what runs here so many seconds, then end it where it is: another process may take it over at once."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running.values(), timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _rests(self, job: JobSpec, slot: datetime) -> bool:
        place = self._progress[job.name]
        return slot == place.tried and monotonic() < place.rests_until

    async def _try(self, ctx: Context, job: JobSpec, slot: datetime) -> SlotOutcome:
        place = self._progress[job.name]
        if slot != place.tried:
            place.tried, place.failures = slot, 0
        retry_s = min(self._rest_s * 2**place.failures, MAX_RETRY_S)
        outcome = await run_slot(ctx, job, slot, rest=timedelta(seconds=retry_s))
        if outcome is SlotOutcome.FAILED:
            place.failures += 1
            place.rests_until = monotonic() + retry_s
        elif outcome is SlotOutcome.HELD:
            place.rests_until = monotonic() + min(RECHECK_S, self._rest_s)
        else:
            place.last = slot
        return outcome

    def _ended(self, name: str, _: asyncio.Task[SlotOutcome]) -> None:
        del self._running[name]


def _in_order(due: Iterable[tuple[datetime | None, JobSpec]]) -> list[tuple[datetime, JobSpec]]:
    """Those that have a slot, by time; at one time as scheduled."""
    return sorted(((slot, job) for slot, job in due if slot is not None), key=lambda pair: pair[0])


async def open_slots(ctx: Context, jobs: Iterable[JobSpec]) -> Slots:
    """The slots as the ledger knows them; a job that never ran begins now."""
    known = tuple(jobs)
    for job in known:
        ctx.telemetry.job_failures.labels(job.name).inc(0)
    async with ctx.work() as work:
        last = await work.job_runs.last_slots()
    return Slots(known, ctx.now(), last)
