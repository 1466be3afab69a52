"""Hourly: refreshes pools (US-2)."""

from __future__ import annotations

from typing import Any

from app.usecases.carrier_sync.freshness import watch_pools
from app.usecases.carrier_sync.pools import no_pool_to_refresh, refresh_pools
from app.usecases.context import Context


async def refresh(ctx: Context) -> dict[str, Any]:
    """Update pools' counters and pull the usage of pools near their allowance."""
    await watch_pools(ctx)
    return dict(await refresh_pools(ctx))


async def is_quiet(ctx: Context) -> bool:
    """Whether no pool's members are to be pulled: an advance of the clock skips the slot then."""
    return await no_pool_to_refresh(ctx)
