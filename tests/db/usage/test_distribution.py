"""Distributing the usage tables: refused with a word on a plain server; on a coordinator (`make test-distributed`) whole.

The tests that need Citus are skipped where `SIMGATE_TEST_DATABASE_URL` names no coordinator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.db.connection import Connection
from app.db.twin import DistributionUnfinished, Layout, learn_layout
from app.db.usage.distributed.check import check_distribution
from app.db.usage.distributed.distribute import DISTRIBUTED, NotDistributable, distribute
from app.db.usage.distributed.restored import WorkersNotRestored, settle_workers
from tests.db.usage import statements


@pytest.fixture
async def connection(clean_database: str, database_dsn: str) -> AsyncIterator[Connection]:
    """To a database without a row."""
    opened = await asyncpg.connect(database_dsn)
    yield opened
    await opened.close()


@pytest.fixture
def coordinator(connection: Connection) -> Connection:
    """The same, to a coordinator of Citus with distributed usage tables."""
    if not Layout.distributed:
        pytest.skip("SIMGATE_TEST_DATABASE_URL names no coordinator of Citus")
    return connection


async def test_a_plain_server_is_told_that_it_needs_no_distribution(connection: Connection) -> None:
    if Layout.distributed:
        pytest.skip("this is a coordinator of Citus")
    with pytest.raises(NotDistributable, match="no Citus extension"):
        async for _ in distribute(connection, 8):
            pass

    found = await check_distribution(connection)
    assert (found.faults, found.lines) == ([], ["The usage tables are not distributed: this is a plain database."])


async def test_a_database_that_is_partly_distributed_is_not_used(connection: Connection) -> None:
    was = Layout.distributed
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS usage_distribution (done_at timestamptz)")
        await connection.execute("UPDATE usage_distribution SET done_at = NULL")
        with pytest.raises(DistributionUnfinished, match="run `simgate migrate --distribute` again"):
            await learn_layout(connection)
    finally:
        await transaction.rollback()
        Layout.distributed = was


async def test_a_distributed_database_is_as_it_should_be(coordinator: Connection) -> None:
    found = await check_distribution(coordinator)
    assert found.faults == []
    assert {line.partition(":")[0] for line in found.lines} >= set(DISTRIBUTED)


async def test_after_a_restore_a_worker_that_was_not_restored_is_found_by_how_long_it_has_run(
    coordinator: Connection,
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(WorkersNotRestored, match="has been running since before"):
        await settle_workers(coordinator, now)
    await settle_workers(coordinator, now - timedelta(days=10_000))


async def test_a_restored_plain_server_has_no_workers_to_look_at(connection: Connection) -> None:
    if Layout.distributed:
        pytest.skip("this is a coordinator of Citus")
    await settle_workers(connection, datetime.now(UTC))


async def test_citus_takes_every_statement_and_fetches_no_whole_table(coordinator: Connection) -> None:
    """What `test_statements` finds by their text, Citus says itself."""
    said: list[str] = []
    coordinator.add_log_listener(lambda _, message: said.append(str(message.message)))
    await coordinator.execute("SET client_min_messages = debug1")
    texts, _ = statements.written()
    refused = {}
    for where, text in texts.items():
        said.clear()
        try:
            await _run(coordinator, text)
        except asyncpg.IntegrityConstraintViolationError:
            pass  # of the made-up values
        except asyncpg.PostgresError as error:
            refused[where] = str(error)
        if fetched := [line for line in said if "recursively planning distributed relation" in line]:
            refused[where] = fetched[0]
    assert refused == {}


async def _run(connection: Connection, text: str) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        statement = await connection.prepare(text.replace(":sim_id", "1"))
        kinds = [parameter.name for parameter in statement.get_parameters()]
        await statement.fetch(*[_value(kind, is_json="jsonb" in text) for kind in kinds])
    finally:
        await transaction.rollback()


_VALUES = {
    "int2": 1,
    "int4": 1,
    "int8": 1,
    "bool": True,
    "float8": 1.5,
    "numeric": Decimal(1),
    "date": datetime(2026, 1, 1, tzinfo=UTC).date(),
    "timestamptz": datetime(2026, 1, 1, tzinfo=UTC),
    "varchar": "x",
}


def _value(kind: str, *, is_json: bool) -> object:
    if kind.endswith("[]"):
        return [_value(kind.removesuffix("[]"), is_json=False)] * 2
    return ('{"x": 202601}' if is_json else "x") if kind in ("text", "jsonb") else _VALUES[kind]
