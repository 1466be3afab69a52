"""asyncpg: active SIMs with expiry reminders, their own or those that their tenant has set for all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg

from app.db.connection import Connection

# By row id whatever the SIMs are, so that the whole is one pass over the table, however few of them expire soon. Their
# own days are read by the code that can set a single SIM aside; the tenant's are bounded here already.
_EXPIRING = """
WITH chunk AS (SELECT id, tenant, account, underlying, expires_on, reminders -> 'expiry_days' AS own FROM sims
                WHERE id > $2 ORDER BY id LIMIT $3)
SELECT (SELECT CASE WHEN count(*) = $3 THEN max(id) END FROM chunk) AS last, ARRAY(
    SELECT s.id FROM chunk s LEFT JOIN reminder_settings r ON r.tenant = s.tenant
     WHERE s.account = ANY($1::text[]) AND s.expires_on IS NOT NULL AND s.underlying = 'active'
       AND (s.own IS NOT NULL OR s.expires_on <= $4::date + (SELECT max(days) FROM unnest(r.expiry_days) d(days)))
     ORDER BY s.id) AS sims
"""
_OF = """
SELECT s.id, s.tenant, s.account, s.iccid, s.underlying, s.expires_on, s.reminders::text AS reminders, r.usage_mb,
       r.expiry_days
  FROM sims s LEFT JOIN reminder_settings r ON r.tenant = s.tenant
 WHERE s.id = ANY($1::bigint[]) AND s.expires_on IS NOT NULL ORDER BY s.id
"""


async def expiring(
    connection: Connection, accounts: Sequence[str], after: int, size: int, today: date
) -> tuple[int | None, list[int]]:
    """Of the next `size` SIMs after row id `after`: the last one (None: the end), and those with reminders that expire.

    Only active SIMs of these accounts; those that follow their tenant's days only as far as these reach from `today`.
    """
    row = await connection.fetchrow(_EXPIRING, accounts, after, size, today)
    return row["last"], row["sims"]


async def with_reminders(connection: Connection, sim_ids: Sequence[int]) -> list[asyncpg.Record]:
    """(id, tenant, account, iccid, underlying, expires_on, reminders, its tenant's thresholds) of those that expire."""
    found: list[asyncpg.Record] = await connection.fetch(_OF, sim_ids)
    return found


def own_thresholds(row: Mapping[str, Any]) -> dict[str, list[int]]:
    """The SIM's own thresholds, by `usage_mb` and `expiry_days`, where it has any (RM-1)."""
    found: dict[str, list[int]] = json.loads(row["reminders"])
    return found
