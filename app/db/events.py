"""Events (the outbox) and the cards' own history, written in the transaction of the change they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.tables import events, sim_history


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A CloudEvent to be: what happened (`type`), to which card, when it took effect and when we learned of it."""

    event_id: UUID
    tenant: str
    type: str
    source: str
    took_effect_at: datetime
    known_at: datetime
    subject: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One line of a card's timeline (LC-12): a transition or a hold, with cause, rule, actor and both times."""

    sim_id: int
    what: str
    before: str | None
    after: str | None
    cause: str
    rule: str | None
    actor: str
    took_effect_at: datetime
    known_at: datetime
    operation_id: UUID | None = None


class EventRows:
    """Events and history of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, rows: Sequence[EventRow]) -> None:
        """Put events into the outbox."""
        if rows:
            names = EventRow.__dataclass_fields__
            await self._connection.execute(events.insert(), [{n: getattr(row, n) for n in names} for row in rows])

    async def remember(self, rows: Sequence[HistoryRow]) -> None:
        """Add to the cards' timelines."""
        if rows:
            names = HistoryRow.__dataclass_fields__
            await self._connection.execute(sim_history.insert(), [{n: getattr(row, n) for n in names} for row in rows])

    async def timeline(self, sim_id: int, *, before_id: int | None, limit: int) -> list[dict[str, Any]]:
        """A card's history, newest first, from before an id."""
        rows = await self._connection.execute(
            text(
                "SELECT id, what, before, after, cause, rule, actor, operation_id, took_effect_at, known_at"
                " FROM sim_history WHERE sim_id = :sim_id AND (CAST(:before_id AS bigint) IS NULL OR id < :before_id)"
                " ORDER BY id DESC LIMIT :limit"
            ),
            {"sim_id": sim_id, "before_id": before_id, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]
