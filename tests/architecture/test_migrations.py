"""Migrations: the schema they make is the schema the code knows, there and back, and readiness knows the newest."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.cli.database import migrate
from app.db.operating.readiness import applied_schema
from app.db.schema.all_tables import metadata
from app.db.schema.late_indexes import BIG_TABLES
from app.db.schema.revision import HEAD_REVISION, AppliedSchema
from app.postgres.errors import DatabaseUnusable
from app.postgres.supervisor import Server
from app.settings import PROJECT
from tests import databases


def _config(url: str) -> Config:
    config = Config(str(PROJECT / "alembic.ini"))
    config.attributes["url"] = url
    return config


def test_readiness_knows_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(_config("")).get_current_head() == HEAD_REVISION


def test_migrations_go_up_down_and_up_and_give_the_schema_of_the_code(database_server: Server) -> None:
    name = f"migrated_{os.getpid()}"
    databases.run_async(lambda: databases.execute(database_server.dsn, f"CREATE DATABASE {name}"))
    config = _config(database_server.url_of(name))

    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head")

    command.check(config)


@pytest.fixture
def on_later_schema(database_server: Server, database_name: str) -> Iterator[Callable[[str], str]]:
    """Makes a database that a later release has migrated, and says since when releases run on it; gives its name."""
    name = f"later_{os.getpid()}"
    create = f"CREATE DATABASE {name} TEMPLATE {databases.TEMPLATE}"
    assert database_name, "the template is there"
    databases.run_async(lambda: databases.execute(database_server.dsn, create))

    def migrated(oldest_release: str) -> str:
        statement = (
            f"UPDATE alembic_version SET version_num = '9999'; UPDATE oldest_release SET revision = '{oldest_release}'"  # noqa: S608 - ours
        )
        databases.run_async(lambda: databases.execute(database_server.dsn_of(name), statement))
        return name

    yield migrated
    databases.run_async(lambda: databases.execute(database_server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_release_is_ready_and_starts_on_a_newer_schema_that_only_added_to_its_own(
    database_server: Server, on_later_schema: Callable[[str], str]
) -> None:
    name = on_later_schema(HEAD_REVISION)
    migrate(database_server.url_of(name))
    assert asyncio.run(_fits(database_server.dsn_of(name)))


def test_a_release_refuses_a_newer_schema_that_took_something_away(
    database_server: Server, on_later_schema: Callable[[str], str]
) -> None:
    name = on_later_schema("9998")
    with pytest.raises(DatabaseUnusable, match="before 9998"):
        migrate(database_server.url_of(name))
    assert not asyncio.run(_fits(database_server.dsn_of(name)))


@pytest.mark.parametrize(
    ("revision", "oldest", "fits"),
    [
        (None, None, False),
        ("0001", None, False),
        (HEAD_REVISION, None, True),
        ("9999", None, False),
        ("9999", HEAD_REVISION, True),
        ("9999", "9998", False),
    ],
)
def test_which_schemas_a_release_runs_on(revision: str | None, oldest: str | None, fits: bool) -> None:
    assert AppliedSchema(revision=revision, oldest_release=oldest).fits is fits


async def _fits(dsn: str) -> bool:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        return (await applied_schema(pool)).fits


MADE = re.compile(r"op\.create_table\(\s*\"(\w+)\"|CREATE TABLE (?:IF NOT EXISTS )?(\w+)")
INDEXED = re.compile(
    r"op\.create_index\(\s*\"\w+\",\s*\"(\w+)\"|CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)[^;]*? ON (?:ONLY )?(\w+)",
    re.DOTALL,
)
LOCKING = "0046"
"""Since this migration big tables are indexed beside writers."""


def _indexed_under_a_lock(text: str) -> set[str]:
    """Big tables that were there before, and that a migration indexes while nobody may write."""
    made = {name for found in MADE.findall(text) for name in found}
    return {name for found in INDEXED.findall(text) for name in found} & BIG_TABLES - made


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((PROJECT / "migrations" / "versions").glob("*.py")) if path.name[:4] >= LOCKING],
    ids=lambda path: path.stem,
)
def test_a_migration_indexes_no_big_table_while_nobody_may_write(path: Path) -> None:
    assert _indexed_under_a_lock(path.read_text(encoding="utf-8")) == set(), "create_where_small"


@pytest.mark.parametrize(
    "text",
    [
        'op.create_index("ix", "sims", ["tenant"])',
        'op.create_index(\n        "ix",\n        "operations",\n        ["id"])',
        'op.execute("CREATE INDEX ix ON events (id)")',
        'op.execute("CREATE UNIQUE INDEX IF NOT EXISTS ix ON audit (id)")',
    ],
)
def test_such_a_migration_would_be_seen(text: str) -> None:
    assert _indexed_under_a_lock(text)


def test_big_tables_are_tables() -> None:
    assert set(metadata.tables) >= BIG_TABLES


def test_a_filled_database_gets_its_indices_beside_writers(database_server: Server, database_name: str) -> None:
    """A transaction that has written to `sims` stays open until the schema is new: no lock of the migration waits for it."""
    name = f"filled_{os.getpid()}"
    assert database_name, "the template is there"
    databases.run_async(lambda: databases.execute(database_server.dsn, f"CREATE DATABASE {name}"))
    config = _config(database_server.url_of(name))
    command.upgrade(config, "0045")
    config.attributes["small_bytes"] = -1
    command.upgrade(config, "0047")  # not the head: nothing is built yet, as where a process dies before it is
    assert asyncio.run(_lacking(database_server.dsn_of(name))) == WANTED

    asyncio.run(_built_beside_a_writer(database_server.dsn_of(name), config))

    assert asyncio.run(_lacking(database_server.dsn_of(name))) == set()
    command.check(config)
    command.downgrade(config, "0045")
    databases.run_async(lambda: databases.execute(database_server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


WANTED = {
    *("ix_sims_facets", "ix_sims_tenant_expires_on", "ix_sims_tags", "ix_operations_overdue"),
    *(f"ix_operations_tenant_{what}" for what in ("status", "kind", "channel", "account", "iccid", "correlation_id")),
}


async def _lacking(dsn: str) -> set[str]:
    """Those of the indices of 0046 that are not there, or not whole."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indisvalid")
    finally:
        await connection.close()
    return WANTED - {row["name"] for row in rows}


async def _built_beside_a_writer(dsn: str, config: Config) -> None:
    """`migrate` waits for a writer that began before, and lets the next ones write."""
    before, after = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    writing = "UPDATE operations SET tries = tries WHERE false"
    try:
        begun = before.transaction()
        await begun.start()
        await before.execute(writing)
        migration = asyncio.create_task(asyncio.to_thread(command.upgrade, config, "head"))
        waits = "SELECT count(*) FROM pg_stat_progress_create_index"
        while not migration.done() and not await after.fetchval(waits):
            await asyncio.sleep(0.05)
        assert not migration.done(), "it waits for the writer"
        await after.execute("SET lock_timeout = '1s'")
        await after.execute(writing)
        await begun.rollback()
        await asyncio.wait_for(migration, 60)
    finally:
        await before.close()
        await after.close()
