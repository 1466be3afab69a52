"""asyncpg: the share of its allowance that each SIM has used, in steps, by which lists find SIMs (ADR 39).

A row of `usage_shares` says at which step (`app.db.used.STEPS`) a SIM is in its newest cycle, and of what allowance. It
is written where a counter passes its `share_at`, the used bytes at which the next step begins: a dozen times a cycle,
so that reports keep changing counters in place. A step is where to look; what is found is compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.db.connection import Connection
from app.db.used import NEVER, STEPS, USED

_BEGINNINGS = f"ARRAY[{', '.join(map(str, STEPS))}]::numeric[]"
_TOTAL = "(k.allowance::numeric + c.addons)"
_STEP = f"""CASE WHEN {USED} = 0 THEN 0 WHEN {_TOTAL} = 0 THEN {len(STEPS)}
            ELSE width_bucket(div({USED}::numeric * 100, {_TOTAL}), {_BEGINNINGS}) END"""
"""Steps begin at whole percents, so whole percents say exactly which is reached."""

_ALLOWANCES = """
SELECT s.id, p.allowance FROM sims s JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
 WHERE s.id = ANY($1::bigint[]) ORDER BY s.id
"""
# Whoever comes second to a counter waits here, and then stores the share last: counters are locked before shares.
_NEXT_STEPS = f"""
UPDATE usage_cycles c
   SET share_at = CASE WHEN {_TOTAL} > 0 THEN least(ceil(({_BEGINNINGS})[1 + {_STEP}] * {_TOTAL} / 100), {NEVER})
                       WHEN {USED} = 0 THEN 1 ELSE {NEVER} END
  FROM unnest($1::bigint[], $2::int[], $3::bigint[]) k(sim_id, cycle, allowance)
 WHERE c.sim_id = k.sim_id AND c.cycle = k.cycle
RETURNING c.sim_id, c.cycle, k.allowance, {_STEP} AS step
"""  # noqa: S608 - our own text
# The plan is not changed here but by the trigger of `sims`: whichever of the two is second finds the row of the first.
_STORE = """
INSERT INTO usage_shares AS h (sim_id, tenant, carrier, plan, cycle, allowance, step)
SELECT s.id, s.tenant, s.carrier, s.plan, k.cycle, k.allowance, k.step
  FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::int[]) k(sim_id, cycle, allowance, step)
  JOIN sims s ON s.id = k.sim_id ORDER BY 1
ON CONFLICT (sim_id) DO UPDATE SET cycle = excluded.cycle, allowance = excluded.allowance, step = excluded.step
 WHERE h.cycle < excluded.cycle
    OR h.cycle = excluded.cycle AND (h.allowance, h.step) IS DISTINCT FROM (excluded.allowance, excluded.step)
"""
_OF_ANOTHER_ALLOWANCE = """
SELECT h.sim_id, h.cycle FROM usage_shares h
  JOIN sims s ON s.id = h.sim_id JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
 WHERE h.sim_id = ANY($1::bigint[]) AND h.allowance <> p.allowance
"""
_STANDING_ALLOWANCE = """
SELECT h.sim_id, h.cycle FROM usage_shares h
  JOIN sims s ON s.id = h.sim_id JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
 WHERE h.sim_id > $1 AND h.sim_id <= $2 AND h.cycle = ANY($3::int[]) AND h.allowance <> p.allowance
"""
_PASSED = f"""
SELECT c.sim_id, c.cycle FROM usage_cycles c
 WHERE c.sim_id > $1 AND c.sim_id <= $2 AND c.cycle = ANY($3::int[])
   AND {USED} > 0 AND (c.share_at IS NULL OR {USED} >= c.share_at)
"""  # noqa: S608 - our own text
_HIGHEST = "SELECT coalesce(max(id), 0) FROM sims"

Pair = tuple[int, int]


class Stated(NamedTuple):
    """At which step of which allowance (bytes) a SIM is in a cycle (yyyymm)."""

    sim_id: int
    cycle: int
    allowance: int
    step: int


async def allowances(connection: Connection, sim_ids: Sequence[int]) -> dict[int, int]:
    """The allowance of the plan of each of these SIMs."""
    return dict(map(tuple, await connection.fetch(_ALLOWANCES, sim_ids)))


async def restate(connection: Connection, pairs: Iterable[Pair], begun: Iterable[Stated] = ()) -> None:
    """Store anew at which step these (SIM, cycle) are; of a SIM the newest cycle given. Locks counters, then shares.

    `begun`: shares of counters that this transaction has begun.
    """
    stated: dict[int, Stated] = {one.sim_id: one for one in begun}
    newest: dict[int, int] = {}
    for sim_id, cycle in pairs:
        if sim_id not in stated or stated[sim_id].cycle < cycle:
            newest[sim_id] = max(cycle, newest.get(sim_id, 0))
    known = await allowances(connection, list(newest)) if newest else {}
    if known:
        given = (list(known), [newest[one] for one in known], list(known.values()))
        stated |= {row["sim_id"]: Stated(*row) for row in await connection.fetch(_NEXT_STEPS, *given)}
    if stated:
        await connection.execute(_STORE, *zip(*stated.values(), strict=True))


async def restate_changed(connection: Connection, sim_ids: Sequence[int]) -> None:
    """Restate those of these SIMs whose share is one of another allowance than their plan's."""
    await restate(connection, map(tuple, await connection.fetch(_OF_ANOTHER_ALLOWANCE, sim_ids)))


async def unstated(connection: Connection, after: int, through: int, cycles: Sequence[int]) -> set[Pair]:
    """Of a range of SIMs the (SIM, cycle) whose share is behind the counter or of another allowance."""
    given = (after, through, cycles)
    return {(row[0], row[1]) for text in (_PASSED, _STANDING_ALLOWANCE) for row in await connection.fetch(text, *given)}


async def highest_sim(connection: Connection) -> int:
    """The highest row id of a SIM."""
    return int(await connection.fetchval(_HIGHEST))
