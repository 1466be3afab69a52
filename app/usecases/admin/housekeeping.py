"""Delete expired idempotency keys and uploaded files; what goes by age alone is in `app.usecases.admin.retention`."""

from __future__ import annotations

from app.usecases.bulk import files
from app.usecases.context import Context


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
