"""asyncpg: SIMs by the share of their allowance that they have used, found by the steps of `usage_shares` (ADR 39).

Above the step in which the percent lies, a step is enough. At that step itself, of another allowance than the plan has
now, or where a cycle has only begun for other carriers, the counter is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.db.kept_connections import KeptConnections
from app.db.twin import COLUMNS, Twin, fetched_first
from app.db.used import STEPS, USED, step_of, sure_from

_GROUP = "h.tenant = $1 AND h.carrier = g.carrier AND h.plan = g.plan"
_STATED = f"{_GROUP} AND h.cycle = g.cycle AND h.allowance = g.allowance"
_STEP = f"{_STATED} AND h.step = t.step"
_OTHERS = (
    f"{_GROUP} AND h.cycle = g.cycle AND h.allowance < g.allowance",
    f"{_GROUP} AND h.cycle = g.cycle AND h.allowance > g.allowance",
    f"{_GROUP} AND h.cycle > g.cycle",
)
"""The parts of the index in which a step says nothing."""

_MOST = 5_000
"""Ids of each list that are read at once."""

_SENT = "the coordinator would send every SIM of the tenant to the workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """SIMs that have used `percent` of their allowance and add-ons, of one plan and carrier or of all.

    `cycles`: the running cycle (yyyymm) by carrier.
    """

    percent: int
    cycles: Mapping[str, int]
    plan: str | None = None
    carrier: str | None = None


def _enough(percent: str) -> str:
    """That the counter `c` has used so much of the allowance of `k`."""
    return f"{USED} > 0 AND {USED}::numeric * 100 >= {percent} * (k.allowance::numeric + c.addons)"


def _compared(unsure: str, percent: str) -> str:
    """Of rows (id, cycle, allowance) the ids whose counters have used so much, each looked up by its key."""
    return (
        f"SELECT k.id FROM {unsure} k CROSS JOIN LATERAL (SELECT FROM usage_cycles c"  # noqa: S608 - our own text
        f" WHERE c.sim_id = k.id AND c.cycle = k.cycle AND {_enough(percent)} OFFSET 0) c"
    )


def _fetched(unsure: str, percent: str) -> tuple[str, str]:
    """The same on Citus, which takes no LATERAL over the coordinator's tables: counters as a CTE, and the ids."""
    counters = (
        f"usage_cycles AS MATERIALIZED (SELECT {COLUMNS['usage_cycles']} FROM usage_cycles"  # noqa: S608 - our own text
        f" WHERE sim_id IN (SELECT id FROM {unsure}))"
    )
    return counters, (
        f"SELECT k.id FROM {unsure} k JOIN usage_cycles c"  # noqa: S608 - our own text
        f" ON c.sim_id = k.id AND c.cycle = k.cycle AND {_enough(percent)}"
    )


def used_share(share: Share, percent: str, plan: str | None, carrier: str | None) -> Twin:
    """The condition that `s.id` has used so much; `percent`, `plan`, `carrier`: their places among the arguments.

    As an array and not as a table to be joined: the planner would read all SIMs for it.
    """
    running = ", ".join(f"('{name}', {int(cycle)})" for name, cycle in sorted(share.cycles.items()))
    kept = (f" AND p.id = {plan}" if plan else "") + (f" AND r.carrier = {carrier}" if carrier else "")
    first, sure = step_of(share.percent), sure_from(share.percent)
    unsure = [f"{_STATED} AND h.step = {first}"] if first < sure else []
    found = (
        "g AS MATERIALIZED (SELECT p.id AS plan, p.allowance, r.carrier, r.cycle FROM plans p"  # noqa: S608 - our own
        f" CROSS JOIN (VALUES {running}) r(carrier, cycle) WHERE p.tenant = $1{kept}),"
        f" sure AS (SELECT h.sim_id AS id FROM g CROSS JOIN LATERAL"
        f" (SELECT h.sim_id FROM usage_shares h WHERE {_STATED} AND h.step >= {sure} OFFSET 0) h),"
        " unsure AS MATERIALIZED (SELECT h.sim_id AS id, g.cycle, g.allowance FROM g CROSS JOIN LATERAL ("
        + " UNION ALL ".join(f"SELECT h.sim_id FROM usage_shares h WHERE {one}" for one in (*unsure, *_OTHERS))  # noqa: S608 - our own
        + ") h ORDER BY 1)"  # in the order in which the counters lie
    )
    counters, ids = _fetched("unsure", percent)
    return Twin(
        plain=f"s.id = ANY(ARRAY(WITH {found} SELECT id FROM sure UNION ALL {_compared('unsure', percent)}))",  # noqa: S608 - our own
        distributed=f"s.id IN (WITH {found}, {counters} SELECT id FROM sure UNION ALL {ids})",  # noqa: S608 - our own
        why=_SENT,
    )


