"""Operations past their `due_at` are told of once (SL-7)."""

from __future__ import annotations

from app.usecases.context import Context
from app.usecases.operations.record import operation_event

CHUNK = 500


async def mark_overdue(ctx: Context) -> int:
    """Mark what is overdue by now, with an event each; gives how many."""
    async with ctx.work() as work:
        late = await work.operations.newly_overdue(ctx.now(), CHUNK)
        await work.events.add([operation_event(operation, "operation.overdue", ctx.now()) for operation in late])
        await work.commit()
    return len(late)
