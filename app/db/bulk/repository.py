"""Bulk operations and their items. Every statement works on a set of items, none on a single one.

A worker locks the row of a bulk operation (`FOR UPDATE SKIP LOCKED`), so that no two admit the same item.
Lock order: the bulk row, then SIMs by id, then operations, then items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.quarantine import not_resting
from app.db.schema.bulk import bulk_operations

_JSON_ARRAY = ARRAY(JSONB(none_as_null=True))
_SETTLE_ITEMS = text(
    "UPDATE bulk_items i SET status = e.status, error = e.error"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), :errors) AS e(id, status, error)"
    " WHERE i.operation_id = e.id"
).bindparams(bindparam("errors", type_=_JSON_ARRAY))
_BACKLOG = "bulk_id IS NOT NULL AND status IN ('queued', 'running', 'verifying')"


AWAITING_APPROVAL = "awaiting_approval"

STATUSES = (AWAITING_APPROVAL, "scheduled", "running", "stopping", "cancelling", "completed", "stopped", "cancelled")
"""`stopping` after too many failures, `cancelling` on request: until what was sent has ended. While one awaits its
approval no worker takes it."""

RECHECK = timedelta(seconds=1)
"""How often a bulk operation that is being ended is checked for operations that were requeued unsent."""

_SIM_NOT_RESTING = not_resting("bulk", "sim", "i.sim_id::text")
_NOT_RESTING = not_resting("bulk", "bulk_operation", "bulk_operations.id::text")
_PENDING = "EXISTS (SELECT FROM bulk_items i WHERE i.bulk_id = bulk_operations.id AND i.status = 'pending')"
_WORKABLE = f"{_PENDING[:-1]} AND {_SIM_NOT_RESTING})"
_OPEN = "EXISTS (SELECT FROM bulk_items i WHERE i.bulk_id = bulk_operations.id AND i.status = 'open')"
_DUE = (
    "((status IN ('stopping', 'cancelling') AND (fed_at IS NULL OR fed_at < :lately)) OR"
    f" ((execute_at IS NULL OR execute_at <= :now) AND ({_WORKABLE} OR NOT ({_PENDING} OR {_OPEN}))))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRecord:
    """One operation requested for many SIMs; `status` is one of `STATUSES`."""

    id: UUID
    tenant: str
    kind: str
    status: str
    selector: dict[str, Any]
    dry_run: bool
    created_at: datetime
    arguments: dict[str, Any] = field(default_factory=dict)
    max_failures: int | None = None
    accounts: tuple[str, ...] = ()
    total: int = 0
    retry_of: UUID | None = None
    execute_at: datetime | None = None
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None
    started_at: datetime | None = None
    fed_at: datetime | None = None
    finished_at: datetime | None = None
    preflight: dict[str, Any] | None = None
    """What a dry run has found so far (`app.usecases.bulk.preflight`)."""
    traceparent: str | None = None
    """The span that requested it, where traces are made: that of its operations."""
    approval_id: UUID | None = None
    """The approval that it waits for or waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEnd:
    """Result of admitting an item: `open` with its operation, or ended at once."""

    position: int
    status: str
    operation_id: UUID | None = None
    error: dict[str, Any] | None = None


def _bulk(row: Any) -> BulkRecord:
    values = {name: row[name] for name in BulkRecord.__dataclass_fields__}
    return BulkRecord(**values | {"accounts": tuple(row["accounts"])})


