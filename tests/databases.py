"""Databases for tests: an embedded server for each worker, with one migrated template and a copy of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config

from app.postgres.locks import FileLock
from app.postgres.supervisor import Server

PROJECT = Path(__file__).resolve().parent.parent
TEMPLATE = "migrated"
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
"""The tests' server need not outlive its machine."""

EMPTY = """
DO $$
DECLARE
    one regclass;
    has_rows boolean;
    filled text[] := '{}';
BEGIN
    FOR one IN SELECT oid::regclass FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                  AND relname <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO has_rows;
        IF has_rows THEN filled := filled || one::text; END IF;
    END LOOP;
    IF filled <> '{}' THEN EXECUTE 'TRUNCATE ' || array_to_string(filled, ', ') || ' RESTART IDENTITY CASCADE'; END IF;
END $$
"""
"""Only tables with rows cost anything: a clean database is found clean in a millisecond or two."""


def in_a_thread(work: Callable[[], None]) -> None:
    """Run to the end beside pytest's own event loop, which a nested `asyncio.run` would disturb."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (raised again below)
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def run_async(make: Callable[[], Coroutine[object, object, None]]) -> None:
    in_a_thread(lambda: asyncio.run(make()))


def migrate(url: str) -> None:
    """Bring a database to the newest revision, as `simgate migrate` does."""
    config = Config(PROJECT / "alembic.ini")
    config.attributes["url"] = url
    in_a_thread(lambda: command.upgrade(config, "head"))


def ensure_template(server: Server, lock_path: Path) -> None:
    """Make the template once in a run, whichever worker comes first."""
    with FileLock(lock_path) as lock:
        lock.exclusive()
        if lock.read() == "made":
            return
        run_async(lambda: execute(server.dsn, f"CREATE DATABASE {TEMPLATE}"))
        migrate(server.url_of(TEMPLATE))
        lock.write("made")


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def empty(dsn: str) -> None:
    """Remove every row; the schema stays, and Alembic's word on it."""
    await execute(dsn, EMPTY)
