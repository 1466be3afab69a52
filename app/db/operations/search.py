"""Lists of operations by filter, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.mapping import OperationRecord, operation_from
from app.db.schema.control import operations


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFilter:
    """Filters of a list of operations; None: no filter."""

    tenant: str
    iccid: str | None = None
    kind: str | None = None
    status: str | None = None
    channel: str | None = None
    overdue: bool | None = None
    bulk_id: UUID | None = None


class OperationSearch:
    """Lists of operations in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def page(self, wanted: OperationFilter, *, before: UUID | None, limit: int) -> list[OperationRecord]:
        """A page of operations, newest first, from before an id (keyset: ids are time-ordered)."""
        statement = select(operations).where(*_conditions(wanted))
        if before is not None:
            statement = statement.where(operations.c.id < before)
        rows = await self._connection.execute(statement.order_by(operations.c.id.desc()).limit(limit))
        return [operation_from(row) for row in rows.mappings()]

    async def count(self, wanted: OperationFilter) -> int:
        """How many operations a filter finds."""
        found = await self._connection.execute(select(func.count()).select_from(operations).where(*_conditions(wanted)))
        return int(found.scalar_one())


def _conditions(wanted: OperationFilter) -> Iterator[ColumnElement[bool]]:
    """The conditions of a filter."""
    c = operations.c
    yield c.tenant == wanted.tenant
    for column, value in (
        (c.iccid, wanted.iccid),
        (c.kind, wanted.kind),
        (c.status, wanted.status),
        (c.channel, wanted.channel),
        (c.overdue, wanted.overdue),
        (c.bulk_id, wanted.bulk_id),
    ):
        if value is not None:
            yield column == value
