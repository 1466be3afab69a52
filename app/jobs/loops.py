"""What a worker does over and over: each loop takes up what is due and says how much it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.db.connection import DATABASE_ERRORS
from app.telemetry import get_logger
from app.usecases.bulk.feed import advance_bulk
from app.usecases.carrier_sync.notifications import process_notifications
from app.usecases.context import Context
from app.usecases.execution.overdue import mark_overdue
from app.usecases.execution.schedule import start_scheduled
from app.usecases.execution.worker import worker_round
from app.usecases.limits.evaluate import work as work_limits
from app.usecases.webhooks.deliver import deliver_round

log = get_logger("worker")

Turn = Callable[[Context], Awaitable[int]]
ERROR_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One loop: what a turn does, how long to rest when there was nothing, how many run side by side."""

    name: str
    turn: Turn
    idle_pause_s: float
    concurrency: int = 1


LOOPS: tuple[Loop, ...] = (
    Loop(name="operations", turn=worker_round, idle_pause_s=0.2, concurrency=3),
    Loop(name="schedule", turn=start_scheduled, idle_pause_s=0.25),
    Loop(name="inbox", turn=process_notifications, idle_pause_s=0.25),
    Loop(name="bulk", turn=advance_bulk, idle_pause_s=0.25),
    Loop(name="webhooks", turn=deliver_round, idle_pause_s=0.25, concurrency=2),
    Loop(name="limits", turn=work_limits, idle_pause_s=0.25),
    Loop(name="overdue", turn=mark_overdue, idle_pause_s=5),
)


async def run_loops(ctx: Context, stop: asyncio.Event, *, moving: asyncio.Lock) -> None:
    """Run every loop until told to stop; a turn under way is finished.

    While `moving` is held the clock is being moved by this process, which then takes every loop's turns itself.
    """
    async with asyncio.TaskGroup() as group:
        for loop in LOOPS:
            for _ in range(loop.concurrency):
                group.create_task(_run(ctx, loop, stop, moving))


async def _run(ctx: Context, loop: Loop, stop: asyncio.Event, moving: asyncio.Lock) -> None:
    while not stop.is_set():
        rest = loop.idle_pause_s if moving.locked() else await _turn(ctx, loop)
        if rest:
            await _wait(stop, rest)


async def _turn(ctx: Context, loop: Loop) -> float:
    """One turn; gives how long to rest. No fault of a turn ends the loop: it is told, and the turn is tried again."""
    try:
        return 0.0 if await loop.turn(ctx) else loop.idle_pause_s
    except DATABASE_ERRORS as error:
        log.warning("loop.database_trouble", loop=loop.name, error=type(error).__name__)
    except Exception:
        log.exception("loop.failed", loop=loop.name)
    return ERROR_PAUSE_S


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def drain(ctx: Context) -> int:
    """Take turns until no loop finds anything due; gives how many turns found something."""
    busy = 0
    while True:
        found = 0
        for loop in LOOPS:
            found += await loop.turn(ctx)
        if not found:
            return busy
        busy += 1
