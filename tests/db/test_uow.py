"""The unit of work: SQLAlchemy and asyncpg in one transaction, and what that costs in statements."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from app.db.connection import create_engine
from app.db.uow import UnitOfWork, Work

NOW = datetime(2026, 11, 21, tzinfo=UTC)


async def _statements(unit: UnitOfWork) -> list[str]:
    """The queries of this unit of work from now on: those by SQLAlchemy, and those by asyncpg itself."""
    raw = await unit.connection.get_raw_connection()
    sent: list[str] = []
    raw.driver_connection.add_query_logger(lambda record: sent.append(record.query))
    event.listen(unit.connection.sync_connection, "before_cursor_execute", lambda *given: sent.append(given[2]))
    return sent


async def test_the_driver_begins_a_transaction_by_nothing_but_its_beginning(work: Work) -> None:
    async with work() as unit:
        sent = await _statements(unit)
        for _ in range(3):
            await unit.driver()
        await asyncio.sleep(0.01)  # asyncpg tells of its queries a turn of the loop later
        assert sent == ["BEGIN;"]


async def test_the_driver_costs_nothing_in_a_transaction_that_has_begun(work: Work) -> None:
    async with work() as unit:
        sent = await _statements(unit)
        await unit.connection.execute(text("SELECT 2"))
        await unit.driver()

    assert [query for query in sent if query.startswith("SELECT")] == ["SELECT 2"]


async def test_what_the_driver_writes_is_committed_and_rolled_back_with_the_repositories(work: Work) -> None:
    insert = "INSERT INTO import_marks (name, done_at) VALUES ($1, $2)"
    async with work() as unit:
        await (await unit.driver()).execute(insert, "rolled back", NOW)
    async with work() as unit:
        await (await unit.driver()).execute(insert, "committed", NOW)
        assert await unit.import_marks.is_set("committed")
        await unit.commit()

    async with work() as unit:
        assert await unit.import_marks.is_set("committed")
        assert not await unit.import_marks.is_set("rolled back")


async def test_what_the_driver_alone_has_written_is_committed(work: Work) -> None:
    async with work() as unit:
        driver = await unit.driver()
        await driver.execute("INSERT INTO import_marks (name, done_at) VALUES ('alone', $1)", NOW)
        await unit.commit()
        assert not driver.is_in_transaction()

    async with work() as unit:
        assert await unit.import_marks.is_set("alone")


async def test_after_a_commit_the_driver_begins_the_next_transaction(work: Work) -> None:
    async with work() as unit:
        await unit.driver()
        await unit.commit()
        connection = await unit.driver()

        assert connection.is_in_transaction()
        await unit.clock_offset.move(timedelta(hours=1))

    async with work() as unit:
        assert await unit.clock_offset.read() == timedelta()


async def test_a_transaction_cancelled_while_it_begins_is_in_nobodys_way(clean_database: str) -> None:
    """A connection that came back in a transaction would take the next one's commit for that of a savepoint."""
    engine = create_engine(clean_database, pool_size=1)

    async def begin() -> None:
        async with UnitOfWork(engine) as unit:
            await unit.driver()
            await asyncio.sleep(10)

    for turns in range(40):
        beginning = asyncio.create_task(begin())
        for _ in range(turns):
            await asyncio.sleep(0)
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        async with UnitOfWork(engine) as unit:
            assert not (await unit.connection.get_raw_connection()).driver_connection.is_in_transaction()
    await engine.dispose()
