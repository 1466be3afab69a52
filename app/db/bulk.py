"""Bulk operations and their items. Items are filled, read and ended set by set; nothing here walks them one by one.

Whoever works on a bulk operation holds its row (`FOR UPDATE SKIP LOCKED`), so two workers never admit one item twice.
Locks: the bulk row, then cards by id, then operations, then items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.bulk_tables import bulk_operations

_JSON_ARRAY = ARRAY(JSONB(none_as_null=True))
_UNKNOWN = '{"code": "NOT_FOUND", "detail": "no such sim", "carrier_code": null}'
_BACKLOG = "o.bulk_id IS NOT NULL AND o.status IN ('queued', 'running', 'verifying') AND o.channel <> 'desk'"

_FILL_NAMED = """
    INSERT INTO bulk_items (bulk_id, position, sim_id, iccid, account, status, error)
    SELECT :bulk_id, row_number() OVER (ORDER BY w.place), s.id, coalesce(s.iccid, w.iccid), s.account,
        CASE WHEN s.id IS NULL THEN CASE WHEN :dry_run THEN 'refused' ELSE 'failed' END ELSE 'pending' END,
        CASE WHEN s.id IS NULL THEN CAST(:unknown AS jsonb) END
    FROM ({wanted}) AS w(place, iccid, twin)
    LEFT JOIN sims s ON s.tenant = :tenant AND (s.iccid = w.iccid OR s.iccid = w.twin)
"""

_LISTED = "SELECT * FROM unnest(CAST(:places AS int[]), CAST(:iccids AS text[]), CAST(:twins AS text[]))"
_FILED = "SELECT min(line), iccid, min(twin) FROM file_rows WHERE file_id = :file_id GROUP BY iccid"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRecord:
    """One request over many cards. `status`: scheduled, running, stopping, cancelling, completed, stopped, cancelled."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEnd:
    """What became of an item when its turn came: admitted as an operation, or ended at once."""

    position: int
    status: str
    operation_id: UUID | None = None
    error: dict[str, Any] | None = None


def _bulk(row: Any) -> BulkRecord:
    values = {name: row[name] for name in BulkRecord.__dataclass_fields__}
    return BulkRecord(**values | {"accounts": tuple(row["accounts"])})


