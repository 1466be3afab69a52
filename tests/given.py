"""A database of the developer's own for the tests (`SIMGATE_TEST_DATABASE_URL`), in place of the embedded one.

It is emptied again and again. Where it is a coordinator of Citus, its usage tables are distributed first
(`make test-distributed`). One process of pytest uses it: no `-n`.
"""

from __future__ import annotations

import os

import asyncpg

from app.db.twin import learn_layout
from app.db.usage.distributed.distribute import distribute
from tests import databases

URL = os.environ.get("SIMGATE_TEST_DATABASE_URL")
SHARDS = 8
"""Of each distributed table: fewer than an operator's, as every test empties them all."""

_HAS_CITUS = "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')"


def prepare(url: str) -> str:
    """Migrate and, on Citus, distribute the database; gives its address for asyncpg."""
    dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    databases.migrate(databases.url_of(dsn))
    databases.run_async(lambda: _distribute(dsn))
    return dsn


async def _distribute(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval(_HAS_CITUS):
            async for _ in distribute(connection, SHARDS):
                pass
        await learn_layout(connection)
    finally:
        await connection.close()
