"""Move the one clock: gateway and sandbox together, from one thing due to the next, each run until quiet
(`docs/api.md`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.clock import monotonic
from app.jobs.loops import drain
from app.jobs.runner import SlotOutcome
from app.jobs.schedule import JobSpec
from app.jobs.slots import Slots
from app.usecases.admin.clock import move_clock
from app.usecases.context import Context
from app.usecases.errors import Conflict

SETTLING_S = 0.005
QUIET_S = 600.0
"""Real seconds that an advance lets the loops run at one instant; a large bulk operation takes minutes."""


class SandboxClock(Protocol):
    """The sandbox carriers' clock, which is moved with ours."""

    async def next_due(self) -> datetime | None:
        """When the sandbox's next event is due; None: nothing is."""
        ...

    async def move_to(self, instant: datetime) -> None:
        """Run everything that is due in the sandbox up to this instant."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Advancer:
    """Advances the clock of one gateway, one advance at a time.

    `busy` keeps scheduler ticks out while the clock moves; `moving` stops this process's worker loops, whose work the
    advance does itself between two steps.
    """

    ctx: Context
    slots: Slots
    jobs: tuple[JobSpec, ...]
    sandbox: SandboxClock
    busy: asyncio.Lock
    moving: asyncio.Lock
    quiet_s: float = QUIET_S

    async def advance_to(self, target: datetime) -> dict[str, Any]:
        """Advance to `target`; gives `now`, how often each job ran (`jobs`) and failed (`failed`, left out if empty).

        A slot that fails is not retried on the way. Raises `Conflict` if a real carrier is configured, or where it does
        not get quiet at an instant on the way; the clock stays at that instant then.
        """
        if not self.ctx.sandbox:
            raise Conflict("REAL_CARRIER_CONFIGURED", "the clock moves only where every account is in the sandbox")
        tried: Counter[tuple[str, SlotOutcome]] = Counter()
        # Two advances at once: the second waits here, then goes on from where the first has left the clock.
        async with self.busy, self.moving:
            await self.slots.wait_until_idle()
            await self._until_quiet()
            while (now := self.ctx.now()) < target:
                await self._move(min(target, max(now, await self._next_due(target))))
                tried.update(await self.slots.run_due(self.ctx))
                await self._until_quiet()
        failed = _counts(tried, SlotOutcome.FAILED)
        report = {"now": self.ctx.now().isoformat(), "jobs": _counts(tried, SlotOutcome.RUN)}
        return report | ({"failed": failed} if failed else {})

    async def _next_due(self, target: datetime) -> datetime:
        """The next instant at which something is due.

        What is due already and has not been done cannot be done yet (its account is paused, or it is set aside): the
        clock goes on past it.
        """
        now = self.ctx.now()
        async with self.ctx.work() as work:
            operations, bulk = await work.operation_search.next_due(now), await work.bulk.next_due(now)
            reminders, approvals = await work.notifications.next_due(now), await work.approvals.next_due(now)
        candidates = (await self.sandbox.next_due(), operations, bulk, reminders, approvals, target)
        later = [instant for instant in candidates if instant is not None and instant > now]
        return await self._next_slot(min(later, default=target))

    async def _next_slot(self, otherwise: datetime) -> datetime:
        """The first job slot with work, or `otherwise` if that is earlier.

        That is an overdue slot, else the next slot of a job that is not idle.
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
        """Move our clock first, then the sandbox's, so that the sandbox is never ahead of the stored offset."""
        await move_clock(self.ctx, instant)
        await self.sandbox.move_to(self.ctx.now())

    async def _until_quiet(self) -> None:
        """Run the loops until nothing is due and no worker, here or in another process, has an operation leased.

        Raises `Conflict` where that takes longer than `quiet_s`: others ask for more all the while.
        """
        until = monotonic() + self.quiet_s
        while not (busy := await drain(self.ctx, give_up_at=until)):
            async with self.ctx.work() as work:
                running = await work.operation_search.count_running()
            if not running:
                return
            if monotonic() >= until:
                busy = [f"{running} operations under way"]
                break
            await asyncio.sleep(SETTLING_S)
        waited = f"{self.quiet_s:g} s at {self.ctx.now().isoformat()}"
        raise Conflict(
            "NOT_QUIET", f"after {waited} there was still something due: {', '.join(busy)}; ask again to go on"
        )


def _counts(tried: Counter[tuple[str, SlotOutcome]], outcome: SlotOutcome) -> dict[str, int]:
    """Number of slots per job with this outcome."""
    return {job: times for (job, what), times in sorted(tried.items()) if what is outcome}
