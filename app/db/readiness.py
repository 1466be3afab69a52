"""asyncpg: whether the database is there, current and prepared."""

from __future__ import annotations

import asyncpg


async def applied_revision(pool: asyncpg.Pool[asyncpg.Record]) -> str | None:
    """The migration the database stands at; None where none was ever applied."""
    try:
        revision: str | None = await pool.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision
