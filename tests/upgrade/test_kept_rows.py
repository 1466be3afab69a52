"""A small database of each release before (`NNNN.sql`) comes through the migrations, up and down, with every row."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from app.postgres.supervisor import Server
from app.settings import PROJECT
from tests import databases

DUMPS = sorted(Path(__file__).parent.glob("[0-9]*.sql"))


@pytest.fixture(params=DUMPS, ids=[path.stem for path in DUMPS])
def restored(request: pytest.FixtureRequest, database_server: Server) -> Iterator[tuple[str, Config, str]]:
    """The newest migration of a release, Alembic's configuration for its database, and where that lies."""
    dump: Path = request.param
    name = f"release_{dump.stem}_{os.getpid()}"
    databases.run_async(lambda: databases.execute(database_server.dsn, f"CREATE DATABASE {name}"))
    databases.run_async(lambda: databases.execute(database_server.dsn_of(name), dump.read_text(encoding="utf-8")))
    config = Config(str(PROJECT / "alembic.ini"))
    config.attributes["url"] = database_server.url_of(name)
    yield dump.stem, config, database_server.dsn_of(name)
    databases.run_async(lambda: databases.execute(database_server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_database_of_a_release_before_keeps_every_row_up_and_down(restored: tuple[str, Config, str]) -> None:
    release, config, dsn = restored
    before = asyncio.run(_rows(dsn))
    for revision in ("head", release, "head"):
        (command.upgrade if revision == "head" else command.downgrade)(config, revision)
        after = asyncio.run(_rows(dsn))
        assert {table: after[table] for table in before} == before, revision
    command.check(config)


def test_an_endpoint_goes_on_with_the_first_event_it_had_not_taken(restored: tuple[str, Config, str]) -> None:
    """Migration 0034 turns windows of transactions into positions, and back."""
    release, config, dsn = restored
    if release >= "0034":
        return
    taken = "SELECT position FROM webhook_endpoints"
    window = "SELECT min(v.id) - 1 FROM events v, webhook_endpoints e WHERE v.xact >= e.window_from"
    expected = asyncio.run(_value(dsn, window))
    command.upgrade(config, "head")
    assert asyncio.run(_value(dsn, taken)) == expected == 6
    command.downgrade(config, release)
    assert asyncio.run(_value(dsn, window)) == expected


def test_an_upgrade_waits_for_a_table_in_use_and_keeps_nobody_waiting(restored: tuple[str, Config, str]) -> None:
    _, config, dsn = restored
    asyncio.run(_upgraded_beside_a_reader(config, dsn))
    command.check(config)


async def _upgraded_beside_a_reader(config: Config, dsn: str) -> None:
    """A transaction reads events for two seconds; whoever wants endpoints meanwhile is served within one."""
    reader, caller = await asyncpg.connect(dsn), await asyncpg.connect(dsn, server_settings={"lock_timeout": "1000"})
    try:
        await reader.execute("BEGIN; SELECT FROM events")
        upgrade = asyncio.create_task(asyncio.to_thread(command.upgrade, config, "head"))
        for _ in range(40):
            await caller.execute("SELECT FROM webhook_endpoints")
            await asyncio.sleep(0.05)
        assert not upgrade.done()
        await reader.execute("COMMIT")
        await upgrade
    finally:
        await reader.close()
        await caller.close()


async def _value(dsn: str, query: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def _rows(dsn: str) -> dict[str, int]:
    """Table -> its number of rows, of every table but Alembic's."""
    connection = await asyncpg.connect(dsn)
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND relname <> 'alembic_version'"
        )
        return {row[0]: await connection.fetchval(f'SELECT count(*) FROM "{row[0]}"') for row in names}  # noqa: S608
    finally:
        await connection.close()
