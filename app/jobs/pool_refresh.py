"""Hourly: resumes usage pulls that were interrupted, then refreshes pools (US-2)."""

from __future__ import annotations

from typing import Any

from app.usecases.carrier_sync.freshness import watch_pools
from app.usecases.carrier_sync.pools import no_pool_to_refresh, refresh_pools
from app.usecases.carrier_sync.usage_run import no_unfinished_pull, resume_pulls
from app.usecases.context import Context


async def refresh(ctx: Context) -> dict[str, Any]:
    """Resume interrupted pulls; update pools' counters and pull the usage of pools near their allowance."""
    left = await resume_pulls(ctx)
    await watch_pools(ctx)
    return {**await refresh_pools(ctx), **left}


async def is_quiet(ctx: Context) -> bool:
    """No pull is unfinished, no pool's members are to be pulled: an advance of the clock skips the slot then."""
    return await no_unfinished_pull(ctx) and await no_pool_to_refresh(ctx)
