"""What has had its time leaves."""

from __future__ import annotations

from datetime import timedelta

from app.usecases.bulk import files
from app.usecases.context import Context

DELIVERIES_KEPT = timedelta(days=30)
CHUNK = 10_000


async def delete_expired_keys(ctx: Context) -> int:
    """Forget idempotency keys past their time; gives how many."""
    async with ctx.work() as work:
        forgotten = await work.idempotency.delete_expired(ctx.now())
        await work.commit()
    return forgotten


async def delete_old_files(ctx: Context) -> int:
    """Forget files that named cards for bulk operations; gives how many."""
    async with ctx.work() as work:
        forgotten = await work.bulk_items.delete_old_files(ctx.now() - files.KEPT)
        await work.commit()
    return forgotten


async def delete_settled_deliveries(ctx: Context) -> int:
    """Forget webhook deliveries that ended long ago, some at a time; gives how many."""
    total = 0
    while True:
        async with ctx.work() as work:
            forgotten = await work.deliveries.delete_settled(ctx.now() - DELIVERIES_KEPT, CHUNK)
            await work.commit()
        total += forgotten
        if forgotten < CHUNK:
            return total
