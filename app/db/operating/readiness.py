"""asyncpg: the server and the schema that is applied, for readiness checks, the log and the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

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
