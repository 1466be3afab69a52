"""Alembic's way into the database: async engine, one advisory lock so that two starters never race."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.schema.all_tables import metadata

MIGRATION_LOCK = 7_446_283


def run(connection: Connection) -> None:
    """Upgrade in one transaction, alone: its lock makes a second starter wait, then find nothing to do.

    A lock of the transaction, not of the session, holds through PgBouncer too.
    """
    with connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()


async def online() -> None:
    """Open one connection of our own and migrate on it."""
    url = context.config.attributes.get("url") or os.environ["DATABASE_URL"]
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"statement_cache_size": 0})
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


asyncio.run(online())
