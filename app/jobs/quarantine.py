"""Attempts again what was set aside (`app.usecases.quarantine`), once its back-off has passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

from app.db import quarantine as rows
from app.usecases.context import Context
from app.usecases.limits.cycle_rollover import roll_over_sims
from app.usecases.limits.evaluate import evaluate_again
from app.usecases.quarantine import SubjectKind, Task
from app.usecases.sims.expire import expire_sims
from app.usecases.sims.expiry_reminders import remind_sims

LIMIT = 100
"""Subjects attempted in one turn."""

Retry = Callable[[Context, SubjectKind, Sequence[int]], Awaitable[None]]

RETRIES: Mapping[Task, Retry] = MappingProxyType(
    {
        Task.LIMITS: evaluate_again,
        Task.CYCLE_ROLLOVER: roll_over_sims,
        Task.EXPIRY_SWEEP: expire_sims,
        Task.EXPIRY_REMINDERS: remind_sims,
    }
)


async def retry_set_aside(ctx: Context) -> int:
    """Attempt what is due, a task and kind at a time; gives how many subjects that was."""
    async with ctx.pool.acquire() as connection:
        due = await rows.due(connection, ctx.now(), LIMIT)
    by_task: dict[tuple[Task, SubjectKind], list[int]] = defaultdict(list)
    for row in due:
        by_task[Task(row["task"]), SubjectKind(row["kind"])].append(row["subject_id"])
    for (task, kind), subject_ids in by_task.items():
        await RETRIES[task](ctx, kind, subject_ids)
    return len(due)
