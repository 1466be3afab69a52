"""asyncpg: subjects of background tasks that could not be handled, set aside until they are due again.

A subject has a key: the row id of a SIM or pool, else its id or code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias, TypeVar
from uuid import UUID

import asyncpg

from app.db.connection import Connection

Key: TypeAlias = "int | str"
AnyKey = TypeVar("AnyKey", int, str)

# Two workers that fail at one subject at once: the second waits for the row, and both attempts count.
_SET_ASIDE = """
WITH given AS (
    SELECT $1::text AS task, $2::text AS kind, $3::text AS key, $4::text AS error, $5::timestamptz AS at,
           CASE WHEN $2 IN ('sim', 'pool') THEN $3::text::bigint END AS row_id,
           CASE WHEN $2 IN ('operation', 'bulk_operation', 'order', 'webhook', 'notification_channel', 'automation')
                THEN $3::text::uuid END AS uuid)
INSERT INTO quarantine AS q (task, kind, subject_id, subject, tenant, error, attempts, first_at, next_attempt_at)
SELECT g.task, g.kind, g.row_id, coalesce(s.iccid, p.id, g.key),
       coalesce(s.tenant, p.tenant, o.tenant, b.tenant, e.tenant, w.tenant, c.tenant, a.tenant), g.error, 1, g.at,
       g.at + interval '1 minute'
  FROM given g
  LEFT JOIN sims s ON g.kind = 'sim' AND s.id = g.row_id
  LEFT JOIN pools p ON g.kind = 'pool' AND p.ref = g.row_id
  LEFT JOIN operations o ON g.kind = 'operation' AND o.id = g.uuid
  LEFT JOIN bulk_operations b ON g.kind = 'bulk_operation' AND b.id = g.uuid
  LEFT JOIN orders e ON g.kind = 'order' AND e.id = g.uuid
  LEFT JOIN webhook_endpoints w ON g.kind = 'webhook' AND w.id = g.uuid
  LEFT JOIN automations a ON g.kind = 'automation' AND a.id = g.uuid
  LEFT JOIN notification_channels c ON g.kind = 'notification_channel' AND c.id = g.uuid
ON CONFLICT (task, kind, key) DO UPDATE
   SET attempts = q.attempts + 1, error = excluded.error,
       next_attempt_at = excluded.first_at
                       + least(interval '1 minute' * power(2, least(q.attempts, 10)), interval '6 hours')
RETURNING next_attempt_at
"""
_POSTPONE = """
UPDATE quarantine SET next_attempt_at = $4 WHERE task = $1 AND kind = $2 AND key = ANY($3::text[])
"""
_RELEASE = "DELETE FROM quarantine WHERE task = $1 AND kind = $2 AND key = ANY($3::text[])"
_RESTING = """
SELECT key FROM quarantine WHERE task = $1 AND kind = $2 AND key = ANY($3::text[]) AND next_attempt_at > $4
"""
_LISTED = "SELECT key FROM quarantine WHERE task = $1 AND kind = $2 AND key = ANY($3::text[])"
_DUE = """
SELECT task, kind, key FROM quarantine
 WHERE next_attempt_at <= $1 ORDER BY next_attempt_at, id LIMIT $2
"""
_PAGE = """
SELECT id, task, kind, subject, tenant, error, attempts, first_at, next_attempt_at FROM quarantine
 WHERE id > $1 ORDER BY id LIMIT $2
"""

_PUT_OFF = """
UPDATE operations o
   SET status = CASE WHEN o.status <> 'running' THEN o.status WHEN o.sent_at IS NULL THEN 'queued' ELSE 'verifying' END,
       lease_until = NULL, claim = o.claim + 1, run_after = q.next_attempt_at
  FROM quarantine q
 WHERE q.task = 'operations' AND q.kind = 'operation' AND q.key = o.id::text AND q.next_attempt_at > $2
   AND o.id = ANY($1::uuid[]) AND o.settled_at IS NULL
"""
_PUT_OFF_SCHEDULED = """
UPDATE operations o SET run_after = q.next_attempt_at FROM quarantine q
 WHERE q.task = 'schedule' AND q.kind = 'sim' AND q.key = o.sim_id::text AND q.next_attempt_at > $2
   AND o.sim_id = ANY($1::bigint[]) AND o.status = 'scheduled' AND NOT o.waits AND o.run_after <= $2
"""
_WAITING = "SELECT id::text FROM operations WHERE id = ANY($1::uuid[]) AND settled_at IS NULL AND run_after <= $2"


def not_resting(task: str, kind: str, key: str, *, now: str = ":now") -> str:
    """The SQL condition that a subject is not set aside, or due again; `key` is its key as SQL of type text.

    For a loop that looks for its work in its own table: subjects that rest must not fill the page.
    """
    return (
        "NOT EXISTS (SELECT FROM quarantine resting"
        f" WHERE resting.task = '{task}' AND resting.kind = '{kind}' AND resting.key = {key}"
        f" AND resting.next_attempt_at > {now})"
    )


async def set_aside(connection: Connection, task: str, kind: str, key: Key, error: str, at: datetime) -> datetime:
    """Set a subject aside, or count another failed attempt; it is due after 1, 2, 4 … minutes, at most 6 hours.

    Gives when it is due.
    """
    due: datetime = await connection.fetchval(_SET_ASIDE, task, kind, str(key), error, at)
    return due


async def postpone(connection: Connection, task: str, kind: str, keys: Iterable[Key], until: datetime) -> None:
    """Attempt these subjects again at another time, without counting an attempt."""
    await connection.execute(_POSTPONE, task, kind, list(map(str, keys)), until)


async def release(connection: Connection, task: str, kind: str, keys: Iterable[Key]) -> None:
    """Remove subjects that have been handled."""
    await connection.execute(_RELEASE, task, kind, list(map(str, keys)))


async def resting(
    connection: Connection, task: str, kind: str, keys: Iterable[AnyKey], now: datetime
) -> frozenset[AnyKey]:
    """Those of these subjects that are set aside and not due yet."""
    by_text = {str(key): key for key in keys}
    found = await connection.fetch(_RESTING, task, kind, list(by_text), now)
    return frozenset(by_text[row["key"]] for row in found)


async def listed(connection: Connection, task: str, kind: str, keys: Iterable[AnyKey]) -> frozenset[AnyKey]:
    """Those of these subjects that are set aside, due or not."""
    by_text = {str(key): key for key in keys}
    return frozenset(by_text[row["key"]] for row in await connection.fetch(_LISTED, task, kind, list(by_text)))


async def put_off_operations(connection: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """Let operations that are set aside wait until they are due again, without a lease.

    One that may have been sent is `verifying` then (OP-3), and whoever held it can no longer settle it.
    """
    await connection.execute(_PUT_OFF, ids, now)


async def put_off_scheduled(connection: Connection, sim_ids: Sequence[int], now: datetime) -> None:
    """Let the due scheduled operations of SIMs that are set aside wait until these are due again."""
    await connection.execute(_PUT_OFF_SCHEDULED, sim_ids, now)


async def operations_to_work(connection: Connection, ids: Sequence[str], now: datetime) -> set[str]:
    """Those of these operations that have not ended and are due at a worker."""
    return {row["id"] for row in await connection.fetch(_WAITING, ids, now)}


async def due(connection: Connection, now: datetime, limit: int) -> list[asyncpg.Record]:
    """(task, kind, key) of what is to be attempted again."""
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
