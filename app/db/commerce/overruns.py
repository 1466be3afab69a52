"""asyncpg: overrun beyond the allowance: what was charged of SIMs and cycles, and what is to be (QT-3, ST-14)."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.db.connection import Connection

_QUEUE_CHARGED = """
INSERT INTO usage_checks (sim_id) SELECT DISTINCT sim_id FROM overrun_charges
 WHERE tenant = $1 AND cycle >= $2 AND charged_mb > 0
"""
_QUEUE_IN_ARREARS = """
INSERT INTO usage_checks (sim_id) SELECT id FROM sims WHERE tenant = $1 AND holds @> '[{"code": "arrears"}]'
"""

LONGEST_CYCLE = timedelta(days=62)
"""Further back than any running cycle began; its number is that of the month in which it ends."""


async def queue_charged(connection: Connection, tenant: str, now: datetime) -> None:
    """Queue the limits of the tenant's SIMs whose overrun of a recent cycle was charged."""
    since = now - LONGEST_CYCLE
    await connection.execute(_QUEUE_CHARGED, tenant, since.year * 100 + since.month)


async def queue_in_arrears(connection: Connection, tenant: str, now: datetime) -> None:  # noqa: ARG001 - as the other
    """Queue the limits of the tenant's SIMs that are in arrears."""
    await connection.execute(_QUEUE_IN_ARREARS, tenant)
