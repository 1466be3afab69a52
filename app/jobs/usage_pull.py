"""The daily pull of one account: usage and state of its SIMs, then the pools' counters; and what it left, hourly.

Each account has jobs of its own, so that one whose pull takes days (a large fleet, few calls) holds up no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.db.connection import DATABASE_ERRORS
from app.telemetry import get_logger
from app.usecases.carrier_sync.usage_run import has_no_unfinished_pull, pull_all, resume_pulls, unconfigured_accounts
from app.usecases.context import Context
from app.usecases.limits.upkeep import check_all_pools

log = get_logger("usage_pull")


async def pull_usage(ctx: Context, accounts: Sequence[str] | None = None) -> dict[str, Any]:
    """Pull these accounts (None: all), each within its rate limit, then update pools' counters.

    A database error in the second part does not repeat the pull; the hourly job updates the pools.
    """
    report: dict[str, Any] = dict(await pull_all(ctx, accounts))
    try:
        return report | await check_all_pools(ctx)
    except DATABASE_ERRORS as error:
        log.warning("usage_pull.pools_later", error=type(error).__name__)
        return report


async def set_unconfigured_aside(ctx: Context) -> dict[str, Any]:
    """Set aside the accounts that have SIMs and are no longer configured: nothing pulls them."""
    return dict(await pull_all(ctx, await unconfigured_accounts(ctx)))


async def resume_pull(ctx: Context, account: str) -> dict[str, Any]:
    """Continue the account's run where it was interrupted."""
    return dict(await resume_pulls(ctx, [account]))


async def is_complete(ctx: Context, account: str) -> bool:
    """Whether the account's run is complete: an advance of the clock skips the hourly slot then."""
    return await has_no_unfinished_pull(ctx, account)