def _next(where: str) -> str:
    """Of a part of the index the next ids; where it is not in their order, the key must not be walked for it."""
    order = "h.sim_id + 0" if where in _OTHERS else "h.sim_id"
    return f"ARRAY(SELECT h.sim_id FROM usage_shares h WHERE {where} AND h.sim_id > $5 ORDER BY {order} LIMIT $6)"  # noqa: S608 - our own text


# Of each list the next ids; beyond the end of a list that was cut off, others would come too early.
_CHOSEN = f"""
g AS MATERIALIZED (
    SELECT p.id AS plan, p.allowance, r.carrier, r.cycle
      FROM plans p CROSS JOIN unnest($2::text[], $3::int[]) r(carrier, cycle)
     WHERE p.tenant = $1 AND p.id = coalesce($9, p.id) AND r.carrier = coalesce($10, r.carrier)
       AND EXISTS (SELECT FROM usage_shares h WHERE h.tenant = $1 AND h.carrier = r.carrier AND h.plan = p.id
                      AND h.cycle >= r.cycle)),
lists AS MATERIALIZED (
    SELECT {_next(_STEP)} AS ids, t.step >= $7::int AS sure, g.cycle, g.allowance
      FROM g CROSS JOIN generate_series($4::int, {len(STEPS)}) t(step)
    {" ".join(f"UNION ALL SELECT {_next(one)}, false, g.cycle, g.allowance FROM g" for one in _OTHERS)}),
cut AS (SELECT min(ids[$6]) AS id FROM lists),
chosen AS MATERIALIZED (
    SELECT u.id, sure, cycle, allowance FROM lists, unnest(ids) u(id)
     WHERE u.id <= coalesce((SELECT id FROM cut), 9223372036854775807) ORDER BY 1 LIMIT 8 * $6::bigint),
unsure AS MATERIALIZED (SELECT * FROM chosen WHERE NOT sure)"""  # noqa: S608 - our own text
_PAGE = """
SELECT ARRAY(SELECT id FROM (SELECT id FROM chosen WHERE sure UNION ALL {compared}) f ORDER BY id) AS ids,
       CASE WHEN (SELECT count(*) FROM chosen) = 8 * $6::bigint THEN (SELECT max(id) FROM chosen)
            ELSE (SELECT id FROM cut) END AS through"""
NEXT = Twin(
    plain=f"WITH {_CHOSEN}{_PAGE.format(compared=_compared('unsure', '$8'))}",
    distributed="WITH {chosen}, {counters}{page}".format(
        chosen=_CHOSEN, counters=_fetched("unsure", "$8")[0], page=_PAGE.format(compared=_fetched("unsure", "$8")[1])
    ),
    why=_SENT,
)
"""The next SIMs that have used so much, and the id up to which these are all."""

OF_THESE = fetched_first(
    f"""
SELECT k.id FROM (SELECT s.id, p.allowance, r.cycle FROM sims s JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
    JOIN unnest($3::text[], $4::int[]) r(carrier, cycle) ON r.carrier = s.carrier
   WHERE s.id = ANY($2::bigint[]) AND s.tenant = $1) k
  JOIN usage_cycles c ON c.sim_id = k.id AND c.cycle = k.cycle AND {_enough("$5")} ORDER BY 1""",  # noqa: S608 - our own
    why=_SENT,
    usage_cycles="sim_id = ANY($2::bigint[])",
)
"""Those of some SIMs that have used so much."""


async def next_of_share(
    reads: KeptConnections, tenant: str, share: Share, after: int, count: int
) -> tuple[Sequence[int], int | None]:
    """The next SIMs that have used so much, by id, and the id up to which these are all; None: there are no more."""
    row = await reads.fetchrow(NEXT.text, *next_arguments(tenant, share, after, count))
    return (row["ids"], row["through"]) if row else ((), None)


def next_arguments(tenant: str, share: Share, after: int, count: int) -> list[Any]:
    """What `NEXT` is asked with."""
    steps = (step_of(share.percent), after, min(count, _MOST), sure_from(share.percent))
    return [tenant, list(share.cycles), list(share.cycles.values()), *steps, share.percent, share.plan, share.carrier]


async def of_these(reads: KeptConnections, tenant: str, share: Share, ids: Sequence[int]) -> list[int]:
    """Those of some SIMs that have used so much, by id."""
    given = (list(share.cycles), list(share.cycles.values()), share.percent)
    return [row["id"] for row in await reads.fetch(OF_THESE.text, tenant, ids, *given)]
