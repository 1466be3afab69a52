"""The daily pull: usage and state from the carriers, then a look at every pool."""

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
    """Ask the carriers of a zone (None: of all), each within its budget; then let pools follow what came.

    Where the database has no time for the pools the carriers are not asked again for it: the hourly look catches up.
    """
    report: dict[str, Any] = dict(await pull_all(ctx, zone))
    try:
        return report | await check_all_pools(ctx)
    except DATABASE_ERRORS as error:
        log.warning("usage_pull.pools_later", error=type(error).__name__)
        return report
