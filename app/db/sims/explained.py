"""asyncpg: everything that an explanation rests on, one SIM in one statement (docs/performance.md).

What only holds need (budgets, add-on packs) is read for a stopped SIM alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.db.kept_connections import KeptConnections
from app.db.sims.read import fetch_one
from app.db.sims.running import RunningPeriods, rebinds, running_cycle
from app.db.twin import BESIDE_LOCAL, OUTER_JOINED, fetched_first
from app.db.used import USED
from app.domain.vocabulary import OPEN_STATUSES

ExplainedRow = Mapping[str, Any]
"""One SIM by column names, as `app.db.mapping.sim_from` takes it, and beside: `created_at`, `ever_used`; `used`
(NULL: no counters of the running cycle), `addons`; the open operation (`open_kind` NULL: none); `directed`: the values
of the order's list, NULL for one that is not in force, NULL as a whole without a list; of a stopped SIM `rebinds`,
`renewals` and `packs`. `paid_renewal`: `order` and `arguments` of a paid renewal that has not ended (RN-8)."""

_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN_STATUSES))

_PLAN = ", ".join(
    f"p.{name} AS plan_{name}"
    for name in (
        "id",
        "carrier",
        "allowance",
        "months",
        "kind",
        "auto_stop",
        "directed",
        "test_months",
        "test_bytes",
        "grade",
        "price_fen",
        "renewals_max",
        "overrun_fen_per_mb",
        "renewal_months",
        "plan_change_online",
        "change_price_fen",
    )
)

_COLUMNS = f"""
SELECT s.id, s.tenant, s.iccid, s.msisdn, s.imsi, s.carrier, s.account, s.terms, s.plan, s.underlying, s.holds,
       s.opened_on, s.purchased_on, s.activated_on, s.expires_on, s.expires_forecast_on, s.test_months, s.auto_stop,
       s.real_name, s.imei, s.imei_seen, s.imei_seen_at, s.devices, s.province, s.region_limited, s.threshold, s.pool,
       s.retained_until, s.silent_since, s.threshold_off_until, s.carrier_state, s.carrier_code, s.carrier_as_of,
       s.carrier_unknown_at, s.carrier_expires_on, s.carrier_expires_as_of, s.carrier_changed_at, s.stopped_by_us,
       s.disagrees_since, s.version, s.created_at, {_PLAN},
       CASE WHEN c.sim_id IS NOT NULL THEN {USED} END AS used, coalesce(c.addons, 0) AS addons,
       o.kind AS open_kind, o.arguments AS open_arguments, o.channel AS open_channel, o.due_at AS open_due_at,
       {rebinds("$4", where="s.holds <> '[]'::jsonb")},
       CASE WHEN s.holds <> '[]'::jsonb THEN (
           SELECT count(*) FROM operations r
            WHERE r.sim_id = s.id AND r.kind = 'renew' AND r.status = 'succeeded') END AS renewals
"""  # noqa: S608 - the statuses and names are our own

_ALONE = """
       , o.id AS open_id, o.order_id AS open_order, (
           SELECT jsonb_build_object('order', i.order_id, 'arguments', i.arguments)
             FROM order_items i JOIN orders b ON b.id = i.order_id
            WHERE i.sim_id = s.id AND i.kind = 'renew' AND i.status IN ('pending', 'open') AND b.status = 'fulfilling'
            ORDER BY i.status = 'pending', i.order_id LIMIT 1) AS paid_renewal,
       coalesce(c.reported > 0 OR c.figures > 0, false) OR EXISTS (
           SELECT FROM usage_cycles u
            WHERE u.sim_id = s.id AND (u.reported > 0 OR coalesce(u.figures, 0) > 0)) AS ever_used,
       CASE WHEN s.order_id IS NOT NULL THEN (
           SELECT array_agg(CASE WHEN 'in_force' IN (d.status, d.deleting_from) THEN d.value END ORDER BY d.id)
             FROM directed_entries d WHERE d.tenant = s.tenant AND d.order_id = s.order_id) END AS directed,
       CASE WHEN s.holds <> '[]'::jsonb THEN (
           SELECT jsonb_agg(to_jsonb(a) ORDER BY a.id) FROM addons a WHERE a.tenant = s.tenant) END AS packs
"""

_FROM = f"""
  FROM sims s
  JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = {running_cycle("$3")}
  LEFT JOIN operations o ON o.sim_id = s.id AND o.status IN ({_OPEN})
"""

_EXPLAIN = fetched_first(
    f"{_COLUMNS}{_ALONE}{_FROM} WHERE s.tenant = $1 AND s.iccid = $2",
    why=BESIDE_LOCAL,
    usage_cycles="sim_id = $5::bigint",
)
"""By equality alone, as `app.db.sims.read` says."""

_EXPLAIN_MANY = fetched_first(
    f"{_COLUMNS}{_FROM} WHERE s.tenant = $1 AND s.id = ANY($2::bigint[]) ORDER BY s.id",
    why=OUTER_JOINED,
    usage_cycles="sim_id = ANY($2::bigint[])",
)


async def fetch_explained(
    reads: KeptConnections, tenant: str, iccid: str, running: RunningPeriods
) -> ExplainedRow | None:
    """What an explanation of a tenant's SIM rests on, by either form of its ICCID (DV-5); None if there is none."""
    return await fetch_one(reads, _EXPLAIN, tenant, iccid, running)


async def fetch_many_explained(
    reads: KeptConnections, tenant: str, ids: Sequence[int], running: RunningPeriods
) -> Sequence[ExplainedRow]:
    """The same of many SIMs by row id, without what `_ALONE` adds, which groups do not show."""
    rows: Sequence[ExplainedRow] = await reads.fetch(
        _EXPLAIN_MANY.text, tenant, list(ids), running.cycles, running.rebinds_since
    )
    return rows
