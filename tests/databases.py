"""Databases for tests: an embedded server for each worker, with one migrated template and a copy of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config

from app.db.twin import Layout
from app.db.usage.distributed.distribute import DISTRIBUTED
from app.postgres.locks import FileLock
from app.postgres.supervisor import Server

PROJECT = Path(__file__).resolve().parent.parent
TEMPLATE = "migrated"
FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "4",
}
"""The tests' server need not outlive its machine."""

EMPTY = """
DO $$
DECLARE
    one record;
BEGIN
    SET LOCAL session_replication_role = replica;  -- every table is emptied: no foreign key needs a look
    FOR one IN SELECT root.oid::regclass AS name, sum(pg_relation_size(leaf.oid)) AS bytes
                 FROM pg_class leaf
                 JOIN pg_class root ON root.oid = coalesce(pg_partition_root(leaf.oid), leaf.oid)
                WHERE leaf.relkind = 'r' AND root.relnamespace = 'public'::regnamespace
                  AND root.relname NOT IN ('alembic_version', 'usage_distribution')
                GROUP BY 1 HAVING sum(pg_relation_size(leaf.oid)) > 0
    LOOP
        IF one.bytes < 524288 THEN EXECUTE 'DELETE FROM ' || one.name;
        ELSE EXECUTE 'TRUNCATE ' || one.name || ' CASCADE';
        END IF;
    END LOOP;
    FOR one IN SELECT leaf.oid::regclass AS name FROM pg_class leaf  -- partitions that were detached, and not dropped
                WHERE leaf.relnamespace = 'usage_parts'::regnamespace AND leaf.relkind = 'r' AND NOT leaf.relispartition
    LOOP
        EXECUTE 'DROP TABLE ' || one.name;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence JOIN pg_class s ON s.oid = seqrelid
      WHERE s.relnamespace = 'public'::regnamespace AND pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""
"""Only tables that were ever written to cost anything. A small one's rows are deleted in a fraction of a millisecond;
to truncate makes new files, and has every plan of the table made anew."""


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


def url_of(dsn: str) -> str:
    """An address of asyncpg's as SQLAlchemy takes it."""
    return dsn.replace("postgresql://", "postgresql+asyncpg://", 1)


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


class Emptier:
    """Removes every row; the schema stays, and Alembic's word on it. One connection, kept warm."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def empty(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn)
        await self._connection.execute(EMPTY)
        if Layout.distributed:  # rows in the workers' shards, of which the coordinator's catalogue shows no size
            for table in DISTRIBUTED:
                await self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


async def empty(dsn: str) -> None:
    """The same, once, from whatever loop."""
    await execute(dsn, EMPTY)
