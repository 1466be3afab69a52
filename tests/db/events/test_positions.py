"""Positions of events: each once, in an order that nobody who reads on can miss, whatever commits when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.connection import create_pool
from app.db.events.positions import number_committed
from app.db.kept_connections import Pool

ADD = """
INSERT INTO events (event_id, tenant, type, source, subject, took_effect_at, known_at, data)
SELECT $1, 'default', 'sim.suspended', '/v1/sims/' || $2, $2, now(), now(), '{}'
"""
READ = "SELECT position, subject, event_id FROM events WHERE tenant = 'default' AND position > $1 ORDER BY position"


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    """A pool on an empty schema."""
    pool = await create_pool(clean_database, size=20)
    yield pool
    await pool.close()


async def number(pool: Pool, limit: int = 1_000) -> int:
    async with pool.acquire() as connection:
        return await number_committed(connection, limit)


async def test_what_commits_late_gets_a_later_position(pool: Pool) -> None:
    async with pool.acquire() as slow, pool.acquire() as fast:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(ADD, uuid4(), "slow")
        await fast.execute(ADD, uuid4(), "fast")
        assert await number(pool) == 1
        await transaction.commit()
        assert await number(pool) == 1
    assert [(row["position"], row["subject"]) for row in await pool.fetch(READ, 0)] == [(1, "fast"), (2, "slow")]


async def test_an_idle_transaction_elsewhere_on_the_server_delays_nothing(pool: Pool) -> None:
    async with pool.acquire() as idle, pool.acquire() as other, idle.transaction():
        assert await idle.fetchval("SELECT pg_current_xact_id() IS NOT NULL")
        await other.execute(ADD, uuid4(), "one")
        assert await number(pool) == 1


async def test_a_rolled_back_event_has_no_position(pool: Pool) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(ADD, uuid4(), "undone")
        await transaction.rollback()
    assert await number(pool) == 0


async def test_a_limit_takes_the_oldest_first(pool: Pool) -> None:
    for subject in ("one", "two", "three"):
        await pool.execute(ADD, uuid4(), subject)
    assert [await number(pool, 2), await number(pool, 2), await number(pool, 2)] == [2, 1, 0]
    assert [row["subject"] for row in await pool.fetch(READ, 0)] == ["one", "two", "three"]


@pytest.mark.timeout(60)
async def test_readers_miss_nothing_while_many_write_and_number(pool: Pool) -> None:
    """Eight writers of four SIMs under their locks, four that number, one that reads on: each event once, in order."""
    written: dict[str, list[UUID]] = {subject: [] for subject in "abcd"}
    locks = {subject: asyncio.Lock() for subject in written}
    writing = True

    async def write(subject: str) -> None:
        for n in range(40):
            async with locks[subject], pool.acquire() as connection, connection.transaction():
                added = uuid4()
                await connection.execute(ADD, added, subject)
                await asyncio.sleep(0.001 * (n % 5))
                written[subject].append(added)

    async def number_on() -> None:
        while writing:
            await number(pool, 7)

    async def read_on() -> list[asyncpg.Record]:
        read: list[asyncpg.Record] = []
        while writing:
            read += await pool.fetch(READ, read[-1]["position"] if read else 0)
        await number(pool)
        return read + await pool.fetch(READ, read[-1]["position"] if read else 0)

    async with asyncio.TaskGroup() as group:
        reader = group.create_task(read_on())
        for _ in range(4):
            group.create_task(number_on())
        await asyncio.gather(*(write(subject) for subject in "abcdabcd"))
        writing = False
    for subject, events in written.items():
        assert [row["event_id"] for row in reader.result() if row["subject"] == subject] == events
