"""The two roles of a divided installation in tests: made once a server, granted once a database, and who connects as them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
from sqlalchemy import make_url

from app.container import Container
from app.db.connection import Database
from app.db.kept_connections import KeptConnections
from app.db.roles import GRANT_RIGHTS, create_roles
from app.db.uow import UnitOfWork

PASSWORD = "of-the-tests-0123456789"


async def divide(dsn: str) -> None:
    """Make the roles, where the server lacks them, and grant them their rights in this database."""
    connection = await asyncpg.connect(dsn)
    try:
        for role in await create_roles(connection):
            await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        await connection.execute(GRANT_RIGHTS)
    finally:
        await connection.close()


def url_as(role: str, url: str) -> str:
    """The same database as another role."""
    return make_url(url).set(username=role, password=PASSWORD).render_as_string(hide_password=False)


@asynccontextmanager
async def over(container: Container, database: Database) -> AsyncIterator[Container]:
    """The same gateway with its use-cases on other connections: another process of it, in this one."""
    reads = KeptConnections(database.pool, container.settings.database_pool // 2)
    context = replace(
        container.context,
        work=lambda: UnitOfWork(database.engine),
        pool=database.pool,
        reads=reads,
        walled=database.walled,
    )
    try:
        yield replace(container, context=context, engine=database.engine)
    finally:
        await reads.close()
