"""Report operations that are past their `due_at`, once each (SL-7)."""

from __future__ import annotations

from app.domain.events import EventType
from app.usecases.context import Context
from app.usecases.operations.record import operation_event

CHUNK = 500


async def mark_overdue(ctx: Context) -> int:
    """Mark at most `CHUNK` operations as overdue, with an `operation.overdue` event each; returns how many."""
    async with ctx.work() as work:
        late = await work.operations.newly_overdue(ctx.now(), CHUNK)
        events = [operation_event(operation, EventType.OPERATION_OVERDUE, ctx.now()) for operation in late]
        await work.events.add(events)
        await work.commit()
    return len(late)
