"""asyncpg: the timeline and the events of SIMs that are alike, to which the same happened at the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from app.db.connection import Connection
from app.db.events.store import Event, HistoryRow
from app.db.schema.control import sim_history
from app.db.schema.events import events
from app.db.set_based import copies_of, insert_copies_of

_HISTORY = tuple(name for name in HistoryRow.__dataclass_fields__ if name != "sim_id")
_EVENT = ("tenant", "type", "took_effect_at", "known_at", "data")


async def add_history_alike(connection: Connection, rows: Sequence[tuple[HistoryRow, Sequence[int]]]) -> None:
    """Add entries to the timelines of these SIMs, of each in this order."""
    templates = [{name: getattr(row, name) for name in _HISTORY} for row, _ in rows]
    copies = [(number, sim_id) for number, (_, ids) in enumerate(rows) for sim_id in ids]
    if copies:
        await connection.execute(insert_copies_of(sim_history, _HISTORY, ("sim_id",)), *copies_of(templates, copies))


async def add_events_alike(
    connection: Connection, rows: Sequence[tuple[Event, Sequence[tuple[UUID, str, str]]]]
) -> None:
    """Add events to the outbox, in this order; each for several SIMs: (id of the event, source, subject)."""
    templates = [{name: getattr(row, name) for name in _EVENT} for row, _ in rows]
    copies = [(number, *named) for number, (_, each) in enumerate(rows) for named in each]
    if copies:
        statement = insert_copies_of(events, _EVENT, ("event_id", "source", "subject"))
        await connection.execute(statement, *copies_of(templates, copies))
