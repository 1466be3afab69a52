"""Connections: one SQLAlchemy engine for use-cases, one plain asyncpg pool for the hot paths, the same database."""

from __future__ import annotations

import json
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A plain asyncpg connection, as the measured hot paths use it."""

STATEMENT_TIMEOUT_MS = "30000"
LOCK_TIMEOUT_MS = "5000"


def _server_settings() -> dict[str, str]:
    return {
        "application_name": "simgate",
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "lock_timeout": LOCK_TIMEOUT_MS,
        "timezone": "UTC",
        "jit": "off",
    }


def create_engine(url: str, *, pool_size: int, pgbouncer: bool = False) -> AsyncEngine:
    """An engine on `postgresql+asyncpg://…`. Through PgBouncer in transaction mode nothing may be prepared by name."""
    connect_args: dict[str, Any] = {"server_settings": _server_settings(), "timeout": 10}
    if pgbouncer:
        connect_args |= {
            "server_settings": {},
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"simgate_{uuid4().hex}",
        }
    return create_async_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=5, pool_pre_ping=False, connect_args=connect_args
    )


async def _decode_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _leave_as_is(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Sessions keep nothing (only transactions set, lock or listen): a reset would be a second round trip a read."""
    if connection.is_in_transaction():
        await connection.reset()


async def create_pool(url: str, *, size: int, pgbouncer: bool = False) -> asyncpg.Pool[asyncpg.Record]:
    """A plain asyncpg pool on the same database, for reads and batches that cannot afford a layer."""
    options: dict[str, Any] = {"statement_cache_size": 0} if pgbouncer else {"server_settings": _server_settings()}
    target = make_url(url)
    return await asyncpg.create_pool(
        **dict(target.query),
        **target.translate_connect_args(username="user"),
        min_size=1,
        max_size=size,
        init=_decode_json,
        reset=_leave_as_is,
        **options,
    )
