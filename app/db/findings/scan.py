"""asyncpg: what the rules of findings need to know of active SIMs, a chunk of the fleet in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from app.db.connection import Connection
from app.db.twin import BESIDE_LOCAL, Twin
from app.db.used import USED
from app.domain.vocabulary import OPEN_STATUSES

_ASKED = ", ".join(f"'{status}'" for status in sorted({*OPEN_STATUSES, "scheduled", "succeeded"}))

# The operations of a SIM are few and found by `ix_operations_sim_id`; the subquery reads them once for both.
_CHUNK = f"""
SELECT s.id, s.tenant, s.account, s.iccid, s.carrier, s.terms, s.plan, s.pool, s.underlying, s.holds::text AS holds,
       s.activated_on, s.expires_on, s.auto_stop, s.real_name, s.imei, s.imei_seen, s.imei_seen_at,
       s.devices::text AS devices, s.province, s.region_limited, s.threshold, s.threshold_off_until, s.created_at,
       u.cycles, u.used, u.addons, coalesce(o.rebinds, 0) AS rebinds, o.region
  FROM sims s
  LEFT JOIN {{use}}
  LEFT JOIN LATERAL (
       SELECT count(*) FILTER (WHERE r.kind = 'rebind' AND r.status = 'succeeded' AND r.settled_at >= $4) AS rebinds,
              (array_agg(r.arguments || jsonb_build_object('done', r.status = 'succeeded') ORDER BY r.id DESC)
                 FILTER (WHERE r.kind = 'change_region' AND r.status IN ({_ASKED})))[1]::text AS region
         FROM operations r WHERE r.sim_id = s.id AND r.kind IN ('rebind', 'change_region')) o ON true
 WHERE s.id > $1 AND s.underlying = 'active' ORDER BY s.id LIMIT $2
"""  # noqa: S608 - our own words
_USE = f"SELECT array_agg(c.cycle) AS cycles, array_agg({USED}) AS used, array_agg(c.addons) AS addons"
_CHUNKS = Twin(
    plain=_CHUNK.format(
        use=f"LATERAL (\n       {_USE}\n         FROM usage_cycles c WHERE c.sim_id = s.id AND c.cycle >= $3) u ON true"
    ),
    distributed=f"""
WITH u AS MATERIALIZED (
    {_USE}, c.sim_id FROM usage_cycles c
     WHERE c.cycle >= $3 AND c.sim_id IN (
           SELECT id FROM sims WHERE id > $1 AND underlying = 'active' ORDER BY id LIMIT $2)
     GROUP BY c.sim_id)
{_CHUNK.format(use="u ON u.sim_id = s.id")}""",  # noqa: S608 - our own words
    why=BESIDE_LOCAL,
)
_PERSONAL = """
SELECT tenant, carrier, count(*) AS cards FROM sims
 WHERE real_name = ANY($1::text[]) AND underlying <> 'cancelled' GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """From when on the past counts: cycles from `cycle` (yyyymm), rebinds settled since an instant."""

    cycle: int
    rebinds: datetime


async def active_sims(connection: Connection, after: int, limit: int, since: Since) -> Sequence[asyncpg.Record]:
    """The next active SIMs by row id, with the used bytes of their cycles, rebinds and last change of region."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(_CHUNKS.text, after, limit, since.cycle, since.rebinds)
    return rows


async def personal_cards(connection: Connection, real_names: Sequence[str]) -> Sequence[asyncpg.Record]:
    """(tenant, carrier, cards): how many SIMs of each tenant and carrier have one of these registrations."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(_PERSONAL, list(real_names))
    return rows
