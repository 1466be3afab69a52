"""Housekeeping: what has had its time leaves."""

from __future__ import annotations

from typing import Any

from app.usecases.context import Context


async def tidy(ctx: Context) -> dict[str, Any]:
    """Forget expired idempotency keys."""
    async with ctx.work() as work:
        forgotten = await work.idempotency.forget_expired(ctx.now())
        await work.commit()
    return {"idempotency_keys": forgotten}
