"""Report operations that are past their `due_at`, once each (SL-7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from app.domain.events import EventType
from app.usecases.context import Context
from app.usecases.operations.log_lines import log_overdue
from app.usecases.operations.record import operation_event
from app.usecases.quarantine import SubjectKind, Task, handle_isolated

CHUNK = 500


async def mark_overdue(ctx: Context) -> int:
    """Mark at most `CHUNK` operations as overdue, with an `operation.overdue` event each; returns how many.

    One that cannot be read is set aside.
    """
    async with ctx.work() as work:
        late = await work.operations.newly_overdue(ctx.now(), CHUNK)
    if late:
        await mark_again(ctx, SubjectKind.OPERATION, list(map(str, late)))
    return len(late)


async def mark_again(ctx: Context, kind: SubjectKind, keys: Sequence[str]) -> None:
    """Mark these operations, where they are overdue still; one that cannot be read is set aside."""
    await handle_isolated(ctx, Task.OVERDUE, keys, partial(_mark, ctx), kind=kind)


async def _mark(ctx: Context, keys: Sequence[str]) -> int:
    async with ctx.work() as work:
        late = await work.operations.mark_overdue([UUID(key) for key in keys])
        events = [operation_event(operation, EventType.OPERATION_OVERDUE, ctx.now()) for operation in late]
        await work.events.add(events)
        await work.commit()
    log_overdue(late)
    return len(late)
