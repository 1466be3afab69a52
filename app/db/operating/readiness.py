"""asyncpg: the server and the schema that is applied, for readiness checks, the log and the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from app.db.connection import DATABASE_ERRORS, create_pool
from app.db.roles import GRANT_RIGHTS
from app.db.schema.revision import HEAD_REVISION, AppliedSchema


async def applied_schema(pool: asyncpg.Pool[asyncpg.Record]) -> AppliedSchema:
    """The schema of the database; `oldest_release` only where it is newer than this release."""
    try:
        revision: str | None = await pool.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return AppliedSchema(revision=None)
    if revision is None or revision <= HEAD_REVISION:
        return AppliedSchema(revision=revision)
    return AppliedSchema(revision=revision, oldest_release=await pool.fetchval("SELECT revision FROM oldest_release"))


async def is_at_head(url: str) -> bool:
    """Whether there is nothing to migrate; the rights of roles made meanwhile are granted then, as by a migration.

    False also where that cannot be found out: the migration tells why.
    """
    try:
        async with await create_pool(url, size=1, pgbouncer=True) as pool:
            if (await applied_schema(pool)).revision != HEAD_REVISION:
                return False
            await pool.execute(GRANT_RIGHTS)
    except DATABASE_ERRORS:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The database server: the database's name, the server's version, and what time it is there."""

    name: str
    version: str
    now: datetime


async def server_of(pool: asyncpg.Pool[asyncpg.Record]) -> Server:
    """The server behind a pool."""
    row = await pool.fetchrow(
        "SELECT current_database() AS name, current_setting('server_version') AS version, clock_timestamp() AS now"
    )
    return Server(name=row["name"], version=row["version"], now=row["now"])
