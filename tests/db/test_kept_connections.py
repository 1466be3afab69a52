"""Connections kept for reads of one statement: none is lost, none is reused broken, none is held too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.connection import DATABASE_ERRORS, create_pool
from app.db.kept_connections import KeptConnections, Pool

SLEEP = "SELECT pg_sleep(30)"
PID = "SELECT pg_backend_pid() AS pid"


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    made = await create_pool(clean_database, size=2)
    yield made
    async with asyncio.timeout(5):  # ends only once every connection was given back
        await made.close()


@pytest.fixture
async def reads(pool: Pool) -> AsyncIterator[KeptConnections]:
    kept = KeptConnections(pool, 1)
    yield kept
    await kept.close()


async def _pid(reads: KeptConnections) -> int:
    row = await reads.fetchrow(PID)
    assert row is not None
    return int(row["pid"])


async def test_one_statement_after_another_uses_the_same_connection(reads: KeptConnections) -> None:
    assert len({await _pid(reads) for _ in range(5)}) == 1


async def test_no_more_than_asked_are_kept_and_the_others_are_free_for_transactions(
    pool: Pool, reads: KeptConnections
) -> None:
    await asyncio.gather(*(_pid(reads) for _ in range(8)))
    async with asyncio.timeout(5), pool.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_connection_that_the_server_ended_is_not_used_again(pool: Pool, reads: KeptConnections) -> None:
    ended = await _pid(reads)
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_terminate_backend($1)", ended)
    async with asyncio.timeout(5):
        while True:  # the read that meets the end fails, as any would; those after it do not
            try:
                assert await _pid(reads) != ended
            except DATABASE_ERRORS:
                continue
            break


async def test_a_read_that_its_caller_cancels_leaves_a_usable_pool(reads: KeptConnections) -> None:
    waiting = asyncio.create_task(reads.fetch(SLEEP))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5):
        await asyncio.gather(*(_pid(reads) for _ in range(8)))


async def test_a_statement_that_is_refused_gives_its_connection_back(reads: KeptConnections) -> None:
    for _ in range(4):
        with pytest.raises(asyncpg.UndefinedColumnError):
            await reads.fetch("SELECT nothing_like_it")
    assert await _pid(reads)


async def test_a_read_that_outlives_the_close_gives_its_connection_back(pool: Pool) -> None:
    reads = KeptConnections(pool, 1)
    late = asyncio.create_task(reads.fetch("SELECT pg_sleep(0.2)"))
    await asyncio.sleep(0.05)
    await reads.close()
    await late
    async with asyncio.timeout(5):
        await pool.close()
