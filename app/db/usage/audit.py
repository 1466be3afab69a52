"""asyncpg: whether counters equal the reports and figures they were made of, SIM by SIM, a chunk in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.twin import BESIDE_LOCAL, Twin
from app.db.usage.figures import COUNTED, CYCLE_SPANS, HELD_SPANS, CycleSpan, columns

_DIFFERENCES = f"""
SELECT * FROM (
    SELECT k.sim_id, k.cycle,
           coalesce(c.reported, 0) <> coalesce((SELECT sum(r.bytes) FROM usage_reports r
               WHERE r.sim_id = k.sim_id AND r.at >= k.opens AND r.at < k.closes AND {ANY_DAY}), 0) AS reported,
           c.sim_id IS NOT NULL AND (c.figures, c.figures_to, c.has_day_figures, c.reported_since)
               IS DISTINCT FROM (f.bytes, f.covered_to, f.has_day_figures, coalesce(f.since, 0)) AS figures,
           c.sim_id IS NOT NULL AND k.closes > $5 AND c.pool_ref IS DISTINCT FROM p.ref AS pool
      FROM {CYCLE_SPANS}
      JOIN sims s ON s.id = k.sim_id
      LEFT JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool
      LEFT JOIN usage_cycles c ON c.sim_id = k.sim_id AND c.cycle = k.cycle
      LEFT JOIN LATERAL ({COUNTED}) f ON true
    OFFSET 0) d
 WHERE reported OR figures OR pool
"""  # noqa: S608 - our own text
# What a counter holds is compared where it lies; reports without any counter are looked for beside it.
_DIFFERENCES_DISTRIBUTED = f"""
WITH held AS MATERIALIZED (
    SELECT c.sim_id, c.cycle, k.closes, c.pool_ref,
           c.reported <> coalesce((SELECT sum(r.bytes) FROM usage_reports r
               WHERE r.sim_id = c.sim_id AND r.at >= k.opens AND r.at < k.closes AND {ANY_DAY}), 0) AS reported,
           (c.figures, c.figures_to, c.has_day_figures, c.reported_since)
               IS DISTINCT FROM (f.bytes, f.covered_to, f.has_day_figures, coalesce(f.since, 0)) AS figures
      FROM {HELD_SPANS}
      JOIN usage_cycles c ON c.sim_id = k.sim_id AND c.cycle = k.cycle
     CROSS JOIN LATERAL ({COUNTED}) f),
uncounted AS MATERIALIZED (
    SELECT k.sim_id, k.cycle FROM {CYCLE_SPANS}
      JOIN usage_reports r ON r.sim_id = k.sim_id AND r.at >= k.opens AND r.at < k.closes AND {ANY_DAY}
     GROUP BY 1, 2 HAVING sum(r.bytes) > 0)
SELECT * FROM (
    SELECT h.sim_id, h.cycle, h.reported, h.figures, h.closes > $5 AND h.pool_ref IS DISTINCT FROM p.ref AS pool
      FROM held h JOIN sims s ON s.id = h.sim_id LEFT JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool) d
 WHERE reported OR figures OR pool
 UNION ALL
SELECT u.sim_id, u.cycle, true, false, false
  FROM uncounted u JOIN sims s ON s.id = u.sim_id
  LEFT JOIN held h ON h.sim_id = u.sim_id AND h.cycle = u.cycle
 WHERE h.sim_id IS NULL
"""  # noqa: S608 - our own text
_COMPARED = Twin(plain=_DIFFERENCES, distributed=_DIFFERENCES_DISTRIBUTED, why=BESIDE_LOCAL)
_CARDS = "SELECT account, array_agg(id ORDER BY id) AS ids FROM sims WHERE id > $1 AND id <= $2 AND {} GROUP BY account"
_MEMBERS, _OTHERS = _CARDS.format("pool IS NOT NULL"), _CARDS.format("pool IS NULL")


async def differences(connection: Connection, spans: Sequence[CycleSpan], now: datetime) -> list[asyncpg.Record]:
    """(sim_id, cycle, reported, figures, pool) of the counters that differ; the last three say in what.

    `reported`: from the sum of the reports; `figures`: from a recount of the carrier figures, of what they cover to, of
    the reports added to them; `pool`: from the SIM's pool, in a cycle that is not over at `now`.
    """
    found: list[asyncpg.Record] = await connection.fetch(_COMPARED.text, *columns(spans), now)
    return found


async def cards_between(connection: Connection, after: int, through: int, *, pooled: bool) -> dict[str, list[int]]:
    """The SIMs with a row id in (after, through], members of pools or others, by account."""
    rows = await connection.fetch(_MEMBERS if pooled else _OTHERS, after, through)
    return {row["account"]: row["ids"] for row in rows}


async def highest_card(connection: Connection) -> int:
    """The highest row id of a SIM."""
    return int(await connection.fetchval("SELECT coalesce(max(id), 0) FROM sims"))
