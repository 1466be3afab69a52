"""The daily pull: usage and state from the carriers, then a look at every pool; and what is left of it, hourly."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from app.usecases.context import Context
from app.usecases.usage_housekeeping import look_at_pools
from app.usecases.usage_pull import nothing_left, pull_all, pull_rest


async def pull_usage(ctx: Context, zone: tzinfo | None = None) -> dict[str, Any]:
    """Ask the carriers of a zone (None: of all), each within its budget; then let pools follow what came."""
    report = await pull_all(ctx, zone)
    return {**report, **await look_at_pools(ctx)}


async def pull_unfinished(ctx: Context) -> dict[str, Any]:
    """Go on with the runs that broke off."""
    return dict(await pull_rest(ctx))


async def is_pulled(ctx: Context) -> bool:
    """Whether no run has anything left."""
    return await nothing_left(ctx)
