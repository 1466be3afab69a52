"""asyncpg: overrun beyond the allowance: what was charged of SIMs and cycles, and what is to be (QT-3, ST-14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from app.db.connection import Connection
from app.db.twin import BESIDE_LOCAL, fetched_first
from app.db.used import USED
from app.domain.units import MB

Pair = tuple[int, int]
"""A SIM's row id and a cycle (yyyymm)."""

_CHARGES = """
SELECT o.sim_id, o.cycle, o.fen_per_mb, o.charged_mb, o.times, o.held_in_spell
  FROM overrun_charges o JOIN unnest($1::bigint[], $2::int[]) k(sim_id, cycle) USING (sim_id, cycle)
"""
_STORE = """
INSERT INTO overrun_charges AS o (sim_id, cycle, tenant, fen_per_mb, charged_mb, times)
SELECT k.* FROM unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[], $5::bigint[], $6::int[]) k
ON CONFLICT (sim_id, cycle) DO UPDATE SET charged_mb = excluded.charged_mb, times = excluded.times
"""
_HELD = """
UPDATE overrun_charges o SET held_in_spell = k.spell FROM unnest($1::bigint[], $2::int[]) k(sim_id, spell)
 WHERE o.sim_id = k.sim_id
"""
_TAKE = "DELETE FROM overrun_checks WHERE sim_id = ANY($1::bigint[]) RETURNING sim_id, cycle"
# What a closed cycle owes follows the plan that the SIM had at its end (`app.db.usage.allowances`), and the price now.
_CLOSED = fetched_first(
    f"""
SELECT c.sim_id, c.cycle, {USED} AS used, c.addons, p.auto_stop, p.kind, p.overrun_fen_per_mb,
       coalesce(was.allowance, p.allowance) AS allowance
  FROM unnest($1::bigint[], $2::int[], $3::timestamptz[]) k(sim_id, cycle, ends)
  JOIN usage_cycles c ON c.sim_id = k.sim_id AND c.cycle = k.cycle
  JOIN sims s ON s.id = k.sim_id
 CROSS JOIN LATERAL (
    SELECT coalesce((SELECT l.plan FROM sim_plans l
                      WHERE l.sim_id = s.id AND l.until >= k.ends ORDER BY l.until LIMIT 1), s.plan) AS plan) had
  LEFT JOIN LATERAL (
    SELECT a.allowance FROM plan_allowances a
     WHERE a.tenant = s.tenant AND a.plan = had.plan AND a.until >= k.ends ORDER BY a.until LIMIT 1) was ON true
  JOIN plans p ON p.tenant = s.tenant AND p.id = had.plan
 WHERE c.pool_ref IS NULL
   AND (EXISTS (SELECT FROM overrun_charges o WHERE o.sim_id = k.sim_id AND o.cycle = k.cycle)
        OR p.overrun_fen_per_mb IS NOT NULL AND p.overrun_since < k.ends)
""",  # noqa: S608 - our own text
    why=BESIDE_LOCAL,
    usage_cycles="sim_id = ANY($1::bigint[]) AND cycle = ANY($2::int[])",
)
_QUEUE = """
queued AS (INSERT INTO overrun_checks (sim_id, cycle) SELECT sim_id, cycle FROM due)
INSERT INTO usage_checks (sim_id) SELECT sim_id FROM due GROUP BY sim_id
"""
_QUEUE_CHANGED = f"""
WITH due AS (
    SELECT k.sim_id, k.cycle FROM unnest($1::bigint[], $2::int[]) k(sim_id, cycle) JOIN sims s ON s.id = k.sim_id
     WHERE EXISTS (SELECT FROM overrun_charges o WHERE o.sim_id = k.sim_id AND o.cycle = k.cycle)
        OR EXISTS (SELECT FROM plans p WHERE p.tenant = s.tenant AND p.overrun_fen_per_mb IS NOT NULL
                      AND (p.id = s.plan
                           OR p.id IN (SELECT l.plan FROM sim_plans l WHERE l.sim_id = s.id)))),
{_QUEUE}"""  # noqa: S608 - our own text
_QUEUE_CLOSED = f"""
WITH due AS (
    SELECT c.sim_id, c.cycle
      FROM sims s JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
      JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $2
      LEFT JOIN overrun_charges o ON o.sim_id = c.sim_id AND o.cycle = c.cycle
     WHERE s.account = $1 AND p.overrun_fen_per_mb IS NOT NULL AND p.overrun_since < $3 AND c.pool_ref IS NULL
       AND greatest(0, ({USED} - p.allowance - c.addons + {MB - 1}) / {MB}) <> coalesce(o.charged_mb, 0)),
{_QUEUE}"""  # noqa: S608 - our own text
_IS_PRICED = "SELECT EXISTS (SELECT FROM plans WHERE overrun_fen_per_mb IS NOT NULL)"
_QUEUE_CHARGED = """
INSERT INTO usage_checks (sim_id) SELECT DISTINCT sim_id FROM overrun_charges
 WHERE tenant = $1 AND cycle >= $2 AND charged_mb > 0
"""
_QUEUE_IN_ARREARS = """
INSERT INTO usage_checks (sim_id) SELECT id FROM sims WHERE tenant = $1 AND holds @> '[{"code": "arrears"}]'
"""
_DELETE_OLD = ("DELETE FROM overrun_charges WHERE cycle < $1", "DELETE FROM overrun_checks WHERE cycle < $1")

