"""asyncpg: SIMs by the share of their allowance that they have used, found by the steps of `usage_shares` (ADR 39).

A step is looked up, a share is compared: rows of the boundary step, of another allowance than the plan has now, or of a
cycle that has only begun for other carriers are looked at as well, and the counter decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.db.kept_connections import KeptConnections
from app.db.twin import COLUMNS, Twin, fetched_first
from app.db.used import STEPS, USED, step_of

_OF_GROUP = "h.tenant = {tenant} AND h.carrier = {group}.carrier AND h.plan = {group}.plan"
_LOOKED_AT = (
    "h.cycle = {group}.cycle AND h.allowance = {group}.allowance AND h.step {step}",
    "h.cycle = {group}.cycle AND h.allowance < {group}.allowance",
    "h.cycle = {group}.cycle AND h.allowance > {group}.allowance",
    "h.cycle > {group}.cycle",
)
"""The parts of the index in which a SIM of enough use can be."""

_WITH_STEP, *_WITHOUT_STEP = (f"{_OF_GROUP} AND {part}" for part in _LOOKED_AT)
_NEXT = "ARRAY(SELECT h.sim_id FROM usage_shares h WHERE {where} AND h.sim_id > $5 ORDER BY {order} LIMIT $6)"


def _next(where: str) -> str:
    """Of a part of the index the next ids; where it is not in their order, the key must not be walked for it."""
    order = "h.sim_id" if where is _WITH_STEP else "h.sim_id + 0"
    return _NEXT.format(where=where.format(tenant="$1", group="g", step="= t.step"), order=order)


# Of each list the next ids; beyond the end of a list that was cut off, others would come too early.
CANDIDATES = f"""
WITH g AS MATERIALIZED (
    SELECT p.id AS plan, p.allowance, r.carrier, r.cycle
      FROM plans p CROSS JOIN unnest($2::text[], $3::int[]) r(carrier, cycle)
     WHERE p.tenant = $1 AND EXISTS (SELECT FROM usage_shares h WHERE h.tenant = $1 AND h.carrier = r.carrier
                                        AND h.plan = p.id AND h.cycle >= r.cycle)),
lists AS MATERIALIZED (
    SELECT {_next(_WITH_STEP)} AS ids FROM g CROSS JOIN generate_series($4::int, {len(STEPS)}) t(step)
    {" ".join(f"UNION ALL SELECT {_next(one)} FROM g" for one in _WITHOUT_STEP)}),
cut AS (SELECT min(ids[$6]) AS id FROM lists),
chosen AS MATERIALIZED (
    SELECT DISTINCT u.id FROM lists, unnest(ids) u(id)
     WHERE u.id <= coalesce((SELECT id FROM cut), 9223372036854775807) ORDER BY 1 LIMIT 8 * $6::bigint)
SELECT ARRAY(SELECT id FROM chosen ORDER BY id) AS ids,
       CASE WHEN (SELECT count(*) FROM chosen) = 8 * $6::bigint THEN (SELECT max(id) FROM chosen)
            ELSE (SELECT id FROM cut) END AS through
"""  # noqa: S608 - our own text
_SENT = "the coordinator would send every SIM of the tenant to the workers"
_MOST = 5_000
"""Ids of each list that are read at once."""


def used_share(cycles: Mapping[str, int], percent: int, among: str | None = None) -> Twin:
    """The SIMs that have used `?` percent of their allowance and add-ons.

    `cycles`: the running cycle (yyyymm) by carrier; `among`: an array of row ids, None: whoever the steps find.
    """
    if among:
        return fetched_first(_of_share(cycles, among), why=_SENT, usage_cycles=f"sim_id = ANY({among})")
    found = _found(cycles, percent)
    # Citus takes no LATERAL over the coordinator's tables beside a distributed one: what the steps find comes before.
    before = (
        f"WITH found AS MATERIALIZED ({found}), usage_cycles AS MATERIALIZED"  # noqa: S608 - our own text
        f" (SELECT {COLUMNS['usage_cycles']} FROM usage_cycles WHERE sim_id IN (SELECT sim_id FROM found))"
    )
    return Twin(
        plain=_of_share(cycles, f"ARRAY({found})"),
        distributed=f"{before} {_of_share(cycles, 'ARRAY(SELECT sim_id FROM found)')}",  # noqa: S608 - our own text
        why=_SENT,
    )


def _of_share(cycles: Mapping[str, int], ids: str) -> str:
    """Those of an array of row ids that have used `?` percent."""
    current = " ".join(f"WHEN '{carrier}' THEN {int(cycle)}" for carrier, cycle in sorted(cycles.items()))
    return (
        "SELECT c.sim_id FROM usage_cycles c JOIN sims u ON u.id = c.sim_id"  # noqa: S608 - our own words and numbers
        " JOIN plans p ON p.tenant = u.tenant AND p.id = u.plan"
        f" WHERE c.sim_id = ANY({ids}) AND u.tenant = $1 AND c.cycle = CASE u.carrier {current} END"
        f" AND {USED} > 0 AND {USED}::numeric * 100 >= ? * (p.allowance::numeric + c.addons)"
    )


def _found(cycles: Mapping[str, int], percent: int) -> str:
    """All that the steps find, in no order."""
    running = ", ".join(f"('{carrier}', {int(cycle)})" for carrier, cycle in sorted(cycles.items()))
    parts = " UNION ALL ".join(
        "SELECT h.sim_id FROM usage_shares h WHERE "  # noqa: S608 - our own text
        + one.format(tenant="$1", group="g", step=f">= {step_of(percent)}")
        for one in (_WITH_STEP, *_WITHOUT_STEP)
    )
    return (
        "SELECT f.sim_id FROM (SELECT p.id AS plan, p.allowance, r.carrier, r.cycle FROM plans p"  # noqa: S608 - ours
        f" CROSS JOIN (VALUES {running}) r(carrier, cycle) WHERE p.tenant = $1) g CROSS JOIN LATERAL ({parts}) f"
    )


async def candidates(
    reads: KeptConnections,
    tenant: str,
    wanted: tuple[Mapping[str, int], int],
    after: int,
    count: int,
) -> tuple[Sequence[int], int | None]:
    """The next SIMs that may have used so much, by id, and the id up to which these are all; None: there are no more.

    `wanted`: the running cycles by carrier, and the percent.
    """
    row = await reads.fetchrow(CANDIDATES, *candidates_arguments(tenant, wanted, after, count))
    return (row["ids"], row["through"]) if row else ((), None)


def candidates_arguments(tenant: str, wanted: tuple[Mapping[str, int], int], after: int, count: int) -> list[Any]:
    """What `CANDIDATES` is asked with."""
    cycles, percent = wanted
    return [tenant, list(cycles), list(cycles.values()), step_of(percent), after, min(count, _MOST)]
