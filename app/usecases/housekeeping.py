"""What has had its time leaves."""

from __future__ import annotations

from app.usecases.context import Context


async def forget_answers(ctx: Context) -> int:
    """Forget idempotency keys past their time; gives how many."""
    async with ctx.work() as work:
        forgotten = await work.idempotency.forget_expired(ctx.now())
        await work.commit()
    return forgotten
