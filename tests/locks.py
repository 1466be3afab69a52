"""Waiting until a transaction waits for a lock: PostgreSQL says so, no pause guesses it."""

from __future__ import annotations

import asyncio

from tests.gateway import Gateway

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def until_waiting(gateway: Gateway, transactions: int = 1) -> None:
    """Return once so many transactions of the gateway's database wait for a lock. Raises `TimeoutError` after 10 s."""
    async with gateway.ctx.pool.acquire() as connection, asyncio.timeout(10):
        while await connection.fetchval(_WAITING) < transactions:
            await asyncio.sleep(0.01)
