"""Every hour: what the night's pull has left, then a look at pools (US-2); one job, as every slot has its price."""

from __future__ import annotations

from typing import Any

from app.usecases.carrier_sync.pools import none_near, refresh_pools
from app.usecases.carrier_sync.usage_run import nothing_left, pull_rest
from app.usecases.context import Context


async def refresh(ctx: Context) -> dict[str, Any]:
    """Go on with the runs that broke off; let pools follow their cards, and ask about those near their end."""
    left = await pull_rest(ctx)
    return {**await refresh_pools(ctx), **left}


async def is_quiet(ctx: Context) -> bool:
    """Whether no run has anything left and no pool is near its end.

    Counters that follow their cards can wait for the next stop of the clock.
    """
    return await nothing_left(ctx) and await none_near(ctx)
