"""asyncpg: the sums of a batch of usage reports, staged and added to the counters; a measured hot path.

A part of `app.db.usage.ingest`, in its transaction and under its locks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

import asyncpg

from app.db.connection import Connection
from app.db.twin import Layout, Twin
from app.db.usage import shares
from app.db.usage.distributed import ingest as distributed
from app.db.usage.ingest import COPY_END, COPY_HEAD, whole_of
from app.db.used import USED, first_step

_DELTA_ROW = Struct(">hiiiiiqiiiqidid")
_RANDOM = random.SystemRandom()

_MOVED = f"""
WITH moved AS (
    UPDATE usage_cycles c
       SET padding = NULL, reported = c.reported + k.bytes,
           reported_at = greatest(c.reported_at, to_timestamp(k.last)),
           reported_since = CASE WHEN c.figures_to IS NULL OR to_timestamp(k.first) > c.figures_to
                                 THEN c.reported_since + k.bytes ELSE c.reported_since END
      FROM usage_deltas k
     WHERE k.round = $1 AND c.sim_id = k.sim_id AND c.cycle = k.cycle
 RETURNING k.ordinal, c.sim_id, c.pool_ref, c.next_check_bytes, c.share_at, {USED} AS used,
           coalesce(to_timestamp(k.first) <= c.tested_to, false)
           OR c.figures_to IS NOT NULL AND to_timestamp(k.first) <= c.figures_to
           AND (c.has_day_figures OR to_timestamp(k.last) > c.figures_to) AS needs_recount,
           c.figures_to IS NOT NULL AND to_timestamp(k.first) <= c.figures_to AS covered)"""  # noqa: S608 - our own text
_ORDINALS = """SELECT array_agg(ordinal) AS ordinals,
       array_agg(ordinal) FILTER (WHERE needs_recount) AS needs_recount,
       array_agg(ordinal) FILTER (WHERE covered) AS covered,
       array_agg(ordinal) FILTER (WHERE used >= coalesce(share_at, 0)) AS passed FROM moved"""
_ADD_CLOSED_ROUND = f"{_MOVED}\n{_ORDINALS}"
_ADD_ROUND = f"""{_MOVED},
pools AS (INSERT INTO usage_checks (pool_ref) SELECT pool_ref FROM moved WHERE pool_ref IS NOT NULL GROUP BY 1),
cards AS (INSERT INTO usage_checks (sim_id) SELECT sim_id FROM moved WHERE used >= next_check_bytes)
{_ORDINALS}
"""  # noqa: S608 - our own text
_MOVE_TO_ROUND = "UPDATE usage_deltas SET round = $1 WHERE round = $3 AND ordinal = ANY($2::int[])"


def _staged(statement: str) -> Twin:
    distributed = statement.replace("usage_deltas", "usage_staged")
    return Twin(plain=statement, distributed=distributed, why="deltas are staged beside the counters")


_MOVE = _staged(_MOVE_TO_ROUND)
_CLOSED_ROUND, _RUNNING_ROUND = _staged(_ADD_CLOSED_ROUND), _staged(_ADD_ROUND)
ROUNDS = 4
"""Round numbers of a batch: of closed and running cycles, and of what is left of each."""

# Two batches that begin one counter: the second waits for the first's commit, then does nothing; `apply_round` adds.
_BEGIN_CYCLES = """
WITH started AS (
    INSERT INTO usage_cycles
           (sim_id, cycle, pool_ref, next_check_bytes, reported, reported_since, reported_at, share_at)
    SELECT k.sim_id, k.cycle, p.ref, 0, k.bytes, k.bytes, to_timestamp(k.last), k.share_at
      FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::float8[], $6::bigint[])
           k(sim_id, cycle, bytes, last, share_at)
      LEFT JOIN sims s ON s.id = k.sim_id
      LEFT JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool AND k.cycle >= coalesce(p.open_cycle, 0)
     ORDER BY 1, 2 ON CONFLICT DO NOTHING
    RETURNING sim_id, cycle, pool_ref),
pools AS (
    INSERT INTO usage_checks (pool_ref)
    SELECT pool_ref FROM started WHERE pool_ref IS NOT NULL AND NOT $5::boolean GROUP BY 1),
