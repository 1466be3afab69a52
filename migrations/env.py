"""Alembic's way into the database: async engine, one advisory lock so that two starters never race."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database_tls import driver_query
from app.db.roles import GRANT_RIGHTS
from app.db.schema.all_tables import metadata
from app.db.schema.late_indexes import build_missing
from app.db.schema.revision import HEAD_REVISION, AppliedSchema
from app.postgres.errors import DatabaseUnusable

MIGRATION_LOCK = 7_446_283


def run(connection: Connection) -> None:
    """Upgrade in one transaction, alone: its lock makes a second starter wait, then find nothing to do.

    A lock of the transaction, not of the session, holds through PgBouncer too.
    """
    with connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        if _of_a_later_release(connection):
            return
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()
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


async def online() -> None:
    """Open one connection of our own and migrate on it."""
    url = context.config.attributes.get("url") or os.environ["DATABASE_URL"]
    target = make_url(url)
    arguments = {**driver_query(target.query), "statement_cache_size": 0}
    engine = create_async_engine(target.set(query={}), poolclass=NullPool, connect_args=arguments)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.run_sync(build_late_indexes)
    finally:
        await engine.dispose()


asyncio.run(online())
