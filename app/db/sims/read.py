"""asyncpg: one SIM, or many, with plan, running cycle and open operation; the hot path of reads.

One statement a read, `SimRow` as it comes from the driver; `app.usecases.sims.views` makes the JSON of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.db.kept_connections import KeptConnections
from app.db.sims.running import RunningPeriods, rebinds, running_cycle
from app.db.twin import OUTER_JOINED, Layout, Twin, fetched_first
from app.db.used import BEFORE_ACTIVATION
from app.domain.identifiers import alternate_iccid
from app.domain.vocabulary import OPEN_STATUSES

SimRow = Mapping[str, Any]
"""One SIM by column names: `sims`, `allowance` of its plan, its `usage_cycles` row (`cycle` NULL: none yet),
`operation_id`, `rebinds` (NULL: not counted)."""

_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN_STATUSES))

_COLUMNS = f"""
SELECT s.id, s.iccid, s.msisdn, s.imsi, s.carrier, s.account, s.terms, s.plan, s.state, s.underlying, s.holds,
       s.carrier_state, s.carrier_code, s.carrier_as_of, s.carrier_unknown_at, s.carrier_expires_on,
       s.carrier_expires_as_of,
       s.opened_on, s.activated_on, s.expires_on, s.expires_forecast_on, s.imei, s.imei_seen, s.imei_seen_at,
       s.online, s.online_as_of, s.order_id, s.threshold,
       s.province, s.region_limited, s.real_name, s.pool, s.device_serial, s.alias, s.tags, s.remark, s.version,
       p.allowance, c.cycle, c.figures, c.figures_to, c.reported, c.reported_since, c.reported_at, c.addons,
       {BEFORE_ACTIVATION} AS tested,
       o.id AS operation_id,
       {rebinds("$4")}
  FROM sims s
  LEFT JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = {running_cycle("$3")}
  LEFT JOIN operations o ON o.sim_id = s.id AND o.status IN ({_OPEN})
 WHERE s.tenant = $1 AND
"""  # noqa: S608 - the statuses are our own enumeration

_READ = fetched_first(
    f"{_COLUMNS} s.iccid = $2",
    why=OUTER_JOINED,
    usage_cycles="sim_id = $5::bigint",
)
"""By equality alone: so every estimate is one row, and PostgreSQL keeps its plan instead of making one per read."""

_ROW_ID = "SELECT id FROM sims WHERE tenant = $1 AND iccid = $2"

_READ_MANY = fetched_first(
    f"{_COLUMNS} s.id = ANY($2::bigint[]) ORDER BY s.id",
    why=OUTER_JOINED,
    usage_cycles="sim_id = ANY($2::bigint[])",
)


async def fetch_sim(reads: KeptConnections, tenant: str, iccid: str, running: RunningPeriods) -> SimRow | None:
    """The SIM of a tenant by either form of its ICCID (DV-5); None if there is none."""
    return await fetch_one(reads, _READ, tenant, iccid, running)


async def fetch_one(
    reads: KeptConnections, statement: Twin, tenant: str, iccid: str, running: RunningPeriods
) -> Mapping[str, Any] | None:
    """One row by either form of an ICCID. On Citus the SIM's row id, `$5`, is looked up before: it names one shard."""
    alternate = alternate_iccid(iccid)
    for form in (iccid,) if alternate is None else (iccid, alternate):
        arguments: tuple[Any, ...] = (tenant, form, running.cycles, running.rebinds_since)
        if Layout.distributed:
            found = await reads.fetchrow(_ROW_ID, tenant, form)
            if found is None:
                continue
            arguments = (*arguments, found["id"])
        row: SimRow | None = await reads.fetchrow(statement.text, *arguments)
        if row is not None:
            return row
    return None


async def fetch_sims(
    reads: KeptConnections, tenant: str, ids: Sequence[int], running: RunningPeriods
) -> Sequence[SimRow]:
    """SIMs of a tenant by row id, in that order."""
    rows: Sequence[SimRow] = await reads.fetch(
        _READ_MANY.text, tenant, list(ids), running.cycles, running.rebinds_since
    )
    return rows
