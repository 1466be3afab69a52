"""How bulk operations get their items: from lists of ICCIDs, files, filters, or the failed items of an earlier one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.bulk.repository import BulkRecord

_UNKNOWN = '{"code": "NOT_FOUND", "detail": "no such sim", "carrier_code": null}'
_FILL_NAMED = """
    INSERT INTO bulk_items (bulk_id, position, sim_id, iccid, account, status, error)
    SELECT :bulk_id, :first + row_number() OVER (ORDER BY w.ordinal), s.id, coalesce(s.iccid, w.iccid), s.account,
        CASE WHEN s.id IS NULL THEN CASE WHEN :dry_run THEN 'refused' ELSE 'failed' END ELSE 'pending' END,
        CASE WHEN s.id IS NULL THEN CAST(:unknown AS jsonb) END
    FROM ({wanted}) AS w(ordinal, iccid, alternate)
    LEFT JOIN LATERAL (
        SELECT id, iccid, account FROM sims
        WHERE iccid = ANY(ARRAY[w.iccid, coalesce(w.alternate, w.iccid)]) AND tenant = :tenant LIMIT 1
    ) s ON true
"""

_LISTED = "SELECT * FROM unnest(CAST(:ordinals AS int[]), CAST(:iccids AS text[]), CAST(:alternates AS text[]))"
_FILED = "SELECT min(line), iccid, min(alternate) FROM file_rows WHERE file_id = :file_id GROUP BY iccid"


class BulkItemRepository:
    """Items and files of one transaction, as they come to be."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fill_listed(
        self, bulk: BulkRecord, first: int, iccids: Sequence[str], alternates: Sequence[str | None]
    ) -> None:
        """Add items for ICCIDs, in order, after the `first` ones; an ICCID that the tenant does not have has failed."""
        await self._connection.execute(
            text(_FILL_NAMED.format(wanted=_LISTED)),
            self._fill(bulk, first)
            | {"ordinals": list(range(len(iccids))), "iccids": list(iccids), "alternates": list(alternates)},
        )

    async def fill_filed(self, bulk: BulkRecord, file_id: UUID) -> None:
        """Add items for the ICCIDs of an uploaded file, in order, each once."""
        await self._connection.execute(text(_FILL_NAMED.format(wanted=_FILED)), self._fill(bulk) | {"file_id": file_id})

    async def fill_found(
        self, bulk: BulkRecord, where: str, arguments: Sequence[Any], *, underlying: Sequence[str] | None = None
    ) -> None:
        """Add items for the SIMs that a filter matches (`app.db.sims.search`), by row id; `underlying` narrows them."""
        parameter = len(arguments) + 1
        plain = [json.dumps(value) if isinstance(value, dict | list) else value for value in arguments]
        asyncpg = (await self._connection.get_raw_connection()).driver_connection
        if asyncpg is None:
            raise RuntimeError("a connection without its driver")
        await asyncpg.execute(
            "INSERT INTO bulk_items (bulk_id, position, sim_id, iccid, account, status)"  # noqa: S608 - ours
            f" SELECT ${parameter}, row_number() OVER (ORDER BY s.id), s.id, s.iccid, s.account, 'pending'"
            f" FROM sims s WHERE {where}"
            f" AND (${parameter + 1}::text[] IS NULL OR s.underlying = ANY(${parameter + 1}::text[]))",
            *plain,
            bulk.id,
            list(underlying) if underlying is not None else None,
        )

    async def states_between(self, tenant: str, pool: str | None, first: str, last: str) -> dict[str, str]:
        """Underlying state by ICCID of a tenant's SIMs whose ICCIDs lie in a range, check digits ignored."""
        rows = await self._connection.execute(
            text(
                "SELECT iccid, underlying FROM sims WHERE tenant = :tenant"
                " AND (CAST(:pool AS text) IS NULL OR pool = :pool)"
                " AND iccid ~>=~ :first AND iccid ~<=~ :last"
            ),
            {"tenant": tenant, "pool": pool, "first": first, "last": last + "~"},
        )
        return {row.iccid: row.underlying for row in rows}

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

    async def unknown(self, bulk_id: UUID, limit: int) -> tuple[int, list[str], dict[str, Any] | None]:
        """Items that no SIM of the tenant stands behind: how many, the first ICCIDs, and their error."""
        row = (
            await self._connection.execute(
                text(
                    "SELECT count(*) AS n, (array_agg(iccid ORDER BY position))[1 : :limit] AS iccids,"
                    " (array_agg(error ORDER BY position))[1] AS error"
                    " FROM bulk_items WHERE bulk_id = :id AND sim_id IS NULL"
                ).columns(error=JSONB),
                {"id": bulk_id, "limit": limit},
            )
        ).one()
        return int(row.n), list(row.iccids or ()), row.error

    async def analyze_items(self) -> None:
        """Refresh the planner's statistics: with old ones it reads the whole table for each settlement."""
        await self._connection.execute(text("ANALYZE bulk_items"))

    async def deduplicate_and_count(self, bulk_id: UUID) -> tuple[int, list[str]]:
        """Delete repeated items of a SIM; gives the number of items left and their accounts, sorted."""
        repeated = await self._connection.execute(
            text(
                "SELECT position FROM (SELECT position, sim_id,"
                " row_number() OVER (PARTITION BY sim_id ORDER BY position) AS n FROM bulk_items WHERE bulk_id = :id) i"
                " WHERE n > 1 AND sim_id IS NOT NULL"
            ),
            {"id": bulk_id},
        )
        await self._connection.execute(
            text("DELETE FROM bulk_items WHERE bulk_id = :id AND position = ANY(:repeated)"),
            {"id": bulk_id, "repeated": list(repeated.scalars())},
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
    def _fill(bulk: BulkRecord, first: int = 0) -> dict[str, Any]:
        return {"bulk_id": bulk.id, "first": first, "tenant": bulk.tenant, "dry_run": bulk.dry_run, "unknown": _UNKNOWN}

    async def add_file(self, file_id: UUID, tenant: str, now: datetime) -> None:
        """Add a file; its rows follow (`add_file_rows`)."""
        await self._connection.execute(
            text("INSERT INTO files (id, tenant, rows, created_at) VALUES (:id, :tenant, 0, :now)"),
            {"id": file_id, "tenant": tenant, "now": now},
        )

    async def add_file_rows(self, file_id: UUID, rows: Sequence[tuple[int, str, str | None]]) -> None:
        """Rows (line, iccid, alternate) of a file."""
        if not rows:
            return
        lines, iccids, alternates = zip(*rows, strict=True)
        await self._connection.execute(
            text(
                "WITH added AS (INSERT INTO file_rows (file_id, line, iccid, alternate) SELECT :id, * FROM"
                " unnest(CAST(:lines AS int[]), CAST(:iccids AS text[]), CAST(:alternates AS text[])) RETURNING 1)"
                " UPDATE files SET rows = rows + (SELECT count(*) FROM added) WHERE id = :id"
            ),
            {"id": file_id, "lines": list(lines), "iccids": list(iccids), "alternates": list(alternates)},
        )

    async def file_size(self, tenant: str, file_id: UUID) -> int | None:
        """Number of rows of a tenant's file; None if there is no such file."""
        found = await self._connection.execute(
            text("SELECT rows FROM files WHERE tenant = :tenant AND id = :id"), {"tenant": tenant, "id": file_id}
        )
        return found.scalar_one_or_none()

    async def delete_old_files(self, before: datetime) -> int:
        """Delete files uploaded before an instant; gives how many."""
        done = await self._connection.execute(text("DELETE FROM files WHERE created_at < :before"), {"before": before})
        return done.rowcount
