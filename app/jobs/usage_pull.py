"""The daily pull: usage and state of every SIM from the carriers, then the pools' counters."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from app.db.connection import DATABASE_ERRORS
from app.telemetry import get_logger
from app.usecases.carrier_sync.usage_run import pull_all
from app.usecases.context import Context
from app.usecases.limits.upkeep import check_all_pools

log = get_logger("usage_pull")


async def pull_usage(ctx: Context, zone: tzinfo | None = None) -> dict[str, Any]:
    """Pull from the carriers of a zone (None: all), each within its rate limit, then update pools' counters.

    A database error in the second part does not repeat the pull; the hourly job updates the pools.
    """
    report: dict[str, Any] = dict(await pull_all(ctx, zone))
    try:
        return report | await check_all_pools(ctx)
    except DATABASE_ERRORS as error:
        log.warning("usage_pull.pools_later", error=type(error).__name__)
        return report
