"""asyncpg: what a SIM or a pool used by day and by cycle, for forecasts: two set-based statements, however many SIMs.

A day's bytes of a SIM are the carrier's figure for it, else the sum of its reports (US-5). Traffic from before a SIM's
activation is left out (QT-9), by the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.used import USED

MOST = (1 << 63) - 1
"""What a bigint holds; a larger sum is reported as this."""

_ONE = "members AS MATERIALIZED (SELECT s.id, s.activated_on FROM sims s WHERE s.id = $1)"
_POOL = """members AS MATERIALIZED (
    SELECT s.id, s.activated_on FROM pools p JOIN sims s ON s.tenant = p.tenant AND s.pool = p.id
     WHERE p.ref = $1 AND (s.activated_on IS NOT NULL OR s.underlying IN ('active', 'expired')))"""
_DAYS = f"""
reported AS (
    SELECT m.id, (r.at AT TIME ZONE $4)::date AS day, sum(r.bytes) AS bytes
      FROM members m JOIN usage_reports r ON r.sim_id = m.id
     WHERE r.at >= $2 AND r.at < $3 AND {ANY_DAY}
       AND (m.activated_on IS NULL OR (r.at AT TIME ZONE $4)::date >= m.activated_on) GROUP BY 1, 2),
figures AS (
    SELECT d.sim_id AS id, d.day, d.bytes
      FROM members m JOIN usage_days d ON d.sim_id = m.id
     WHERE d.starts_at >= $2 AND d.starts_at < $3 AND (m.activated_on IS NULL OR d.day >= m.activated_on))
SELECT day, least(sum(coalesce(f.bytes, r.bytes)), {MOST})::bigint AS bytes
  FROM reported r FULL JOIN figures f USING (id, day) GROUP BY day
"""  # noqa: S608 - our own number
_CYCLES = f"""
SELECT c.cycle, least(sum({USED}), {MOST})::bigint AS used, max(c.reported_at) AS reported_at,
       max(c.figures_to) AS figures_to
  FROM members m JOIN usage_cycles c ON c.sim_id = m.id
 WHERE c.cycle = ANY($2::int[]) GROUP BY c.cycle
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A SIM by its row id, or a pool by its ref."""

    sim_id: int | None = None
    pool_ref: int | None = None

    @property
    def members(self) -> str:
        """The SIMs it is, as a part of a statement whose first parameter is `key`."""
        return _ONE if self.pool_ref is None else _POOL

    @property
    def key(self) -> int | None:
        """Its row id or ref."""
        return self.sim_id if self.pool_ref is None else self.pool_ref


async def days_used(
    connection: Connection, subject: Subject, opens: datetime, closes: datetime, zone: str
) -> dict[date, int]:
    """Bytes by day of `zone` between two instants, of days with any."""
    rows = await connection.fetch(f"WITH {subject.members}, {_DAYS}", subject.key, opens, closes, zone)
    return {row["day"]: row["bytes"] for row in rows}


async def cycles_used(connection: Connection, subject: Subject, cycles: list[int]) -> dict[int, asyncpg.Record]:
    """(used, reported_at, figures_to) of these cycles (yyyymm): bytes, the last report, and what figures cover."""
    rows = await connection.fetch(f"WITH {subject.members} {_CYCLES}", subject.key, cycles)
    return {row["cycle"]: row for row in rows}
