"""asyncpg: whether the schema is this release's own, asked before anything else is loaded."""

from __future__ import annotations

import asyncpg
from sqlalchemy import make_url

from app.database_tls import driver_query
from app.db.connection import DATABASE_ERRORS
from app.db.roles import GRANT_RIGHTS
from app.db.schema.revision import HEAD_REVISION


async def is_at_head(url: str) -> bool:
    """Whether there is nothing to migrate; the rights of roles made meanwhile are granted then, as by a migration.

    False also where that cannot be found out: the migration tells why.
    """
    target = make_url(url)
    try:
        connection = await asyncpg.connect(
            **driver_query(target.query), **target.translate_connect_args(username="user"), statement_cache_size=0
        )
        try:
            if await connection.fetchval("SELECT version_num FROM alembic_version") != HEAD_REVISION:
                return False
            await connection.execute(GRANT_RIGHTS)
        finally:
            await connection.close()
    except DATABASE_ERRORS:
        return False
    return True
