"""asyncpg: subjects of background tasks that could not be handled, set aside until they are due again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from app.db.connection import Connection

# Two workers that fail at one subject at once: the second waits for the row, and both attempts count.
_SET_ASIDE = """
WITH given AS (
    SELECT $1::text AS task, $2::text AS kind, $3::bigint AS subject_id, $4::text AS error, $5::timestamptz AS at)
INSERT INTO quarantine AS q (task, kind, subject_id, subject, tenant, error, attempts, first_at, next_attempt_at)
SELECT g.task, g.kind, g.subject_id, coalesce(s.iccid, p.id, g.subject_id::text), coalesce(s.tenant, p.tenant), g.error,
       1, g.at, g.at + interval '1 minute'
  FROM given g
  LEFT JOIN sims s ON g.kind = 'sim' AND s.id = g.subject_id
  LEFT JOIN pools p ON g.kind = 'pool' AND p.ref = g.subject_id
ON CONFLICT (task, kind, subject_id) DO UPDATE
   SET attempts = q.attempts + 1, error = excluded.error,
       next_attempt_at = excluded.first_at
                       + least(interval '1 minute' * power(2, least(q.attempts, 10)), interval '6 hours')
"""
_RELEASE = "DELETE FROM quarantine WHERE task = $1 AND kind = $2 AND subject_id = ANY($3::bigint[])"
_RESTING = """
SELECT subject_id FROM quarantine
 WHERE task = $1 AND kind = $2 AND subject_id = ANY($3::bigint[]) AND next_attempt_at > $4
"""
_DUE = """
SELECT task, kind, subject_id FROM quarantine WHERE next_attempt_at <= $1 ORDER BY next_attempt_at, id LIMIT $2
"""
_PAGE = """
SELECT id, task, kind, subject, tenant, error, attempts, first_at, next_attempt_at FROM quarantine
 WHERE id > $1 ORDER BY id LIMIT $2
"""


async def set_aside(connection: Connection, task: str, kind: str, subject_id: int, error: str, at: datetime) -> None:
    """Set a subject aside, or count another failed attempt; it is due after 1, 2, 4 … minutes, at most 6 hours."""
    await connection.execute(_SET_ASIDE, task, kind, subject_id, error, at)


async def release(connection: Connection, task: str, kind: str, subject_ids: Sequence[int]) -> None:
    """Remove subjects that have been handled."""
    await connection.execute(_RELEASE, task, kind, subject_ids)


async def resting(
    connection: Connection, task: str, kind: str, subject_ids: Sequence[int], now: datetime
) -> frozenset[int]:
    """Those of these subjects that are set aside and not due yet."""
    return frozenset(row["subject_id"] for row in await connection.fetch(_RESTING, task, kind, subject_ids, now))


async def due(connection: Connection, now: datetime, limit: int) -> list[asyncpg.Record]:
    """(task, kind, subject_id) of what is to be attempted again."""
    found: list[asyncpg.Record] = await connection.fetch(_DUE, now, limit)
    return found


async def page(connection: Connection, after: int, limit: int) -> list[asyncpg.Record]:
    """What is set aside, by row id after `after`."""
    found: list[asyncpg.Record] = await connection.fetch(_PAGE, after, limit)
    return found


async def counts(connection: Connection) -> dict[str, int]:
    """How many subjects are set aside, by task."""
    rows = await connection.fetch("SELECT task, count(*) AS count FROM quarantine GROUP BY task")
    return {row["task"]: row["count"] for row in rows}
