"""A database of the operator's own (`DATABASE_URL`): its address in the one form we use, and whether it will do."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.database_tls import FILES, TlsUnusable, driver_query
from app.postgres.binaries import OLDEST_MAJOR
from app.postgres.errors import DatabaseUnusable

SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}
RENAMED = {"sslmode": "ssl"}
"""libpq's names of parameters, and the driver's."""

PARAMETERS = {"host", "port", "ssl", "target_session_attrs", *FILES}
CONNECT_LIMIT_S = 10


def check_external(text: str) -> str:
    """The address as `postgresql+asyncpg://…`, once a server of PostgreSQL 15 or newer answered there.

    For a composition root, before its event loop runs. Raises: DatabaseUnusable; no message holds the password.
    """
    url = normalised(text)
    major = asyncio.run(_major_version(url))
    if major < OLDEST_MAJOR:
        raise DatabaseUnusable(
            f"{address(url)} is PostgreSQL {major}; SimGate needs {OLDEST_MAJOR} or newer. Upgrade it, or point "
            "DATABASE_URL at another."
        )
    return url.render_as_string(hide_password=False)


def normalised(text: str) -> URL:
    """The address in SQLAlchemy's terms, with the driver's parameter names. Raises: DatabaseUnusable."""
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError) as error:
        raise DatabaseUnusable(
            "DATABASE_URL cannot be read. It looks like postgresql://user:password@host:5432/database, with special "
            "characters of the password percent-encoded."
        ) from error
    if url.drivername not in SCHEMES:
        raise DatabaseUnusable(
            "DATABASE_URL must begin with postgres://, postgresql:// or postgresql+asyncpg://: PostgreSQL and no other."
        )
    query = {RENAMED.get(name, name): value for name, value in url.query.items()}
    unknown = sorted(set(query) - PARAMETERS)
    if unknown:
        raise DatabaseUnusable(
            f"DATABASE_URL has parameters SimGate does not know: {', '.join(unknown)}. Known: sslmode, "
            f"{', '.join(sorted(PARAMETERS - {'ssl'}))}."
        )
    try:
        driver_query(query)
    except TlsUnusable as wrong:
        raise DatabaseUnusable(f"DATABASE_URL: {wrong}.") from None
    return url.set(drivername="postgresql+asyncpg", query=query)


def driver_arguments(url: URL) -> dict[str, Any]:
    """The same address as keyword arguments of `asyncpg.connect` and `asyncpg.create_pool`."""
    return {**driver_query(url.query), **url.translate_connect_args(username="user")}


def address(url: URL) -> str:
    """Which database it is, for a message: never with a password."""
    host = url.host or url.query.get("host") or "localhost"
    return f"The database {url.database or url.username or ''!r} at {host}:{url.port or 5432}"


async def _major_version(url: URL) -> int:
    try:
        # Nothing prepared by name: there may be a PgBouncer in between.
        connection = await asyncpg.connect(**driver_arguments(url), timeout=CONNECT_LIMIT_S, statement_cache_size=0)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        why = str(error) or type(error).__name__
        raise DatabaseUnusable(
            f"{address(url)} cannot be used: {why}. Check DATABASE_URL, and that the server is up."
        ) from error
    try:
        return int(connection.get_server_version().major)
    finally:
        await connection.close(timeout=CONNECT_LIMIT_S)
