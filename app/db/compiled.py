"""Core statements compiled once and run by asyncpg, in the transaction of an SQLAlchemy connection.

For statements of one or a few rows on hot paths, where SQLAlchemy's way to the driver (a key for its cache, processors,
a greenlet) takes three times what the statement itself takes (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.connection import Connection

_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]

UniqueViolation: TypeAlias = asyncpg.UniqueViolationError
"""What a compiled statement raises where a unique index refuses a row; `constraint_name` says which."""


async def driver_of(connection: AsyncConnection) -> Connection:
    """The asyncpg connection under an SQLAlchemy one, in the same transaction.

    SQLAlchemy begins the driver's transaction with its first statement and has no public call for it. Where none has
    begun it is begun here and handed over: a statement for its own sake would be a round trip.
    """
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    if not driver.is_in_transaction():
        if not connection.in_transaction():
            await connection.begin()
        transaction = driver.transaction()
        try:
            await transaction.start()
        except BaseException:  # cancelled too: whether it has begun is not known, and nobody else would end it
            await connection.invalidate()
            raise
        raw.dbapi_connection._transaction = transaction  # type: ignore[union-attr]  # noqa: SLF001 - as it does itself
    return driver


class Compiled:
    """A statement whose parameters all have names. Errors are asyncpg's own.

    SQLAlchemy sets its connections up so that JSON goes in as text and comes out decoded.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())

    async def rows(self, connection: AsyncConnection, **values: Any) -> Sequence[Mapping[str, Any]]:
        """The rows by column name; none of a statement that gives none."""
        driver = await driver_of(connection)
        rows: Sequence[Mapping[str, Any]] = await driver.fetch(self.text, *(values[name] for name in self._names))
        return rows