class BulkRows:
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
        row = (await self._connection.execute(statement.with_for_update() if for_update else statement)).mappings().first()
        return _bulk(row) if row else None

    async def list(self, tenant: str, *, before: UUID | None, limit: int) -> list[BulkRecord]:
        """A page of a tenant's bulk operations, newest first."""
        c = bulk_operations.c
        statement = select(bulk_operations).where(c.tenant == tenant)
        if before is not None:
            statement = statement.where(c.id < before)
        rows = await self._connection.execute(statement.order_by(c.id.desc()).limit(limit))
        return [_bulk(row) for row in rows.mappings()]

    # ---------------------------------------------------------------------------------------------- filling the items
    async def fill_listed(self, bulk: BulkRecord, iccids: Sequence[str], twins: Sequence[str | None]) -> None:
        """Items for cards by name, in order; a name nobody of the tenant's bears is an item that failed."""
        await self._connection.execute(
            text(_FILL_NAMED.format(wanted=_LISTED)),
            self._fill(bulk) | {"places": list(range(len(iccids))), "iccids": list(iccids), "twins": list(twins)},
        )

    async def fill_filed(self, bulk: BulkRecord, file_id: UUID) -> None:
        """Items for the cards of an uploaded file, in order, each once."""
        await self._connection.execute(
            text(_FILL_NAMED.format(wanted=_FILED)), self._fill(bulk) | {"file_id": file_id}
        )

    async def fill_found(self, bulk: BulkRecord, where: str, arguments: Sequence[Any]) -> None:
        """Items for the cards a filter finds (`app.db.queries.where_of`), by row id."""
        place = len(arguments) + 1
        raw = (await self._connection.get_raw_connection()).driver_connection
        await raw.execute(  # type: ignore[union-attr]
            "INSERT INTO bulk_items (bulk_id, position, sim_id, iccid, account, status)"  # noqa: S608 - ours
            f" SELECT ${place}, row_number() OVER (ORDER BY s.id), s.id, s.iccid, s.account, 'pending'"
            f" FROM sims s WHERE {where}",
            *arguments,
            bulk.id,
        )

    async def fill_failed(self, bulk: BulkRecord, earlier: UUID) -> None:
        """Items for what failed in an earlier bulk operation of the tenant, in its order."""
        await self._connection.execute(
            text(
                "INSERT INTO bulk_items (bulk_id, position, sim_id, iccid, account, status, error)"
                " SELECT :bulk_id, row_number() OVER (ORDER BY i.position), i.sim_id, i.iccid, i.account,"
                " CASE WHEN i.sim_id IS NULL THEN 'failed' ELSE 'pending' END,"
                " CASE WHEN i.sim_id IS NULL THEN i.error END FROM bulk_items i"
                " WHERE i.bulk_id = :earlier AND i.status = 'failed'"
            ),
            {"bulk_id": bulk.id, "earlier": earlier},
        )

    async def summed(self, bulk_id: UUID) -> tuple[int, list[str]]:
        """How many items there are, and of which accounts; two rows of one card count once."""
        await self._connection.execute(
            text(
                "DELETE FROM bulk_items a USING (SELECT min(position) AS first, sim_id FROM bulk_items"
                " WHERE bulk_id = :id AND sim_id IS NOT NULL GROUP BY sim_id HAVING count(*) > 1) d"
                " WHERE a.bulk_id = :id AND a.sim_id = d.sim_id AND a.position > d.first"
            ),
            {"id": bulk_id},
        )
        row = (
            await self._connection.execute(
                text(
                    "SELECT count(*), array_remove(array_agg(DISTINCT account), NULL) FROM bulk_items"
                    " WHERE bulk_id = :id"
                ),
                {"id": bulk_id},
            )
        ).one()
        return int(row[0]), sorted(row[1] or [])

    @staticmethod
    def _fill(bulk: BulkRecord) -> dict[str, Any]:
        return {"bulk_id": bulk.id, "tenant": bulk.tenant, "dry_run": bulk.dry_run, "unknown": _UNKNOWN}

    # ------------------------------------------------------------------------------------------------- working on them
    async def take(self, now: datetime) -> BulkRecord | None:
        """Lock the bulk operation that was fed longest ago and has something left to do now; nobody else has it."""
        c = bulk_operations.c
        statement = (
            select(bulk_operations)
            .where(c.finished_at.is_(None), text("(execute_at IS NULL OR execute_at <= :now)").bindparams(now=now))
            .order_by(c.fed_at.nulls_first(), c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await self._connection.execute(statement)).mappings().first()
        return _bulk(row) if row else None

    async def backlog(self, accounts: Sequence[str]) -> dict[str, int]:
        """How many bulk operations of each account are neither sent nor settled."""
        rows = await self._connection.execute(
            text(
                f"SELECT o.account, count(*) FROM operations o WHERE {_BACKLOG} AND o.account = ANY(:accounts)"  # noqa: S608
                " GROUP BY o.account"
            ),
            {"accounts": list(accounts)},
        )
        return {account: count for account, count in rows}

    async def pending(self, bulk_id: UUID, account: str, limit: int) -> list[tuple[int, int]]:
        """The next (position, sim_id) of an account, in order."""
        rows = await self._connection.execute(
            text(
                "SELECT position, sim_id FROM bulk_items WHERE bulk_id = :id AND account = :account"
                " AND status = 'pending' ORDER BY position LIMIT :limit"
            ),
            {"id": bulk_id, "account": account, "limit": limit},
        )
        return [(row.position, row.sim_id) for row in rows]

    async def end_items(self, bulk_id: UUID, ends: Sequence[ItemEnd]) -> None:
        """Write what became of items whose turn came."""
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
        """End every item whose turn had not come."""
        done = await self._connection.execute(
            text("UPDATE bulk_items SET status = 'cancelled' WHERE bulk_id = :id AND status = 'pending'"),
            {"id": bulk_id},
        )
        return done.rowcount

    async def unsent(self, bulk_id: UUID, limit: int) -> list[tuple[UUID, int]]:
        """(operation, sim_id) of operations of this bulk that may still be cancelled: not sent, not in anyone's hands."""
        rows = await self._connection.execute(
            text(
                "SELECT id, sim_id FROM operations WHERE bulk_id = :id AND sent_at IS NULL AND step = 0"
                " AND (status = 'queued' OR (status = 'waiting_carrier' AND channel = 'desk')) ORDER BY sim_id LIMIT :n"
            ),
            {"id": bulk_id, "n": limit},
        )
        return [(row.id, row.sim_id) for row in rows]

    async def failures(self, bulk_id: UUID, at_most: int) -> int:
        """How many items failed, counted no further than `at_most`."""
        found = await self._connection.execute(
            text(
                "SELECT count(*) FROM (SELECT FROM bulk_items WHERE bulk_id = :id AND status = 'failed' LIMIT :n) f"
            ),
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

    async def ended(self, operations: Sequence[tuple[UUID, str, dict[str, Any] | None]]) -> None:
        """Operations of bulk requests ended: (operation, status, error), in the transaction that ends them."""
        if not operations:
            return
        statement = text(
            "UPDATE bulk_items i SET status = e.status, error = e.error"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), :errors) AS e(id, status, error)"
            " WHERE i.operation_id = e.id"
        ).bindparams(bindparam("errors", type_=_JSON_ARRAY))
        ids, statuses, errors = zip(*operations, strict=True)
        await self._connection.execute(
            statement, {"ids": list(ids), "statuses": list(statuses), "errors": list(errors)}
        )

    async def next_due(self) -> datetime | None:
        """When the next scheduled bulk operation begins, in the gateway's clock."""
        found = await self._connection.execute(
            text("SELECT min(execute_at) FROM bulk_operations WHERE finished_at IS NULL AND started_at IS NULL")
        )
        return found.scalar_one()

    # ---------------------------------------------------------------------------------------------------- reading them
    async def counts(self, bulk_id: UUID) -> dict[str, int]:
        """How many items stand where."""
        rows = await self._connection.execute(
            text("SELECT status, count(*) FROM bulk_items WHERE bulk_id = :id GROUP BY status"), {"id": bulk_id}
        )
        return {status: count for status, count in rows}

    async def items(self, bulk_id: UUID, *, status: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """A page of items by position, with their operations as they stand."""
        rows = await self._connection.execute(
            text(
                "SELECT i.position, i.iccid, i.status, i.operation_id, i.error, o.status AS operation_status,"
                " o.due_at, o.settled_at FROM bulk_items i LEFT JOIN operations o ON o.id = i.operation_id"
                " WHERE i.bulk_id = :id AND i.position > :after AND (CAST(:status AS text) IS NULL OR i.status = :status)"
                " ORDER BY i.position LIMIT :limit"
            ).columns(error=JSONB),
            {"id": bulk_id, "after": after, "status": status, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    # ------------------------------------------------------------------------------------------------------------ files
    async def add_file(self, file_id: UUID, tenant: str, now: datetime) -> None:
        """A file whose rows come next."""
        await self._connection.execute(
            text("INSERT INTO files (id, tenant, rows, created_at) VALUES (:id, :tenant, 0, :now)"),
            {"id": file_id, "tenant": tenant, "now": now},
        )

    async def add_file_rows(self, file_id: UUID, rows: Sequence[tuple[int, str, str | None]]) -> None:
        """Rows (line, iccid, twin) of a file."""
        if not rows:
            return
        lines, iccids, twins = zip(*rows, strict=True)
        await self._connection.execute(
            text(
                "WITH added AS (INSERT INTO file_rows (file_id, line, iccid, twin) SELECT :id, * FROM"
                " unnest(CAST(:lines AS int[]), CAST(:iccids AS text[]), CAST(:twins AS text[])) RETURNING 1)"
                " UPDATE files SET rows = rows + (SELECT count(*) FROM added) WHERE id = :id"
            ),
            {"id": file_id, "lines": list(lines), "iccids": list(iccids), "twins": list(twins)},
        )

    async def file_size(self, tenant: str, file_id: UUID) -> int | None:
        """How many cards a tenant's file names; None where there is no such file."""
        found = await self._connection.execute(
            text("SELECT rows FROM files WHERE tenant = :tenant AND id = :id"), {"tenant": tenant, "id": file_id}
        )
        return found.scalar_one_or_none()

    async def forget_files(self, before: datetime) -> int:
        """Drop files uploaded before an instant."""
        done = await self._connection.execute(text("DELETE FROM files WHERE created_at < :before"), {"before": before})
        return done.rowcount
