"""Operations listed by filter, a page at a time, and counted; nothing is locked or changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.mapping import OperationRecord, operation_from
from app.db.operations.repository import of_sims
from app.db.operations.statements import WORKED
from app.db.schema.control import OPEN, operations
from app.domain.vocabulary import OPEN_STATUSES, OperationKind, OperationStatus


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
    account: str | None = None
    correlation_id: str | None = None
    created_before: datetime | None = None
    created_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Budgets:
    """Of one SIM: rebinds in the month (DV-3), renewals ever (RN-6), whether an operation is open (OP-4)."""

    rebinds: int
    renewals: int
    busy: bool


_BUDGETS = text(
    "SELECT count(*) FILTER (WHERE kind = 'rebind' AND status = 'succeeded' AND settled_at >= :month) AS rebinds,"  # noqa: S608
    " count(*) FILTER (WHERE kind = 'renew' AND status = 'succeeded') AS renewals,"
    f" coalesce(bool_or({OPEN}), false) AS busy FROM operations WHERE sim_id = :sim_id"
    f" AND (kind IN ('rebind', 'renew') OR {OPEN})"
)


class OperationSearch:
    """Lists and counts of operations in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def page(self, wanted: OperationFilter, *, before: UUID | None, limit: int) -> list[OperationRecord]:
        """A page of operations, newest first, from before an id (keyset: ids are time-ordered)."""
        rows = await self._connection.execute(page_of(wanted, before=before, limit=limit))
        return [operation_from(row) for row in rows.mappings()]

    async def count(self, wanted: OperationFilter) -> int:
        """How many operations a filter finds."""
        found = await self._connection.execute(select(func.count()).select_from(operations).where(*_conditions(wanted)))
        return int(found.scalar_one())

    async def succeeded_since(self, sim_ids: Iterable[int], kind: OperationKind, since: datetime) -> dict[int, int]:
        """How often each SIM had this kind succeed from an instant on (DV-3, RN-6)."""
        rows = await self._connection.execute(
            select(operations.c.sim_id, func.count())
            .where(
                of_sims(sim_ids),
                operations.c.kind == kind.value,
                operations.c.status == OperationStatus.SUCCEEDED.value,
                operations.c.settled_at >= since,
            )
            .group_by(operations.c.sim_id)
        )
        return {row[0]: row[1] for row in rows}

    async def budgets(self, sim_id: int, month: datetime) -> Budgets:
        """What one SIM has used of its budgets, and whether an operation is open; `month`: when the month began."""
        row = (await self._connection.execute(_BUDGETS, {"sim_id": sim_id, "month": month})).one()
        return Budgets(rebinds=row.rebinds, renewals=row.renewals, busy=row.busy)

    async def next_due(self, after: datetime) -> datetime | None:
        """When the next operation is due after an instant, in the gateway's clock."""
        found = await self._connection.execute(
            text(
                f"SELECT least((SELECT min(run_after) FROM operations WHERE {WORKED} AND run_after > :after),"  # noqa: S608 - ours
                " (SELECT min(run_after) FROM operations WHERE status = 'scheduled' AND NOT waits"
                " AND run_after > :after))"
            ),
            {"after": after},
        )
        due: datetime | None = found.scalar_one()
        return due

    async def count_running(self) -> int:
        """How many are leased by a worker now."""
        found = await self._connection.execute(
            text(
                f"SELECT count(*) FROM operations WHERE {OPEN} AND lease_until >= clock_timestamp()"  # noqa: S608 - ours
            )
        )
        return int(found.scalar_one())

    async def open_counts(self) -> dict[str, int]:
        """How many operations are in each open status, over all tenants, for the gauge; 0 where there are none."""
        rows = await self._connection.execute(
            text(f"SELECT status, count(*) FROM operations WHERE {OPEN} GROUP BY status")  # noqa: S608 - ours
        )
        return {status.value: 0 for status in OPEN_STATUSES} | {row[0]: row[1] for row in rows}


def page_of(wanted: OperationFilter, *, before: UUID | None, limit: int) -> Select[Any]:
    """The statement of a page: every filter has an index that ends with the id, which is the order."""
    statement = select(operations).where(*_conditions(wanted))
    if before is not None:
        statement = statement.where(operations.c.id < before)
    return statement.order_by(operations.c.id.desc()).limit(limit)


def _first_id(at: datetime) -> UUID:
    """The least id of an operation created at this instant or later: ids begin with it (RFC 9562, version 7)."""
    return UUID(int=min(max(int(at.timestamp() * 1000), 0), (1 << 48) - 1) << 80)


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
        (c.account, wanted.account),
        (c.correlation_id, wanted.correlation_id),
    ):
        if value is not None:
            # `overdue` as it stands, so that the partial index of those that are may be used.
            yield column if value is True else column.is_(False) if value is False else column == value
    if wanted.created_before is not None:
        yield c.id < _first_id(wanted.created_before)
    if wanted.created_from is not None:
        yield c.id >= _first_id(wanted.created_from)
