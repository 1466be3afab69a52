"""Alembic's way into the database: async engine, one advisory lock so that two starters never race."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.database_tls import driver_query
from app.db.roles import GRANT_RIGHTS
from app.db.schema.all_tables import metadata
from app.db.schema.late_indexes import build_missing
from app.db.schema.revision import HEAD_REVISION, AppliedSchema
from app.postgres.errors import DatabaseUnusable

MIGRATION_LOCK = 7_446_283
IN_THE_WAY = frozenset({"55P03", "40P01"})
"""SQLSTATEs of a lock that was not to be had in time, and of a deadlock."""

ATTEMPTS = 100
PAUSE_S = 0.2


def run(connection: Connection) -> None:
    """Upgrade, each migration in a transaction of its own: what it locks is free again before the next one begins.

    A new database has nobody to wait, and is made in one.
    """
    with connection.begin():
        if _of_a_later_release(connection):
            return
        is_new = connection.scalar(text("SELECT to_regclass('alembic_version')")) is None
    _migrations(connection, one_by_one=not is_new)


def _migrations(connection: Connection, *, one_by_one: bool) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        transaction_per_migration=one_by_one,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()  # nothing is left of it but what was read
    with connection.begin():
        connection.execute(text(GRANT_RIGHTS))


def _of_a_later_release(connection: Connection) -> bool:
    """Whether a later release has migrated already, and this one runs on its schema. Raises `DatabaseUnusable`."""
    if connection.scalar(text("SELECT to_regclass('oldest_release')")) is None:
        return False
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    oldest = connection.scalar(text("SELECT revision FROM oldest_release"))
    applied = AppliedSchema(revision=revision, oldest_release=oldest)
    if applied.is_newer and not applied.fits:
        raise DatabaseUnusable(
            f"The database has schema {applied.revision}, on which releases before {applied.oldest_release} do not run; "
            f"this one has {HEAD_REVISION}. Start the release that migrated it, or a later one."
        )
    return applied.is_newer


def build_late_indexes(connection: Connection) -> None:
    """Build what the newest schema's big tables lack, beside everybody; the schema is ready meanwhile."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return
    if connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD_REVISION:
        build_missing(connection)


async def _alone(connection: AsyncConnection) -> None:
    """Wait until nobody else migrates: a second starter then finds nothing to do. Holds until the connection closes.

    A lock of a transaction, not of a session, holds through PgBouncer too; of one beside, it outlasts each migration.
    """
    await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})


async def _migrated(connection: AsyncConnection) -> None:
    """What stands in the way of a lock is waited for: meanwhile whoever waited for what was locked already goes on."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await connection.run_sync(run)
        except DBAPIError as error:
            await connection.rollback()
            if getattr(error.orig, "sqlstate", None) not in IN_THE_WAY or attempt == ATTEMPTS:
                raise
            await asyncio.sleep(PAUSE_S)
        else:
            return


async def online() -> None:
    """Migrate on connections of our own."""
    url = context.config.attributes.get("url") or os.environ["DATABASE_URL"]
    target = make_url(url)
    arguments = {**driver_query(target.query), "statement_cache_size": 0}
    engine = create_async_engine(target.set(query={}), poolclass=NullPool, connect_args=arguments)
    try:
        async with engine.connect() as alone, engine.connect() as connection:
            await _alone(alone)
            await _migrated(connection)
            await alone.rollback()  # indices are built beside everybody, other starters included
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.run_sync(build_late_indexes)
    finally:
        await engine.dispose()


asyncio.run(online())
