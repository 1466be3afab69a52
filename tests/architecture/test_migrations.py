"""Migrations: the schema they make is the schema the code knows, there and back, and readiness knows the newest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.cli.database import migrate
from app.db.operating.readiness import applied_schema
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