class BulkRepository:
    """Bulk operations of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, bulk: BulkRecord) -> None:
        """Add a bulk operation; its items come next, in the same transaction."""
        values = {name: getattr(bulk, name) for name in BulkRecord.__dataclass_fields__}
        await self._connection.execute(bulk_operations.insert().values(**values | {"accounts": list(bulk.accounts)}))

    async def change(self, bulk_id: UUID, **columns: Any) -> None:
        """Set some columns."""
        await self._connection.execute(update(bulk_operations).where(bulk_operations.c.id == bulk_id).values(**columns))

    async def get(self, tenant: str, bulk_id: UUID, *, for_update: bool = False) -> BulkRecord | None:
        """One bulk operation of a tenant."""
        c = bulk_operations.c
        statement = select(bulk_operations).where(c.tenant == tenant, c.id == bulk_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _bulk(row) if row else None

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[BulkRecord]:
        """A page of a tenant's bulk operations, newest first."""
        c = bulk_operations.c
        statement = select(bulk_operations).where(c.tenant == tenant)
        if before is not None:
            statement = statement.where(c.id < before)
        rows = await self._connection.execute(statement.order_by(c.id.desc()).limit(limit))
        return [_bulk(row) for row in rows.mappings()]

    async def lock_next_due(self, now: datetime, *, only: UUID | None = None) -> BulkRecord | None:
        """Lock the bulk operation with work left that was advanced longest ago; locked ones are skipped.

        Those set aside are left out, but for `only`, if it is given: no other one then.
        """
        c = bulk_operations.c
        chosen = text(_NOT_RESTING).bindparams(now=now) if only is None else c.id == only
        statement = (
            select(bulk_operations)
            .where(
                c.finished_at.is_(None),
                c.status != AWAITING_APPROVAL,
                text(_DUE).bindparams(now=now, lately=now - RECHECK),
                chosen,
            )
            # Two workers: the second skips the locked one and advances the next, so that no item is enqueued twice.
            .order_by(c.fed_at.nulls_first(), c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await self._connection.execute(statement)).mappings().first()
        return _bulk(row) if row else None

    async def backlog(self, accounts: Sequence[str]) -> dict[str, int]:
        """Per account, the number of operations of bulks that have not ended."""
        rows = await self._connection.execute(
            text(
                f"SELECT account, count(*) AS n FROM operations WHERE {_BACKLOG} AND account = ANY(:accounts)"  # noqa: S608
                " GROUP BY account"
            ),
            {"accounts": list(accounts)},
        )
        return {row.account: row.n for row in rows}

    async def pending(self, bulk_id: UUID, account: str, now: datetime, limit: int) -> list[tuple[int, int]]:
        """The next (position, sim_id) of an account, in order; SIMs that are set aside are left out."""
        rows = await self._connection.execute(
            text(
                "SELECT position, sim_id FROM bulk_items i WHERE bulk_id = :id AND account = :account"  # noqa: S608
                f" AND status = 'pending' AND {_SIM_NOT_RESTING} ORDER BY position LIMIT :limit"
            ),
            {"id": bulk_id, "account": account, "now": now, "limit": limit},
        )
        return [(row.position, row.sim_id) for row in rows]

    async def end_items(self, bulk_id: UUID, ends: Sequence[ItemEnd]) -> None:
        """Store the results of admitting items; items that are no longer pending are left alone."""
        if not ends:
            return
        statement = text(
            "UPDATE bulk_items i SET status = e.status, operation_id = e.operation_id, error = e.error"
            " FROM unnest(CAST(:positions AS int[]), CAST(:statuses AS text[]), CAST(:operations AS uuid[]),"
            " :errors) AS e(position, status, operation_id, error)"
            " WHERE i.bulk_id = :id AND i.position = e.position AND i.status = 'pending'"
        ).bindparams(bindparam("errors", type_=_JSON_ARRAY))
        await self._connection.execute(
            statement,
            {
                "id": bulk_id,
                "positions": [e.position for e in ends],
                "statuses": [e.status for e in ends],
                "operations": [e.operation_id for e in ends],
                "errors": [e.error for e in ends],
            },
        )

    async def cancel_pending(self, bulk_id: UUID) -> int:
        """Cancel every pending item; gives how many."""
        done = await self._connection.execute(
            text("UPDATE bulk_items SET status = 'cancelled' WHERE bulk_id = :id AND status = 'pending'"),
            {"id": bulk_id},
        )
        return done.rowcount

    async def unsent(self, bulk_id: UUID, limit: int) -> list[tuple[UUID, int]]:
        """(operation, sim_id) of operations of this bulk that may still be cancelled: neither sent nor claimed."""
        rows = await self._connection.execute(
            text(
                "SELECT id, sim_id FROM operations WHERE bulk_id = :id AND sent_at IS NULL AND step = 0"
                " AND (status = 'queued' OR (status = 'waiting_carrier' AND channel = 'desk')) ORDER BY sim_id LIMIT :n"
            ),
            {"id": bulk_id, "n": limit},
        )
        return [(row.id, row.sim_id) for row in rows]

    async def failures(self, bulk_id: UUID, at_most: int) -> int:
        """Number of failed items; counting stops at `at_most`."""
        found = await self._connection.execute(
            text("SELECT count(*) FROM (SELECT FROM bulk_items WHERE bulk_id = :id AND status = 'failed' LIMIT :n) f"),
            {"id": bulk_id, "n": at_most},
        )
        return int(found.scalar_one())

    async def unfinished(self, bulk_id: UUID) -> bool:
        """Whether any item is pending or open."""
        found = await self._connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM bulk_items WHERE bulk_id = :id AND status = 'pending')"
                " OR EXISTS (SELECT FROM bulk_items WHERE bulk_id = :id AND status = 'open')"
            ),
            {"id": bulk_id},
        )
        return bool(found.scalar_one())

    async def settle_items(self, operations: Sequence[tuple[UUID, str, dict[str, Any] | None]]) -> None:
        """Set the items of ended operations (id, status, error), in the transaction that ends those."""
        if not operations:
            return
        ids, statuses, errors = zip(*operations, strict=True)
        await self._connection.execute(
            _SETTLE_ITEMS, {"ids": list(ids), "statuses": list(statuses), "errors": list(errors)}
        )

    async def next_due(self, after: datetime) -> datetime | None:
        """When the next scheduled bulk operation begins after an instant, in the gateway's clock."""
        found = await self._connection.execute(
            text(
                "SELECT min(execute_at) FROM bulk_operations"
                " WHERE finished_at IS NULL AND started_at IS NULL AND status <> :awaiting AND execute_at > :after"
            ),
            {"after": after, "awaiting": AWAITING_APPROVAL},
        )
        due: datetime | None = found.scalar_one()
        return due

    async def counts(self, bulk_id: UUID) -> dict[str, int]:
        """Number of items by status."""
        rows = await self._connection.execute(
            text("SELECT status, count(*) AS n FROM bulk_items WHERE bulk_id = :id GROUP BY status"), {"id": bulk_id}
        )
        return {row.status: row.n for row in rows}

    async def items(self, bulk_id: UUID, *, status: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """A page of items by position, with their operations as they stand."""
        rows = await self._connection.execute(
            text(
                "SELECT i.position, i.iccid, i.status, i.operation_id, i.error, o.status AS operation_status,"
                " o.due_at, o.settled_at FROM bulk_items i LEFT JOIN operations o ON o.id = i.operation_id"
                " WHERE i.bulk_id = :id AND i.position > :after"
                " AND (CAST(:status AS text) IS NULL OR i.status = :status) ORDER BY i.position LIMIT :limit"
            ).columns(error=JSONB),
            {"id": bulk_id, "after": after, "status": status, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]
