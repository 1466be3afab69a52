"""asyncpg: adds events from the hot paths to the outbox (`app.db.events.store`), in the transaction it is given."""

from __future__ import annotations

from collections.abc import Sequence

from app.db.connection import Connection
from app.db.events.store import Event

_ADD = """
INSERT INTO events (event_id, tenant, type, subject, source, took_effect_at, known_at, data)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                     $8::jsonb[])
"""


async def add_events(connection: Connection, events: Sequence[Event]) -> None:
    """Put events into the outbox."""
    if events:
        await connection.execute(
            _ADD,
            [event.event_id for event in events],
            [event.tenant for event in events],
            [event.type for event in events],
            [event.subject for event in events],
            [event.source for event in events],
            [event.took_effect_at for event in events],
            [event.known_at for event in events],
            [event.data for event in events],
        )