LONGEST_CYCLE = timedelta(days=62)
"""Further back than any running cycle began; its number is that of the month in which it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a SIM's overrun of a cycle was charged: megabytes at a price, in so many entries (QT-3).

    `held_in_spell`: the spell of an empty balance for which the SIM was put in arrears last (ST-14).
    """

    sim_id: int
    cycle: int
    tenant: str
    fen_per_mb: int
    charged_mb: int = 0
    times: int = 0
    held_in_spell: int | None = None


async def charges(connection: Connection, tenants: Mapping[int, str], pairs: Sequence[Pair]) -> dict[Pair, Charge]:
    """What was charged of these SIMs' cycles so far; `tenants`: by SIM row id."""
    rows = await connection.fetch(_CHARGES, [sim_id for sim_id, _ in pairs], [cycle for _, cycle in pairs])
    return {(row["sim_id"], row["cycle"]): Charge(tenant=tenants[row["sim_id"]], **row) for row in rows}


async def store(connection: Connection, changed: Sequence[Charge]) -> None:
    """Store what is charged now. The SIMs are locked."""
    if changed:
        columns = [(c.sim_id, c.cycle, c.tenant, c.fen_per_mb, c.charged_mb, c.times) for c in changed]
        await connection.execute(_STORE, *map(list, zip(*columns, strict=True)))


async def store_held(connection: Connection, spells: Mapping[int, int]) -> None:
    """Store for which spell of an empty balance these SIMs were put in arrears, by row id."""
    await connection.execute(_HELD, list(spells), list(spells.values()))


async def take_checks(connection: Connection, sim_ids: Iterable[int]) -> set[Pair]:
    """The closed cycles of these SIMs that are to be charged anew, taken off the queue; a rollback puts them back."""
    return {(row["sim_id"], row["cycle"]) for row in await connection.fetch(_TAKE, list(sim_ids))}


async def closed_usage(connection: Connection, ends: Mapping[Pair, datetime]) -> list[asyncpg.Record]:
    """Closed cycles outside pools whose overrun has a price or a charge: use, add-ons, and what the plan then says.

    `ends`: the instant at which each cycle ended; one that ended before its plan had a price is left out.
    """
    sims, cycles = [sim_id for sim_id, _ in ends], [cycle for _, cycle in ends]
    found: list[asyncpg.Record] = await connection.fetch(_CLOSED.text, sims, cycles, list(ends.values()))
    return found


async def queue_changed(connection: Connection, pairs: Sequence[Pair]) -> None:
    """Queue closed cycles whose usage has changed, where their overrun is charged."""
    if pairs:
        sims, cycles = [sim_id for sim_id, _ in pairs], [cycle for _, cycle in pairs]
        await connection.execute(_QUEUE_CHANGED, sims, cycles)


async def queue_closed(connection: Connection, account: str, cycle: int, ended_at: datetime) -> int:
    """Queue a carrier account's SIMs whose overrun of a closed cycle is not charged in full; gives how many."""
    done = await connection.execute(_QUEUE_CLOSED, account, cycle, ended_at)
    return int(done.rpartition(" ")[2])


async def is_priced(connection: Connection) -> bool:
    """Whether overrun of any plan has a price."""
    return bool(await connection.fetchval(_IS_PRICED))


async def queue_charged(connection: Connection, tenant: str, now: datetime) -> None:
    """Queue the limits of the tenant's SIMs whose overrun of a recent cycle was charged."""
    since = now - LONGEST_CYCLE
    await connection.execute(_QUEUE_CHARGED, tenant, since.year * 100 + since.month)


async def queue_in_arrears(connection: Connection, tenant: str) -> None:
    """Queue the limits of the tenant's SIMs that are in arrears."""
    await connection.execute(_QUEUE_IN_ARREARS, tenant)


async def delete_before(connection: Connection, cycle: int) -> None:
    """Delete what was charged of cycles (yyyymm) whose usage can change no more; the entries stay."""
    for statement in _DELETE_OLD:
        await connection.execute(statement, cycle)
