"""What every connection of ours asks of the server, so that a process that stands still holds nobody up for long."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text

from app.db.connection import DATABASE_ERRORS, open_database


async def test_statements_locks_and_idle_transactions_have_an_end(database_url: str) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    async with open_database(database_url, size=1) as database:
        by_pool = [await database.pool.fetchval(f"SHOW {name}") for name in names]
        async with database.engine.connect() as connection:
            by_engine = [(await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in names]

    assert by_pool == by_engine == ["30s", "5s", "15s"]


async def test_the_locks_of_a_process_that_stands_still_in_a_transaction_end_with_it(
    database_url: str, database_dsn: str
) -> None:
    """A worker that was frozen while it held a row stopped webhooks and events of everybody for 85 s."""
    other = await asyncpg.connect(database_dsn)
    async with open_database(database_url, size=1) as database:
        async with database.engine.connect() as connection:
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 200"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(4711)"))
            await other.execute("SELECT pg_advisory_lock(4711)")  # waits for the end of the frozen one
            with pytest.raises(DATABASE_ERRORS):
                await connection.execute(text("SELECT 1"))
        async with database.engine.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await other.close()