cards AS (INSERT INTO usage_checks (sim_id) SELECT sim_id FROM started WHERE NOT $5::boolean)
SELECT sim_id, cycle FROM started
"""
"""Insert counters with the bytes of their first reports; `next_check_bytes` 0 has the limits evaluated."""


@dataclass(slots=True, kw_only=True)
class Applied:
    """Deltas by ordinal that are not done with: `covered`, at least in part, by a carrier's figure (US-6).

    `needs_recount`: those covered in part, or of traffic from before the activation (`app.db.usage.figures.recount`);
    `passed`: those of counters that are at another step of their allowance (`app.db.usage.shares.restate`). `begun`:
    the shares of counters that have begun, to be stored once all counters are written.
    """

    needs_recount: list[int] = field(default_factory=list)
    covered: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    begun: list[shares.Stated] = field(default_factory=list)

    @classmethod
    def of(cls, row: asyncpg.Record) -> Applied:
        """What a statement of a round tells."""
        return cls(needs_recount=row["needs_recount"] or [], covered=row["covered"] or [], passed=row["passed"] or [])

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            needs_recount=self.needs_recount + other.needs_recount,
            covered=self.covered + other.covered,
            passed=self.passed + other.passed,
            begun=self.begun + other.begun,
        )


class Delta(NamedTuple):
    """Bytes to add to a SIM's cycle (yyyymm).

    `first`, `last`: instants of the first and last report in epoch seconds; `round`: deltas of one round are applied by
    one statement, rounds one after the other; `ordinal`: the delta's number in its transaction.
    """

    round: int
    ordinal: int
    sim_id: int
    cycle: int
    bytes: int
    first: float
    last: float


def delta_row(delta: Delta) -> bytes:
    """A delta as a row of binary COPY."""
    r, ordinal, sim_id, cycle, amount, first, last = delta
    return _DELTA_ROW.pack(7, 4, r, 4, ordinal, 8, sim_id, 4, cycle, 8, amount, 8, first, 8, last)


async def stage_deltas(connection: Connection, deltas: Sequence[Delta]) -> int:
    """Stage the deltas of this transaction, sorted by SIM and cycle within each round; gives what rounds count from.

    In a temporary table they count from 0; beside the deltas of others from a number that nobody else has.
    """
    if Layout.distributed:
        base = _RANDOM.getrandbits(59) * ROUNDS
        await distributed.copy_deltas(connection, base, deltas, (COPY_HEAD, COPY_END))
        return base
    payload = b"".join((COPY_HEAD, *map(delta_row, deltas), COPY_END))
    await connection.copy_to_table("usage_deltas", source=whole_of(payload), format="binary")
    return 0


async def forget_deltas(connection: Connection, base: int) -> None:
    """What was staged from `base` on is applied; a temporary table empties itself."""
    if Layout.distributed:
        await distributed.forget_deltas(connection, base, ROUNDS)


async def apply_round(
    connection: Connection, deltas: Sequence[Delta], spare: int, *, base: int = 0, closed: bool = False
) -> Applied:
    """Add all deltas of a round, staged from `base` on, to the counters; `spare`: an unused round number above 0.

    Queues in `usage_checks` the SIMs that reached `next_check_bytes` and the pools; for closed cycles nothing, since
    these neither put holds on nor lift them (US-5).
    """
    statement, number = (_CLOSED_ROUND if closed else _RUNNING_ROUND).text, base + deltas[0].round
    row = await connection.fetchrow(statement, number)
    applied = Applied.of(row)
    found = set(row["ordinals"] or ())
    if len(found) < len(deltas):
        missing = [delta for delta in deltas if delta.ordinal not in found]
        stated, raced = await _begin(connection, missing, closed=closed)
        applied.begun += stated
        if raced:
            # another transaction has inserted these counters since: add to them under a round number of their own
            await connection.execute(_MOVE.text, base + spare, raced, number)
            applied += Applied.of(await connection.fetchrow(statement, base + spare))
    return applied


async def _begin(
    connection: Connection, deltas: Sequence[Delta], *, closed: bool
) -> tuple[list[shares.Stated], list[int]]:
    """Insert the counters of first reports; gives the shares of running ones, and the ordinals of what was there."""
    _, _, sims, cycles, amounts, _, last = zip(*deltas, strict=True)
    allowances = {} if closed else await shares.allowances(connection, sims)
    first = [first_step(one.bytes, allowances[one.sim_id]) if one.sim_id in allowances else None for one in deltas]
    marks = [None if step is None else step[1] for step in first]
    rows = await connection.fetch(_BEGIN_CYCLES, sims, cycles, amounts, last, closed, marks)
    begun = set(map(tuple, rows))
    stated = [
        shares.Stated(one.sim_id, one.cycle, allowances[one.sim_id], step[0])
        for one, step in zip(deltas, first, strict=True)
        if step is not None and (one.sim_id, one.cycle) in begun
    ]
    return stated, [one.ordinal for one in deltas if (one.sim_id, one.cycle) not in begun]
