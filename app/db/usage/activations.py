"""asyncpg: reported traffic from before a SIM's activation, which is no part of the cycle's used (QT-9, PL-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.connection import Connection
from app.db.report_days import ANY_DAY
from app.db.usage.counters import ensure_counters
from app.db.usage.shares import restate

_SET_ACTIVATED = f"""
UPDATE usage_cycles c
   SET tested_to = k.at,
       tested = greatest(0, least(
           coalesce(c.figures, 0) + c.reported_since - (
               SELECT coalesce(sum(r.bytes), 0) FROM usage_reports r
                WHERE r.sim_id = c.sim_id AND r.at > k.at AND (c.figures_to IS NULL OR r.at > c.figures_to)
                  AND {ANY_DAY}),
           k.allowed - (
               SELECT coalesce(sum(coalesce(e.figures, 0) + e.reported_since), 0) FROM usage_cycles e
                WHERE e.sim_id = c.sim_id AND e.cycle < c.cycle)))
  FROM unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::bigint[]) k(sim_id, cycle, at, allowed)
 WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A SIM activated at an instant of a cycle (yyyymm).

    `allowed`: the bytes of its test, if traffic used it up.
    """

    sim_id: int
    cycle: int
    at: datetime
    allowed: int | None = None


async def set_activated(connection: Connection, activations: Sequence[Activation]) -> None:
    """Take the traffic before these activations out of the used of their cycles.

    Where the test's traffic was used up, what was reported beyond it is the plan's.
    """
    in_order = sorted(activations, key=lambda one: one.sim_id)
    await ensure_counters(connection, [(one.sim_id, one.cycle) for one in in_order])
    await connection.execute(
        _SET_ACTIVATED,
        [one.sim_id for one in in_order],
        [one.cycle for one in in_order],
        [one.at for one in in_order],
        [one.allowed for one in in_order],
    )
    await restate(connection, [(one.sim_id, one.cycle) for one in in_order])
