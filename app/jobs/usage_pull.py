"""The daily pull: usage and state from the carriers, then a look at every pool."""

from __future__ import annotations

from typing import Any

from app.usecases.context import Context
from app.usecases.usage_housekeeping import refresh_pools
from app.usecases.usage_pull import pull_all


async def pull_usage(ctx: Context) -> dict[str, Any]:
    """Ask the carriers, each within its budget; then let pools follow what came."""
    report = await pull_all(ctx)
    return {**report, **await refresh_pools(ctx)}
