"""Waiting in tests: for a condition of the database or of the process, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

BLOCKED = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"


async def until(condition: Callable[[], Awaitable[Any]], *, within_s: float = 30) -> None:
    """Poll until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.01)


async def until_blocked(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Wait until some session of this database waits for a lock."""
    await until(lambda: pool.fetchval(BLOCKED))
