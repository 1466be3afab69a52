"""Isolation: one SIM or pool that a background task cannot handle is set aside, and everything else goes on.

A batch is handled in one transaction. Where it fails for a reason of its data, it is halved until the subject at fault
is alone; that one is set aside with its error and attempted again with back-off. A database that is away or busy sets
nothing aside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from app.db import quarantine as rows
from app.db.connection import DATA_ERRORS, DATABASE_ERRORS
from app.telemetry import get_logger
from app.usecases.context import Context

log = get_logger("quarantine")

Handle = Callable[[Sequence[int]], Awaitable[int]]
"""Handles subjects by row id in one transaction; gives how many changed."""


class Task(StrEnum):
    """The tasks that set subjects aside."""

    LIMITS = "limits"
    CYCLE_ROLLOVER = "cycle_rollover"
    EXPIRY_SWEEP = "expiry_sweep"
    EXPIRY_REMINDERS = "expiry_reminders"


class SubjectKind(StrEnum):
    """What a row id is of."""

    SIM = "sim"
    POOL = "pool"


def is_of_data(error: BaseException) -> bool:
    """Whether a subject's data caused the error, so that trying again changes nothing."""
    if not isinstance(error, DATABASE_ERRORS) or isinstance(error, DATA_ERRORS):
        return isinstance(error, Exception)
    state = getattr(getattr(error, "orig", None) or error, "sqlstate", None) or ""
    return state[:2] in ("22", "23")


async def handle_isolated(
    ctx: Context, task: Task, subject_ids: Sequence[int], handle: Handle, *, kind: SubjectKind = SubjectKind.SIM
) -> int:
    """Handle these subjects, each by itself where the batch fails; gives how many changed.

    Subjects set aside earlier are left out until they are due; those handled are released. Raises what a database in
    trouble raises.
    """
    async with ctx.pool.acquire() as connection:
        resting = await rows.resting(connection, task, kind, subject_ids, ctx.now())
    wanted = [subject_id for subject_id in subject_ids if subject_id not in resting]
    return await _halve(ctx, task, kind, wanted, handle)


async def _halve(ctx: Context, task: Task, kind: SubjectKind, subject_ids: Sequence[int], handle: Handle) -> int:
    if not subject_ids:
        return 0
    try:
        changed = await handle(subject_ids)
    except Exception as error:
        if not is_of_data(error):
            raise
        if len(subject_ids) == 1:
            await _set_aside(ctx, task, kind, subject_ids[0], error)
            return 0
        middle = len(subject_ids) // 2
        first = await _halve(ctx, task, kind, subject_ids[:middle], handle)
        return first + await _halve(ctx, task, kind, subject_ids[middle:], handle)
    # Not in the transaction of `handle`: a process that dies in between leaves an entry, which the next attempt
    # removes.
    async with ctx.pool.acquire() as connection:
        await rows.release(connection, task, kind, subject_ids)
    return changed


async def _set_aside(ctx: Context, task: Task, kind: SubjectKind, subject_id: int, error: Exception) -> None:
    log.error("quarantine.set_aside", task=task, kind=kind, id=subject_id, exc_info=error)
    async with ctx.pool.acquire() as connection:
        await rows.set_aside(connection, task, kind, subject_id, type(error).__name__, ctx.now())
