"""Migrations: the schema they make is the schema the code knows, there and back, and readiness knows the newest."""

from __future__ import annotations

import os

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.postgres.supervisor import Server
from app.settings import PROJECT
from app.usecases.admin.readiness import HEAD_REVISION
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
