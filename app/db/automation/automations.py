"""Automations. The lock on a row decides which worker evaluates it: no two judge the same SIM for it at once.

Lock order: the automation, then its approval, then SIMs by id, then firings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.quarantine import not_resting
from app.db.schema.automation import automations
from app.domain.automation.actions import AutomationStatus

_NOT_RESTING = not_resting("automations", "automation", "automations.id::text")
# Events that the condition may still wait on lie before the arming; of the others those known since then count.
_BEGIN = text(
    "UPDATE automations a SET status = 'armed', next_run_at = :now, armed_at = coalesce(armed_at, :now),"
    " last_sim_id = CASE WHEN armed_at IS NULL THEN 0 ELSE last_sim_id END,"
    " position = coalesce(position, CASE WHEN looks_back_s > 0 THEN (SELECT min(e.position) - 1 FROM events e"
    " WHERE e.tenant = a.tenant AND e.known_at >= CAST(:now AS timestamptz) - make_interval(secs => a.looks_back_s))"
    " END, last_event_position()) WHERE id = :id"
)


DISARMED: Mapping[str, Any] = MappingProxyType(
    {
        "status": AutomationStatus.DISARMED.value,
        "armed_at": None,
        "position": None,
        "last_sim_id": 0,
        "next_run_at": None,
        "approved_cards": None,
    }
)
"""The columns of a disarmed automation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationRecord:
    """One automation with what its evaluation has come to."""

    id: UUID
    tenant: str
    name: str
    condition: dict[str, Any]
    action: dict[str, Any]
    scope: dict[str, Any]
    sim_filter: dict[str, Any]
    status: AutomationStatus
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int = 1
    backtested_version: int | None = None
    approval_id: UUID | None = None
    approved_cards: int | None = None
    armed_by: str | None = None
    armed_at: datetime | None = None
    looks_back_s: int = 0
    position: int | None = None
    last_sim_id: int = 0
    next_run_at: datetime | None = None
    evaluated_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """From which instant on a condition counts: the arming."""
        return self.armed_at or self.created_at

    @property
    def looks_back(self) -> timedelta:
        """How long before its arming a fact may lie that the condition still waits on."""
        return timedelta(seconds=self.looks_back_s)


def _automation(row: Any) -> AutomationRecord:
    values = {name: row[name] for name in AutomationRecord.__dataclass_fields__}
    return AutomationRecord(**values | {"status": AutomationStatus(row["status"])})


class AutomationRepository:
    """Automations of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, record: AutomationRecord) -> None:
        """Add an automation."""
        values = {name: getattr(record, name) for name in AutomationRecord.__dataclass_fields__}
        await self._connection.execute(automations.insert().values(values))

    async def get(self, tenant: str, automation_id: UUID, *, for_update: bool = False) -> AutomationRecord | None:
        """One automation of a tenant."""
        c = automations.c
        statement = select(automations).where(c.tenant == tenant, c.id == automation_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return _automation(row) if row else None

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[AutomationRecord]:
        """A page of a tenant's automations, newest first."""
        c = automations.c
        statement = select(automations).where(c.tenant == tenant)
        if before is not None:
            statement = statement.where(c.id < before)
        rows = await self._connection.execute(statement.order_by(c.id.desc()).limit(limit))
        return [_automation(row) for row in rows.mappings()]

    async def change(self, automation_id: UUID, **columns: Any) -> None:
        """Set some columns."""
        await self._connection.execute(update(automations).where(automations.c.id == automation_id).values(**columns))

    async def begin(self, automation_id: UUID, now: datetime) -> None:
        """Arm one that is locked: from now on, or on from where it stood while it waited for its approval."""
        await self._connection.execute(_BEGIN, {"id": automation_id, "now": now})

    async def delete(self, automation_id: UUID) -> None:
        """Delete an automation and its firings."""
        await self._connection.execute(delete(automations).where(automations.c.id == automation_id))

    async def lock_next_due(self, now: datetime, *, only: UUID | None = None) -> AutomationRecord | None:
        """Lock the armed automation that is due and was evaluated longest ago; locked ones are skipped.

        Those set aside are left out, but for `only`, if it is given: no other one then.
        """
        c = automations.c
        chosen = text(_NOT_RESTING).bindparams(now=now) if only is None else c.id == only
        due = or_(c.next_run_at <= now, c.next_run_at.is_(None))
        statement = (
            select(automations)
            .where(c.status == AutomationStatus.ARMED, due, chosen)
            .order_by(c.evaluated_at.nulls_first(), c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await self._connection.execute(statement)).mappings().first()
        return _automation(row) if row else None
