"""The hourly look at pools (US-2)."""

from __future__ import annotations

from typing import Any

from app.usecases.context import Context
from app.usecases.pool_refresh import none_near, refresh_pools


async def refresh(ctx: Context) -> dict[str, Any]:
    """Let pools follow their cards, and ask about those near their end."""
    return dict(await refresh_pools(ctx))


async def is_quiet(ctx: Context) -> bool:
    """Whether no pool is near its end: counters that follow their cards can wait for the next stop of the clock."""
    return await none_near(ctx)
