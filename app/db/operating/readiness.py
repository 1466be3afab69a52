"""asyncpg: the applied migration, for readiness checks."""

from __future__ import annotations

import asyncpg


async def applied_revision(pool: asyncpg.Pool[asyncpg.Record]) -> str | None:
    """The revision of the last applied migration; None if none was applied."""
    try:
        revision: str | None = await pool.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision
