"""asyncpg: the schema that is applied, for readiness checks and the log."""

from __future__ import annotations

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
