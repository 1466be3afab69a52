"""Every hour: what the night's pull has left, then a look at pools (US-2); one job, as every slot has its price."""

from __future__ import annotations

from typing import Any

from app.usecases.carrier_sync.pools import no_pool_near_its_end, refresh_pools
from app.usecases.carrier_sync.usage_run import no_unfinished_pull, resume_pulls
from app.usecases.context import Context


async def refresh(ctx: Context) -> dict[str, Any]:
    """Go on with the runs that broke off; let pools follow their cards, and ask about those near their end."""
    left = await resume_pulls(ctx)
    return {**await refresh_pools(ctx), **left}


async def is_quiet(ctx: Context) -> bool:
    """Whether no run has anything left and no pool is near its end.

    Counters that follow their cards can wait for the next stop of the clock.
    """
    return await no_unfinished_pull(ctx) and await no_pool_near_its_end(ctx)
