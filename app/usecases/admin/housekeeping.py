"""Delete expired idempotency keys, uploaded files, webhook deliveries, sent reminders and old changes of SIMs."""

from __future__ import annotations

from datetime import timedelta

from app.db.sims.past import delete_changes_before
from app.usecases.as_of import CHANGES_KEPT
from app.usecases.bulk import files
from app.usecases.context import Context

DELIVERY_RETENTION = timedelta(days=30)
CHUNK = 10_000


async def delete_expired_keys(ctx: Context) -> int:
    """Delete idempotency keys past their expiry; returns how many."""
    async with ctx.work() as work:
        deleted = await work.idempotency.delete_expired(ctx.now())
        await work.commit()
    return deleted


async def delete_old_files(ctx: Context) -> int:
    """Delete files uploaded for bulk operations longer than `files.RETENTION` ago; returns how many."""
    async with ctx.work() as work:
        deleted = await work.bulk_items.delete_old_files(ctx.now() - files.RETENTION)
        await work.commit()
    return deleted


async def delete_old_notifications(ctx: Context) -> int:
    """Delete reminders sent longer than `DELIVERY_RETENTION` ago, `CHUNK` per transaction; returns how many rows."""
    total = 0
    while True:
        async with ctx.work() as work:
            deleted = await work.notifications.delete_old(ctx.now() - DELIVERY_RETENTION, CHUNK)
            await work.commit()
        total += deleted
        if deleted < CHUNK:
            return total


async def delete_settled_deliveries(ctx: Context) -> int:
    """Delete deliveries settled longer than `DELIVERY_RETENTION` ago, `CHUNK` per transaction; returns how many."""
    total = 0
    while True:
        async with ctx.work() as work:
            deleted = await work.deliveries.delete_settled(ctx.now() - DELIVERY_RETENTION, CHUNK)
            await work.commit()
        total += deleted
        if deleted < CHUNK:
            return total


async def delete_old_changes(ctx: Context) -> int:
    """Delete changes of SIMs recorded longer than `CHANGES_KEPT` ago, `CHUNK` a statement; returns how many."""
    total = 0
    async with ctx.pool.acquire() as connection:
        while deleted := await delete_changes_before(connection, ctx.now() - CHANGES_KEPT, CHUNK):
            total += deleted
    return total
