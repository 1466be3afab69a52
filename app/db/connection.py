"""Connections to the database: an SQLAlchemy engine for the control plane, an asyncpg pool for the hot paths.

Which path uses which is decided in docs/adr/0015. What either raises is in `DATABASE_ERRORS`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import msgspec
from sqlalchemy import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from app.database_tls import driver_query
from app.db.tenancy import WalledConnection, is_walled
from app.db.twin import learn_layout

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A plain asyncpg connection, as the measured hot paths use it."""

DATABASE_ERRORS = (
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What both drivers raise when the database is away, restarting, busy or refuses a statement. `OSError` includes
`TimeoutError`; what a dying server leaves behind, asyncpg calls an internal error of its own. Background work logs
these and tries again; a request is answered 503."""

DATA_ERRORS = (DataError, IntegrityError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""Those of `DATABASE_ERRORS` that the statement's own values cause: the same statement fails again."""

MAX_REASON_LENGTH = 300

_REFUSED_VALUES = frozenset({"22000", "22003", "22008", "22021", "22P05"})
"""SQLSTATEs of a value that PostgreSQL cannot store: NUL in a text, a day or a number out of range."""


def refused_value(error: BaseException) -> bool:
    """Whether the database refused a value, rather than being in trouble itself."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlstate", None) in _REFUSED_VALUES


_OF_VALUES = ("22", "23")
"""Classes of SQLSTATE whose message quotes what the caller sent."""


def trouble(error: BaseException) -> dict[str, str]:
    """What a log line says about one of `DATABASE_ERRORS`: class, SQLSTATE and reason, never a value of a row."""
    cause = getattr(error, "orig", None) or error
    cause = getattr(cause, "__cause__", None) or cause  # the driver's own error, inside SQLAlchemy's of the DBAPI
    found = {"error": type(cause).__name__}
    sqlstate = getattr(cause, "sqlstate", None)
    if isinstance(sqlstate, str):
        found["sqlstate"] = sqlstate
        if sqlstate.startswith(_OF_VALUES):
            return found
    reason = getattr(cause, "message", None) or getattr(cause, "strerror", None) or str(cause).partition("\n")[0]
    return found | ({"reason": str(reason)[:MAX_REASON_LENGTH]} if reason else {})


STATEMENT_TIMEOUT_MS = "30000"
LOCK_TIMEOUT_MS = "5000"
IDLE_IN_TRANSACTION_TIMEOUT_MS = "15000"
"""Longer than a healthy process computes between two statements; one that is frozen or cut off loses its locks."""


SESSION_SETTINGS = {
    "statement_timeout": STATEMENT_TIMEOUT_MS,
    "lock_timeout": LOCK_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_MS,
    "timezone": "UTC",
    "jit": "off",
}
"""Of every session. A PgBouncer in transaction mode lets none of them through: there they are the roles' own."""


def _server_settings() -> dict[str, str]:
    return {"application_name": "simgate", **SESSION_SETTINGS}


def create_engine(url: str, *, pool_size: int, pgbouncer: bool = False, walled: bool = False) -> AsyncEngine:
    """An engine on `postgresql+asyncpg://…`; `walled`: each transaction says for whom it is (`app.db.tenancy`).

    PgBouncer in transaction mode hands each transaction another server connection, so that a statement prepared under
    a fixed name may be missing or somebody else's: names are random there, and nothing is cached.
    """
    target = make_url(url)
    connect_args: dict[str, Any] = {
        **driver_query(target.query),
        "server_settings": _server_settings(),
        "timeout": 10,
    }
    if walled:
        connect_args["connection_class"] = WalledConnection
    if pgbouncer:
        connect_args |= {
            "server_settings": {},
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"simgate_{uuid4().hex}",
        }
    return create_async_engine(
        target.set(query={}),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        json_deserializer=msgspec.json.decode,
        hide_parameters=True,  # an error's text goes to the log, and the values are keys, secrets and ICCIDs
        connect_args=connect_args,
    )


def connections_in_use(engine: AsyncEngine) -> int:
    """How many of the engine's connections are taken now."""
    pool = engine.sync_engine.pool
    return pool.checkedout() if isinstance(pool, QueuePool) else 0


async def _decode_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    # msgspec takes a tenth of json's time for the short values that rows hold, `[]` and `{}` most of all.
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=msgspec.json.decode, schema="pg_catalog")


async def _reset_if_in_transaction(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Reset only what was left in a transaction: settings and locks are per transaction, so that a released connection
    has nothing else to reset, and asyncpg's default reset would double the round trips of a read.
    """
    if connection.is_in_transaction():
        await connection.reset()


async def create_pool(
    url: str, *, size: int, pgbouncer: bool = False, walled: bool = False
) -> asyncpg.Pool[asyncpg.Record]:
    """An asyncpg pool on the same database, for the measured hot paths; `jsonb` is decoded to Python values."""
    options: dict[str, Any] = {"statement_cache_size": 0} if pgbouncer else {"server_settings": _server_settings()}
    if walled:
        options["connection_class"] = WalledConnection
    target = make_url(url)
    return await asyncpg.create_pool(
        **driver_query(target.query),
        **target.translate_connect_args(username="user"),
        min_size=1,
        max_size=size,
        init=_decode_json,
        reset=_reset_if_in_transaction,
        **options,
    )


@dataclass(frozen=True, slots=True)
class Database:
    """Both ways to one database, for as long as a process needs them."""

    engine: AsyncEngine
    pool: asyncpg.Pool[asyncpg.Record]
    walled: bool = False
    """Whether PostgreSQL shows this process one tenant's rows at a time (docs/adr/0038)."""


@asynccontextmanager
async def open_database(url: str, *, size: int, pgbouncer: bool = False) -> AsyncIterator[Database]:
    """An engine and a pool, each of at most `size` connections; closed at the end, the pool first.

    Raises `DistributionUnfinished` (`app.db.twin`).
    """
    pool = await create_pool(url, size=size, pgbouncer=pgbouncer)
    if walled := await is_walled(pool):
        await pool.close()
        pool = await create_pool(url, size=size, pgbouncer=pgbouncer, walled=True)
    engine = create_engine(url, pool_size=size, pgbouncer=pgbouncer, walled=walled)
    try:
        await learn_layout(pool)
        yield Database(engine, pool, walled)
    finally:
        await pool.close()
        await engine.dispose()
