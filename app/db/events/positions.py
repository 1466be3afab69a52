"""asyncpg: gives committed events their position in the order in which everybody reads them.

An event's id is assigned before its transaction commits, so that ids alone cannot say which events were seen. The
position is assigned afterwards, by one statement at a time: what has a position is never joined by an earlier one. No
transaction is waited for: one that goes on for an hour delays its own events and no others.

Events of one SIM keep their order: the change that a later one reports waited for the SIM's lock, thus for the commit
of the earlier one. So whatever statement sees the later one sees both, and numbers them by their ids.
"""

from __future__ import annotations

from app.db.connection import Connection

_NUMBER = """
WITH fresh AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY id) AS rank
      FROM (SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT $1) oldest
), taken AS (
    INSERT INTO event_positions SELECT 1, count(*) FROM fresh HAVING count(*) > 0
    ON CONFLICT (id) DO UPDATE SET last = event_positions.last + excluded.last
    RETURNING last - (SELECT count(*) FROM fresh) AS base
), numbered AS (
    UPDATE events v SET position = taken.base + fresh.rank FROM fresh, taken
     WHERE v.id = fresh.id AND v.position IS NULL RETURNING 1
)
SELECT count(*) FROM fresh WHERE EXISTS (SELECT FROM numbered)
"""
# The row of `event_positions` serialises the statements. One that waited for another numbers nothing again (the row it
# then finds has a position), and may leave numbers unused. It must be a transaction of its own: the lock is then held
# for the length of a statement, and no frozen process can keep it.


async def number_committed(connection: Connection, limit: int) -> int:
    """Number up to `limit` committed events, outside any transaction; gives how many were looked at."""
    return int(await connection.fetchval(_NUMBER, limit))
