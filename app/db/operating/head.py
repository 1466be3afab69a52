"""asyncpg: whether the schema is this release's own, asked before anything else is loaded."""

from __future__ import annotations

from app.db.connection import DATABASE_ERRORS, create_pool
from app.db.operating.readiness import applied_schema
from app.db.roles import GRANT_RIGHTS
from app.db.schema.revision import HEAD_REVISION


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
