"""The worker's loops: each turn processes what is due and gives how much that was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import cycle
from math import inf

from app.clock import monotonic
from app.db.connection import DATABASE_ERRORS, trouble
from app.jobs.quarantine import retry_set_aside
from app.telemetry import get_logger
from app.usecases.approvals.decide import expire_approvals
from app.usecases.automations.evaluate import run_automations
from app.usecases.bulk.advance import advance_bulk
from app.usecases.carrier_sync.freshness import keep_fresh
from app.usecases.carrier_sync.notifications import process_notifications
from app.usecases.carrier_sync.stops import look_into_stops
from app.usecases.context import Context
from app.usecases.deadlines.upkeep import group_sims
from app.usecases.execution.overdue import mark_overdue
from app.usecases.execution.schedule import start_scheduled
from app.usecases.execution.worker import worker_round
from app.usecases.exports.write import write_next_export
from app.usecases.imports.tasks import run_next_import
from app.usecases.limits.evaluate import run_once as evaluate_limits
from app.usecases.notifications.deliver import notify_round
from app.usecases.orders.advance import advance_orders
from app.usecases.sims.counts import fold_counts
from app.usecases.webhooks.deliver import deliver_round

log = get_logger("worker")

Turn = Callable[[Context], Awaitable[int]]
ERROR_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One loop: its turn, seconds to pause after a turn that found nothing, number of parallel tasks."""

    name: str
    turn: Turn
    idle_pause_s: float
    concurrency: int = 1


LOOPS: tuple[Loop, ...] = (
    Loop(name="operations", turn=worker_round, idle_pause_s=0.2, concurrency=3),
    Loop(name="schedule", turn=start_scheduled, idle_pause_s=0.25),
    Loop(name="inbox", turn=process_notifications, idle_pause_s=0.25),
    Loop(name="bulk", turn=advance_bulk, idle_pause_s=0.25),
    Loop(name="automations", turn=run_automations, idle_pause_s=1),
    Loop(name="approvals", turn=expire_approvals, idle_pause_s=5),
    Loop(name="orders", turn=advance_orders, idle_pause_s=0.5),
    Loop(name="webhooks", turn=deliver_round, idle_pause_s=0.25, concurrency=2),
    Loop(name="notifications", turn=notify_round, idle_pause_s=1, concurrency=2),
    Loop(name="limits", turn=evaluate_limits, idle_pause_s=0.25),
    Loop(name="freshness", turn=keep_fresh, idle_pause_s=5),
    Loop(name="quarantine", turn=retry_set_aside, idle_pause_s=5),
    Loop(name="stops", turn=look_into_stops, idle_pause_s=5),
    Loop(name="exports", turn=write_next_export, idle_pause_s=1),
    Loop(name="imports", turn=run_next_import, idle_pause_s=0.5),
    Loop(name="deadlines", turn=group_sims, idle_pause_s=5),
    Loop(name="counts", turn=fold_counts, idle_pause_s=5),
    Loop(name="overdue", turn=mark_overdue, idle_pause_s=5),
)


async def run_loops(ctx: Context, stop: asyncio.Event, *, moving: asyncio.Lock) -> None:
    """Run every loop until `stop` is set; a turn in progress is finished.

    While `moving` is held, this process advances the clock and takes the loops' turns itself: they pause.
    """
    ctx.telemetry.expect_loops((loop.name for loop in LOOPS), ctx.now())
    async with asyncio.TaskGroup() as group:
        for loop in LOOPS:
            for _ in range(loop.concurrency):
                group.create_task(_run(ctx, loop, stop, moving))


async def _run(ctx: Context, loop: Loop, stop: asyncio.Event, moving: asyncio.Lock) -> None:
    while not stop.is_set():
        pause_s = loop.idle_pause_s if moving.locked() else await _turn(ctx, loop)
        if pause_s:
            await wait(stop, pause_s)


async def _turn(ctx: Context, loop: Loop) -> float:
    """Take one turn; gives the seconds to pause. A turn that fails is tried again after a pause."""
    found = await take_turn(ctx, loop.name, loop.turn)
    if found is None:
        return ERROR_PAUSE_S
    return 0.0 if found else loop.idle_pause_s


async def take_turn(ctx: Context, loop: str, turn: Callable[[Context], Awaitable[int | None]]) -> int | None:
    """One turn of a background loop, recorded in its metrics; gives what it found, None where it failed.

    Errors are logged: no turn ends its loop.
    """
    try:
        found = await turn(ctx)
        ctx.telemetry.loop_succeeded(loop, ctx.now())
    except DATABASE_ERRORS as error:
        log.warning("loop.database_trouble", loop=loop, **trouble(error))
    except Exception:
        log.exception("loop.failed", loop=loop)
    else:
        return found or 0
    ctx.telemetry.loop_failed(loop)
    return None


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait so many seconds, or until `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def drain(ctx: Context, *, give_up_at: float = inf) -> list[str]:
    """Take the loops' turns, round and round, until each has found nothing since one of them found something.

    At `give_up_at` (monotonic) it ends all the same, with the loops that found something in their last turn.
    """
    last: dict[str, int] = {}
    in_vain = 0
    for loop in cycle(LOOPS):
        found = last[loop.name] = await loop.turn(ctx)
        in_vain = 0 if found else in_vain + 1
        if in_vain == len(LOOPS) or (found and monotonic() >= give_up_at):
            break
    return [name for name, amount in last.items() if amount]
