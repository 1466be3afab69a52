"""asyncpg: gaps between our sums and carriers' figures, measured where either changes, and the figures people replaced.

A gap is a row of `usage_gaps` while it is wider than the band, or while the SIM's meters disagree (US-6, QT-10): the
list is then read by index alone, however many SIMs agree. The band is `app.domain.usage.gaps.Band`; tests compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.usage.figures import CYCLE_SPANS, CycleSpan, columns
from app.domain.usage.gaps import Band

# A carrier counts from the activation on (LC-7): once a figure covers it, reports from before are none of the sum.
_MEASURE = f"""
WITH met AS MATERIALIZED (
    SELECT c.sim_id, c.cycle, c.figures AS theirs, c.figures_to AS as_of,
           (c.reported - c.reported_since - CASE WHEN c.figures_to >= c.tested_to THEN coalesce((
               SELECT sum(r.bytes) FROM usage_reports r
                WHERE r.sim_id = c.sim_id AND r.at >= k.opens AND r.at < k.closes AND r.at <= c.tested_to
                  AND {ANY_DAY}), 0)
               ELSE 0 END)::bigint AS ours
      FROM {CYCLE_SPANS}
      JOIN usage_cycles c ON c.sim_id = k.sim_id AND c.cycle = k.cycle
     WHERE c.figures IS NOT NULL AND c.reported > 0),
measured AS (
    SELECT m.sim_id, m.cycle, s.tenant, s.carrier, m.ours, m.theirs, m.as_of
      FROM met m JOIN sims s ON s.id = m.sim_id
     WHERE abs(m.theirs - m.ours) > greatest($5::bigint, div(m.theirs::numeric * $6::int, 100))
        OR EXISTS (SELECT FROM usage_marks u
                    WHERE u.sim_id = m.sim_id AND u.cycle = m.cycle AND u.mark = 'meters_disagree')),
closed AS (
    DELETE FROM usage_gaps g USING {CYCLE_SPANS}
     WHERE g.sim_id = k.sim_id AND g.cycle = k.cycle
       AND NOT EXISTS (SELECT FROM measured m WHERE m.sim_id = k.sim_id AND m.cycle = k.cycle))
INSERT INTO usage_gaps (sim_id, cycle, tenant, carrier, ours, theirs, as_of, width)
SELECT sim_id, cycle, tenant, carrier, ours, theirs, as_of, abs(theirs - ours) FROM measured ORDER BY sim_id, cycle
    ON CONFLICT (sim_id, cycle) DO UPDATE
   SET ours = excluded.ours, theirs = excluded.theirs, as_of = excluded.as_of, width = excluded.width
"""  # noqa: S608 - our own text
# What a correction replaces: the figure that stands, or what that one, a correction itself, has replaced before.
_STANDING_DAYS = """
SELECT k.sim_id, k.cycle, k.day,
       CASE WHEN (u.bytes, u.as_of) = (d.bytes, d.as_of) THEN u.former ELSE d.bytes END AS former
  FROM unnest($1::bigint[], $2::int[], $3::date[]) k(sim_id, cycle, day)
  JOIN usage_days d ON d.sim_id = k.sim_id AND d.day = k.day
  LEFT JOIN usage_corrections u
    ON u.sim_id = k.sim_id AND u.cycle = k.cycle AND u.day = k.day AND u.sim_id = ANY($1::bigint[])
"""
_STANDING_CYCLES = """
SELECT k.sim_id, k.cycle, NULL::date AS day,
       CASE WHEN (u.bytes, u.as_of) = (c.carrier_bytes, c.carrier_as_of) THEN u.former
            ELSE c.carrier_bytes END AS former
  FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle)
  JOIN usage_cycles c ON c.sim_id = k.sim_id AND c.cycle = k.cycle AND c.carrier_bytes IS NOT NULL
  LEFT JOIN usage_corrections u
    ON u.sim_id = k.sim_id AND u.cycle = k.cycle AND u.day IS NULL AND u.sim_id = ANY($1::bigint[])
"""
_ADD_CORRECTIONS = """
INSERT INTO usage_corrections (sim_id, cycle, day, bytes, as_of, former, at)
SELECT k.*, $7 FROM unnest($1::bigint[], $2::int[], $3::date[], $4::bigint[], $5::timestamptz[], $6::bigint[]) k
    ON CONFLICT (sim_id, cycle, day) DO UPDATE
   SET bytes = excluded.bytes, as_of = excluded.as_of, former = excluded.former, at = excluded.at
"""

Corrected = tuple[int, int, date | None]
"""What a correction is of: a SIM's cycle (row id, yyyymm), and the day, None for the cycle as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRow:
    """A correction: the bytes up to `as_of` that a person submitted, and the carrier's figure they replaced."""

    of: Corrected
    used: int
    as_of: datetime
    former: int | None


async def measure(connection: Connection, spans: Sequence[CycleSpan], band: Band) -> None:
    """Measure the gaps of these counters, which this transaction holds locked: those outside the band are stored."""
    if spans:
        await connection.execute(_MEASURE, *columns(spans), band.bytes, band.percent)


async def standing_figures(connection: Connection, subjects: Sequence[Corrected]) -> dict[Corrected, int | None]:
    """The carrier's figures that corrections of these would replace, in bytes; those without one are absent."""
    days = [subject for subject in subjects if subject[2] is not None]
    cycles = [subject for subject in subjects if subject[2] is None]
    found = await connection.fetch(_STANDING_DAYS, *map(list, zip(*days, strict=True))) if days else []
    if cycles:
        found += await connection.fetch(_STANDING_CYCLES, [one[0] for one in cycles], [one[1] for one in cycles])
    return {(row["sim_id"], row["cycle"], row["day"]): row["former"] for row in found}


async def add_corrections(connection: Connection, rows: Sequence[CorrectionRow], now: datetime) -> None:
    """Store what people submitted, the last for each day or cycle."""
    if rows:
        sims, cycles, days = zip(*(row.of for row in rows), strict=True)
        used, as_of, former = zip(*((row.used, row.as_of, row.former) for row in rows), strict=True)
        await connection.execute(_ADD_CORRECTIONS, sims, cycles, days, used, as_of, former, now)
