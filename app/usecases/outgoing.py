"""What is under way to a receiver: held under a lease that is short and renewed, and its result stored however late.

A lease that is as long as the slowest receiver would keep what a dead process had in hand for as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

from app.clock import monotonic
from app.db.connection import DATA_ERRORS, DATABASE_ERRORS, trouble
from app.telemetry import get_logger

log = get_logger("worker")

Stored = TypeVar("Stored")

LEASE = timedelta(seconds=6)
"""So soon goes again what a process had in hand when it died, or claimed without learning that this was committed."""

RENEWALS_A_LEASE = 3
STORE_S = 12.0
"""Seconds for which a result is kept while the database is away; whoever claims it after that sends it again. With a
round and a slow receiver before it, still less than the 30 s that a service manager gives a worker to stop."""

RETRY_S = 0.5


@asynccontextmanager
async def held(renew: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Within, what is being sent stays ours, however long its receiver takes. `renew` may raise `DATABASE_ERRORS`."""
    renewing = asyncio.create_task(_renew_on_and_on(renew))
    try:
        yield
    finally:
        renewing.cancel()


async def _renew_on_and_on(renew: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(LEASE.total_seconds() / RENEWALS_A_LEASE)
        try:
            await renew()
        except DATABASE_ERRORS as error:
            log.warning("deliveries.lease_not_renewed", **trouble(error))


async def stored(store: Callable[[], Awaitable[Stored]]) -> Stored:
    """Store a result, again and again while the database is in trouble; `store` skips what is ours no more.

    Raises what is not the database's trouble at once, and that too when it lasts longer than `STORE_S`.
    """
    until = monotonic() + STORE_S
    while True:
        try:
            return await store()
        except DATABASE_ERRORS as error:
            if isinstance(error, DATA_ERRORS) or monotonic() >= until:
                raise
            log.warning("deliveries.not_stored", **trouble(error))
        await asyncio.sleep(RETRY_S)
