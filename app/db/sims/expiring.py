"""asyncpg: active SIMs with expiry reminders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from app.db.connection import Connection

_EXPIRING = """
SELECT id FROM sims
 WHERE account = ANY($1::text[]) AND id > $2 AND expires_on IS NOT NULL AND underlying = 'active'
   AND reminders -> 'expiry_days' IS NOT NULL
 ORDER BY id LIMIT $3
"""
_OF = """
SELECT id, tenant, account, iccid, underlying, expires_on, reminders::text AS reminders FROM sims
 WHERE id = ANY($1::bigint[]) AND expires_on IS NOT NULL ORDER BY id
"""


async def expiring(connection: Connection, accounts: Sequence[str], after: int, limit: int) -> list[int]:
    """Row ids of the next page of active SIMs with expiry reminders, after `after`."""
    return [row["id"] for row in await connection.fetch(_EXPIRING, accounts, after, limit)]


async def with_reminders(connection: Connection, sim_ids: Sequence[int]) -> list[asyncpg.Record]:
    """(id, tenant, account, iccid, underlying, expires_on, reminders) of these SIMs that expire."""
    found: list[asyncpg.Record] = await connection.fetch(_OF, sim_ids)
    return found


def expiry_days(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Days before the last valid day on which a reminder is due (RM-1)."""
    return tuple(json.loads(row["reminders"]).get("expiry_days", ()))
