"""Move the one clock: gateway and sandbox together, from one thing due to the next, each run until quiet
(`docs/api.md`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.jobs.loops import drain
from app.jobs.runner import SlotOutcome
from app.jobs.schedule import JobSpec
from app.jobs.slots import Slots
from app.usecases.admin.clock import move_clock
from app.usecases.context import Context
from app.usecases.errors import Conflict

SETTLING_S = 0.005


class SandboxClock(Protocol):
    """The sandbox carriers' own clock, which moves with ours."""

    async def next_due(self) -> datetime | None:
        """When something falls due there."""
        ...

    async def move_to(self, instant: datetime) -> None:
        """Run everything there up to this instant."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Advancer:
    """Moves the clock of one gateway; one move at a time, and no scheduler tick in between (`busy`).

    Meanwhile (`moving`) this process takes every loop's turns here.
    """

    ctx: Context
    slots: Slots
    jobs: tuple[JobSpec, ...]
    sandbox: SandboxClock
    busy: asyncio.Lock
    moving: asyncio.Lock

    async def advance_to(self, target: datetime) -> dict[str, Any]:
        """Move to `target` in order of what falls due; tells which jobs ran, and which failed, if any.

        A slot that fails is tried once on the way. Raises `Conflict` where a real carrier is configured.
        """
        if not self.ctx.sandbox:
            raise Conflict("REAL_CARRIER_CONFIGURED", "the clock moves only where every account is in the sandbox")
        tried: Counter[tuple[str, SlotOutcome]] = Counter()
        async with self.busy, self.moving:
            await self.slots.wait_until_idle()
            while (now := self.ctx.now()) < target:
                await self._move(min(target, max(now, await self._next_due(target))))
                tried.update(await self.slots.run_due(self.ctx))
                await self._until_quiet()
        failed = _counts(tried, SlotOutcome.FAILED)
        told = {"now": self.ctx.now().isoformat(), "jobs": _counts(tried, SlotOutcome.RUN)}
        return told | ({"failed": failed} if failed else {})

    async def _next_due(self, target: datetime) -> datetime:
        async with self.ctx.work() as work:
            operations, bulk = await work.operations.next_due(), await work.bulk.next_due()
        candidates = (await self.sandbox.next_due(), operations, bulk, target)
        return await self._next_slot(min(instant for instant in candidates if instant is not None))

    async def _next_slot(self, otherwise: datetime) -> datetime:
        """The first slot with something to do, one that is late or the next of a job that is not idle, or what is due
        before it.
        """
        now, late = self.ctx.now(), self.slots.next_due()
        if late <= now:
            return late
        for slot, job in sorted(((job.next_after(now), job) for job in self.jobs), key=lambda pair: pair[0]):
            if slot >= otherwise:
                break
            if job.idle is None or not await job.idle(self.ctx):
                return slot
        return otherwise

    async def _move(self, instant: datetime) -> None:
        """Our side first, then the sandbox: it never runs ahead of the row."""
        await move_clock(self.ctx, instant)
        await self.sandbox.move_to(self.ctx.now())

    async def _until_quiet(self) -> None:
        """Until nothing is due and no worker of another loop or process has anything in hand."""
        while True:
            await drain(self.ctx)
            async with self.ctx.work() as work:
                running = await work.operations.count_running()
            if not running:
                return
            await asyncio.sleep(SETTLING_S)


def _counts(tried: Counter[tuple[str, SlotOutcome]], outcome: SlotOutcome) -> dict[str, int]:
    """How often each job's slots ended so."""
    return {job: times for (job, what), times in sorted(tried.items()) if what is outcome}
