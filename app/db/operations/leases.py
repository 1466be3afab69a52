"""asyncpg: the leases of operations whose call to a carrier is still under way (OP-3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from app.db.mapping import OperationRecord

_RENEW = """
UPDATE operations o SET lease_until = clock_timestamp() + $3
  FROM unnest($1::uuid[], $2::int[]) AS mine(id, claim)
 WHERE o.id = mine.id AND o.claim = mine.claim AND o.status IN ('running', 'verifying', 'waiting_carrier')
"""


async def renew_leases(
    pool: asyncpg.Pool[asyncpg.Record], operations: Sequence[OperationRecord], lease: timedelta
) -> None:
    """Renew the leases of those operations whose claim is still ours. Raises `DATABASE_ERRORS`."""
    await pool.execute(_RENEW, [one.id for one in operations], [one.claim for one in operations], lease)
