"""Imports as tasks: what was asked for, how far they are, and the parts of their files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.imports import import_parts, imports

_CLAIM = text(
    """
    UPDATE imports SET status = 'running', claim = claim + 1, step = NULL, read = 0, stored = 0,
           lease_until = clock_timestamp() + :lease
    WHERE id = (
        SELECT id FROM imports
        WHERE status IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < clock_timestamp())
        ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
    """
)
"""Two workers: the second skips the locked row. One that was away past its lease finds its `claim` outdated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTask:
    """One import. `lines`: of its file; `read`, `stored`: rows and SIMs so far; `claim`: how often it was begun."""

    id: UUID
    tenant: str
    media_type: str
    mode: str
    dry_run: bool
    status: str
    lines: int
    created_at: datetime
    step: str | None = None
    read: int = 0
    stored: int = 0
    report: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    requested_by: str | None = None
    finished_at: datetime | None = None
    claim: int = 0


_NAMES = tuple(ImportTask.__dataclass_fields__)
_COLUMNS = [imports.c[name] for name in _NAMES]


class ImportTaskRepository:
    """Imports of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, task: ImportTask) -> None:
        """Add an import."""
        given = {name: getattr(task, name) for name in _NAMES if name not in ("report", "problem")}
        await self._connection.execute(insert(imports).values(**given))

    async def add_part(self, task_id: UUID, number: int, content: bytes) -> None:
        """Add the next part of the file, from 0."""
        await self._connection.execute(insert(import_parts).values(import_id=task_id, number=number, content=content))

    async def part(self, task_id: UUID, number: int) -> bytes | None:
        """A part of the file; None past its end."""
        c = import_parts.c
        statement = select(c.content).where(c.import_id == task_id, c.number == number)
        content: bytes | None = (await self._connection.execute(statement)).scalar()
        return content

    async def get(self, tenant: str, task_id: UUID) -> ImportTask | None:
        """An import of the tenant."""
        statement = select(*_COLUMNS).where(imports.c.tenant == tenant, imports.c.id == task_id)
        row = (await self._connection.execute(statement)).mappings().first()
        return ImportTask(**row) if row else None

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[ImportTask]:
        """A page of the tenant's imports, newest first."""
        statement = select(*_COLUMNS).where(imports.c.tenant == tenant)
        if before is not None:
            statement = statement.where(imports.c.id < before)
        rows = await self._connection.execute(statement.order_by(imports.c.id.desc()).limit(limit))
        return [ImportTask(**row) for row in rows.mappings()]

    async def claim(self, lease: timedelta) -> ImportTask | None:
        """Take the import that has waited longest, or whose worker has gone away."""
        row = (await self._connection.execute(_CLAIM, {"lease": lease})).mappings().first()
        return ImportTask(**{name: row[name] for name in _NAMES}) if row else None

    async def keep(self, task: ImportTask, lease: timedelta, **values: Any) -> bool:
        """Change an import that this claim still holds, and renew its lease; False: another worker has taken it."""
        lease_until = text("clock_timestamp() + :lease").bindparams(lease=lease)
        statement = update(imports).where(imports.c.id == task.id, imports.c.claim == task.claim)
        statement = statement.where(imports.c.status == "running").values(lease_until=lease_until, **values)
        return bool((await self._connection.execute(statement)).rowcount)

    async def drop_file(self, task_id: UUID) -> None:
        """Forget the file."""
        await self._connection.execute(delete(import_parts).where(import_parts.c.import_id == task_id))

    async def delete_finished(self, before: datetime) -> int:
        """Delete imports that ended before an instant."""
        done = await self._connection.execute(delete(imports).where(imports.c.finished_at < before))
        return done.rowcount
