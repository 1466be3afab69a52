"""asyncpg: a tenant's reminder settings (RM-1, RM-2), the SIMs that follow them, and thresholds of many SIMs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from uuid import UUID

from app.db.connection import Connection

_OF = """
SELECT usage_mb, expiry_days, pool_percent, quiet_from, quiet_to, language, updated_at
  FROM reminder_settings WHERE tenant = $1
"""
# A worker that queues a chunk now holds the row: this waits for it, then the tenant's SIMs are queued from the start.
_SAVE = """
INSERT INTO reminder_settings AS r (tenant, usage_mb, expiry_days, pool_percent, quiet_from, quiet_to, language,
                                    updated_at, checked_through)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
ON CONFLICT (tenant) DO UPDATE SET usage_mb = excluded.usage_mb, expiry_days = excluded.expiry_days,
    pool_percent = excluded.pool_percent, quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to,
    language = excluded.language, updated_at = excluded.updated_at, checked_through = 0
"""
_QUEUE_POOLS = "INSERT INTO usage_checks (pool_ref) SELECT ref FROM pools WHERE tenant = $1"
_NEXT = """
SELECT tenant, checked_through FROM reminder_settings WHERE checked_through IS NOT NULL
 ORDER BY tenant LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_QUEUE_CHUNK = """
WITH chunk AS (SELECT id, underlying, reminders ? 'usage_mb' AS own FROM sims
                WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3),
queued AS (INSERT INTO usage_checks (sim_id) SELECT id FROM chunk WHERE underlying = 'active' AND NOT own)
SELECT max(id) AS last, count(*) AS sims FROM chunk
"""
_MOVE_ON = "UPDATE reminder_settings SET checked_through = $2 WHERE tenant = $1"
_THRESHOLDS = """
SELECT s.id, s.reminders::text AS own, r.usage_mb, r.expiry_days
  FROM sims s LEFT JOIN reminder_settings r ON r.tenant = s.tenant
 WHERE s.id = ANY($1::bigint[]) AND (s.reminders <> '{}' OR r.tenant IS NOT NULL)
"""


_LISTED = "SELECT id FROM sims WHERE tenant = $1 AND iccid = ANY($2::text[]) ORDER BY id"
_FILED = """
SELECT DISTINCT s.id FROM file_rows f JOIN sims s ON s.iccid IN (f.iccid, f.alternate)
 WHERE f.file_id = $2 AND s.tenant = $1 ORDER BY 1
"""
# Locked by row id, as everything that changes SIMs does.
_SET = """
WITH chunk AS (SELECT id, (reminders - $2::text[]) || $3::text::jsonb AS reminders FROM sims
                WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE),
changed AS (
    UPDATE sims s SET reminders = c.reminders, version = s.version + 1, updated_at = $4
      FROM chunk c WHERE s.id = c.id AND s.reminders IS DISTINCT FROM c.reminders RETURNING s.id, s.underlying),
queued AS (INSERT INTO usage_checks (sim_id) SELECT id FROM changed WHERE underlying = 'active' ORDER BY id)
SELECT count(*) FROM changed
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderSettings:
    """What a tenant has set: thresholds of SIMs (MB, days) and pools (percent) without their own, quiet hours.

    None: not set. The quiet hours are times of day in a card's zone; `language`: `en` or `zh`.
    """

    usage_mb: tuple[int, ...] | None = None
    expiry_days: tuple[int, ...] | None = None
    pool_percent: tuple[int, ...] | None = None
    quiet_from: time | None = None
    quiet_to: time | None = None
    language: str = "en"
    updated_at: datetime | None = None


UNSET = ReminderSettings()


def _levels(value: Iterable[int] | None) -> tuple[int, ...] | None:
    return None if value is None else tuple(value)


async def settings_of(connection: Connection, tenant: str) -> ReminderSettings:
    """A tenant's settings; those of one who has set none are all None."""
    row = await connection.fetchrow(_OF, tenant)
    if row is None:
        return UNSET
    levels = {name: _levels(row[name]) for name in ("usage_mb", "expiry_days", "pool_percent")}
    return ReminderSettings(**dict(row) | levels)


async def save_settings(connection: Connection, tenant: str, given: ReminderSettings) -> None:
    """Store a tenant's settings; its pools are queued for evaluation at once, its SIMs in chunks (`queue_chunk`)."""
    g = given
    levels = (g.usage_mb, g.expiry_days, g.pool_percent)
    await connection.execute(_SAVE, tenant, *levels, g.quiet_from, g.quiet_to, g.language, g.updated_at)
    await connection.execute(_QUEUE_POOLS, tenant)


async def queue_chunk(connection: Connection, size: int) -> int:
    """Queue the limit checks of the next SIMs that follow settings that have changed; gives how many SIMs were read.

    0: none are left.
    """
    row = await connection.fetchrow(_NEXT)
    if row is None:
        return 0
    chunk = await connection.fetchrow(_QUEUE_CHUNK, row["tenant"], row["checked_through"], size)
    await connection.execute(_MOVE_ON, row["tenant"], chunk["last"] if chunk["sims"] == size else None)
    return max(1, int(chunk["sims"]))


async def thresholds_of(
    connection: Connection, sim_ids: Sequence[int]
) -> dict[int, tuple[dict[str, Any], Mapping[str, Any]]]:
    """By SIM row id, its own thresholds and its tenant's, each by kind; not a SIM that has neither."""
    rows = await connection.fetch(_THRESHOLDS, sim_ids)
    return {row["id"]: (json.loads(row["own"]), row) for row in rows}


async def listed_ids(connection: Connection, tenant: str, iccids: Sequence[str]) -> list[int]:
    """Row ids of a tenant's SIMs of these ICCIDs, in order."""
    return [row["id"] for row in await connection.fetch(_LISTED, tenant, list(iccids))]


async def filed_ids(connection: Connection, tenant: str, file_id: UUID) -> list[int]:
    """Row ids of a tenant's SIMs that an uploaded file names, in order."""
    return [row["id"] for row in await connection.fetch(_FILED, tenant, file_id)]


async def set_thresholds(
    connection: Connection, sim_ids: Sequence[int], thresholds: Mapping[str, Sequence[int] | None], now: datetime
) -> int:
    """Set thresholds of these SIMs and queue their limit checks; gives how many changed. None: follow the tenant's."""
    removed = [name for name, levels in thresholds.items() if levels is None]
    given = json.dumps({name: list(levels) for name, levels in thresholds.items() if levels is not None})
    changed: int = await connection.fetchval(_SET, sim_ids, removed, given, now)
    return changed
