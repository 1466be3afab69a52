"""asyncpg: active SIMs with expiry reminders, their own or those that their tenant has set for all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg

from app.db.connection import Connection

# A SIM's own days are read by the code that can set a single SIM aside; the tenant's are bounded here already.
_EXPIRING = """
SELECT s.id FROM sims s LEFT JOIN reminder_settings r ON r.tenant = s.tenant
 WHERE s.account = ANY($1::text[]) AND s.id > $2 AND s.expires_on IS NOT NULL AND s.underlying = 'active'
   AND (s.reminders -> 'expiry_days' IS NOT NULL
        OR s.expires_on <= $4::date + (SELECT max(days) FROM unnest(r.expiry_days) d(days)))
 ORDER BY s.id LIMIT $3
"""
_OF = """
SELECT s.id, s.tenant, s.account, s.iccid, s.underlying, s.expires_on, s.reminders::text AS reminders, r.usage_mb,
       r.expiry_days
  FROM sims s LEFT JOIN reminder_settings r ON r.tenant = s.tenant
 WHERE s.id = ANY($1::bigint[]) AND s.expires_on IS NOT NULL ORDER BY s.id
"""


async def expiring(connection: Connection, accounts: Sequence[str], after: int, limit: int, today: date) -> list[int]:
    """Row ids of the next page of active SIMs with expiry reminders, after `after`."""
    return [row["id"] for row in await connection.fetch(_EXPIRING, accounts, after, limit, today)]


async def with_reminders(connection: Connection, sim_ids: Sequence[int]) -> list[asyncpg.Record]:
    """(id, tenant, account, iccid, underlying, expires_on, reminders, its tenant's thresholds) of those that expire."""
    found: list[asyncpg.Record] = await connection.fetch(_OF, sim_ids)
    return found


def own_thresholds(row: Mapping[str, Any]) -> dict[str, list[int]]:
    """The SIM's own thresholds, by `usage_mb` and `expiry_days`, where it has any (RM-1)."""
    found: dict[str, list[int]] = json.loads(row["reminders"])
    return found
