"""Exports: their requests, the SIMs selected, the rows that are written, the parts of the finished file (EX-2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.exports import export_parts, export_sims, exports

_CLAIM = text(
    """
    UPDATE exports SET status = 'running', claim = claim + 1, done = 0, lease_until = clock_timestamp() + :lease
    WHERE id = (
        SELECT id FROM exports
        WHERE status IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < clock_timestamp())
        ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
    """
)
"""Two workers: the second skips the locked row. One that was away past its lease finds its `claim` outdated."""

_SELECT_LISTED = """
    INSERT INTO export_sims (export_id, sim_id)
    SELECT :id, id FROM sims WHERE tenant = :tenant AND iccid = ANY(:iccids) ON CONFLICT DO NOTHING
"""
_SELECT_FILED = """
    INSERT INTO export_sims (export_id, sim_id)
    SELECT :id, s.id FROM file_rows r JOIN sims s ON s.iccid IN (r.iccid, r.alternate)
     WHERE r.file_id = :file_id AND s.tenant = :tenant ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord:
    """One export. `total`, `done`: SIMs; `size`: bytes of the file, None until it is written."""

    id: UUID
    tenant: str
    what: str
    format: str
    columns: tuple[str, ...]
    secret: bytes
    status: str
    total: int
    created_at: datetime
    requested_by: str | None = None
    done: int = 0
    size: int | None = None
    error: str | None = None
    finished_at: datetime | None = None
    claim: int = 0


def _record(row: Mapping[Any, Any]) -> ExportRecord:
    names = ExportRecord.__dataclass_fields__
    return ExportRecord(**{name: row[name] for name in names if name != "columns"}, columns=tuple(row["columns"]))


class ExportRepository:
    """Exports of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock_tenant(self, tenant: str) -> None:
        """Until the transaction ends no other export of the tenant is requested: of two at once, one is too soon."""
        await self._connection.execute(text("SELECT 1 FROM tenants WHERE id = :id FOR UPDATE"), {"id": tenant})

    async def last_requested_at(self, tenant: str) -> datetime | None:
        """When the tenant last requested an export."""
        statement = select(exports.c.created_at).where(exports.c.tenant == tenant)
        return (await self._connection.execute(statement.order_by(exports.c.created_at.desc()).limit(1))).scalar()

    async def add(self, record: ExportRecord) -> None:
        """Add an export."""
        names = [name for name in ExportRecord.__dataclass_fields__ if name != "columns"]
        values = {name: getattr(record, name) for name in names} | {"columns": list(record.columns)}
        await self._connection.execute(insert(exports).values(**values))

    async def select_listed(self, record: ExportRecord, iccids: Sequence[str]) -> None:
        """Select the tenant's SIMs of these ICCIDs, in either form."""
        given = {"id": record.id, "tenant": record.tenant, "iccids": list(iccids)}
        await self._connection.execute(text(_SELECT_LISTED), given)

    async def select_filed(self, record: ExportRecord, file_id: UUID) -> None:
        """Select the tenant's SIMs of an uploaded file."""
        given = {"id": record.id, "tenant": record.tenant, "file_id": file_id}
        await self._connection.execute(text(_SELECT_FILED), given)

    async def select_found(self, record: ExportRecord, where: str, arguments: Sequence[Any], limit: int) -> None:
        """Select up to `limit` SIMs that a filter matches (`app.db.sims.search`)."""
        plain = [json.dumps(value) if isinstance(value, dict | list) else value for value in arguments]
        driver: Any = (await self._connection.get_raw_connection()).driver_connection
        await driver.execute(
            f"INSERT INTO export_sims (export_id, sim_id) SELECT ${len(plain) + 1}, s.id"  # noqa: S608 - ours
            f" FROM sims s WHERE {where} ORDER BY s.id LIMIT ${len(plain) + 2}",
            *plain,
            record.id,
            limit,
        )

    async def count_selected(self, export_id: UUID) -> int:
        """How many SIMs are selected."""
        statement = text("SELECT count(*) FROM export_sims WHERE export_id = :id")
        return int((await self._connection.execute(statement, {"id": export_id})).scalar_one())

    async def change(self, export_id: UUID, **values: Any) -> None:
        """Change columns of an export."""
        await self._connection.execute(update(exports).where(exports.c.id == export_id).values(**values))

    async def get(self, tenant: str, export_id: UUID) -> ExportRecord | None:
        """An export of the tenant."""
        statement = select(exports).where(exports.c.tenant == tenant, exports.c.id == export_id)
        row = (await self._connection.execute(statement)).mappings().first()
        return _record(row) if row else None

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[ExportRecord]:
        """A page of the tenant's exports, newest first."""
        statement = select(exports).where(exports.c.tenant == tenant)
        if before is not None:
            statement = statement.where(exports.c.id < before)
        rows = await self._connection.execute(statement.order_by(exports.c.id.desc()).limit(limit))
        return [_record(row) for row in rows.mappings()]

    async def claim(self, lease: timedelta) -> ExportRecord | None:
        """Take the export that has waited longest, or whose worker has gone away."""
        row = (await self._connection.execute(_CLAIM, {"lease": lease})).mappings().first()
        return _record(row) if row else None

    async def keep(self, record: ExportRecord, lease: timedelta, **values: Any) -> bool:
        """Change an export that this claim still holds, and renew its lease; False: another worker has taken it."""
        lease_until = text("clock_timestamp() + :lease").bindparams(lease=lease)
        statement = update(exports).where(exports.c.id == record.id, exports.c.claim == record.claim)
        statement = statement.where(exports.c.status == "running").values(lease_until=lease_until, **values)
        return bool((await self._connection.execute(statement)).rowcount)

    async def drop_parts(self, export_id: UUID) -> None:
        """Remove what an interrupted worker has written."""
        await self._connection.execute(delete(export_parts).where(export_parts.c.export_id == export_id))

    async def drop_selection(self, export_id: UUID) -> None:
        """Forget which SIMs were selected."""
        await self._connection.execute(delete(export_sims).where(export_sims.c.export_id == export_id))

    async def add_part(self, export_id: UUID, number: int, content: bytes) -> None:
        """Store the next part of the file."""
        values = {"export_id": export_id, "number": number, "content": content}
        await self._connection.execute(insert(export_parts).values(values))

    async def part(self, export_id: UUID, number: int) -> bytes | None:
        """A part of the file, from 0; None past its end."""
        c = export_parts.c
        statement = select(c.content).where(c.export_id == export_id, c.number == number)
        content: bytes | None = (await self._connection.execute(statement)).scalar()
        return content

    async def any_tenants(self, export_id: UUID) -> ExportRecord | None:
        """An export by its id alone, for a download link that names no tenant."""
        row = (await self._connection.execute(select(exports).where(exports.c.id == export_id))).mappings().first()
        return _record(row) if row else None

    async def delete_finished(self, before: datetime) -> int:
        """Delete exports requested before an instant, with their files and links."""
        done = await self._connection.execute(delete(exports).where(exports.c.created_at < before))
        return done.rowcount
