"""Events (the outbox) and the timeline of SIMs, written in the transaction of the change that they report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event to publish: CloudEvents 1.0 attributes and payload.

    `source` is the path of the resource, `subject` the ICCID where the event is about one SIM: deliveries of one
    subject keep their order.
    """

    event_id: UUID
    tenant: str
    type: str
    source: str
    took_effect_at: datetime
    known_at: datetime
    data: Mapping[str, Any]
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One entry of a SIM's timeline (LC-12): a transition or a hold, with cause, rule, actor and both times."""

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


_ADD = text(
    "INSERT INTO events (event_id, tenant, type, source, took_effect_at, known_at, subject, data)"
    " SELECT event_id, tenant, type, source, took_effect_at, known_at, subject, data FROM unnest("
    "CAST(:event_id AS uuid[]), CAST(:tenant AS text[]), CAST(:type AS text[]), CAST(:source AS text[]),"
    " CAST(:took_effect_at AS timestamptz[]), CAST(:known_at AS timestamptz[]), CAST(:subject AS text[]), :data)"
    " WITH ORDINALITY AS e(event_id, tenant, type, source, took_effect_at, known_at, subject, data, ordinal)"
    " ORDER BY ordinal"
).bindparams(bindparam("data", type_=ARRAY(JSONB)))

_ADD_HISTORY = text(
    "INSERT INTO sim_history (sim_id, what, before, after, cause, rule, actor, took_effect_at, known_at, operation_id)"
    " SELECT sim_id, what, before, after, cause, rule, actor, took_effect_at, known_at, operation_id FROM unnest("
    "CAST(:sim_id AS bigint[]), CAST(:what AS text[]), CAST(:before AS text[]), CAST(:after AS text[]),"
    " CAST(:cause AS text[]), CAST(:rule AS text[]), CAST(:actor AS text[]), CAST(:took_effect_at AS timestamptz[]),"
    " CAST(:known_at AS timestamptz[]), CAST(:operation_id AS uuid[])) WITH ORDINALITY"
    " AS h(sim_id, what, before, after, cause, rule, actor, took_effect_at, known_at, operation_id, ordinal)"
    " ORDER BY ordinal"
)


class EventRepository:
    """Events and history of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, rows: Sequence[Event]) -> None:
        """Add events to the outbox, in this order."""
        if rows:
            values = {name: [getattr(row, name) for row in rows] for name in Event.__dataclass_fields__}
            await self._connection.execute(_ADD, values)

    async def add_history(self, rows: Sequence[HistoryRow]) -> None:
        """Add entries to timelines, in this order."""
        if rows:
            values = {name: [getattr(row, name) for row in rows] for name in HistoryRow.__dataclass_fields__}
            await self._connection.execute(_ADD_HISTORY, values)

    async def timeline(
        self, sim_id: int, *, before_id: int | None, limit: int, moment: tuple[datetime, datetime] | None = None
    ) -> list[dict[str, Any]]:
        """A page of a SIM's timeline, newest first, before an id.

        `moment`: only what took effect up to the one instant and was known up to the other.
        """
        as_of, known_at = moment or (None, None)
        rows = await self._connection.execute(
            text(
                "SELECT id, what, before, after, cause, rule, actor, operation_id, took_effect_at, known_at"
                " FROM sim_history WHERE sim_id = :sim_id AND (CAST(:before_id AS bigint) IS NULL OR id < :before_id)"
                " AND (CAST(:as_of AS timestamptz) IS NULL OR (took_effect_at <= :as_of AND known_at <= :known_at))"
                " ORDER BY id DESC LIMIT :limit"
            ),
            {"sim_id": sim_id, "before_id": before_id, "limit": limit, "as_of": as_of, "known_at": known_at},
        )
        return [dict(row) for row in rows.mappings()]
