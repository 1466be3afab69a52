"""The daily pull: usage and state from the carriers, then a look at every pool."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from app.usecases.context import Context
from app.usecases.usage_housekeeping import look_at_pools
from app.usecases.usage_pull import pull_all


async def pull_usage(ctx: Context, zone: tzinfo | None = None) -> dict[str, Any]:
    """Ask the carriers of a zone (None: of all), each within its budget; then let pools follow what came."""
    report = await pull_all(ctx, zone)
    return {**report, **await look_at_pools(ctx)}
