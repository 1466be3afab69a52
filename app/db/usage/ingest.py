"""asyncpg: the statements of usage ingest, a measured hot path (docs/performance.md).

They run in one transaction that the use-case opens (`app.usecases.usage.ingest.batch`), in this order, which is also
the order of locks:

1. `lock_batch`: the advisory lock `SIMS_LOCK`, shared, then the rows of the gateways by id;
2. `lock_unmatched_shared`, where a SIM is unknown: the advisory lock `UNMATCHED_LOCK`, shared;
3. `find_reports`, `copy_reports`, `move_water_marks`, `insert_unmatched`;
4. `stage_deltas`, `apply_round`: the counters, those of closed cycles first, each round by SIM and cycle;
5. `app.db.usage.shares.restate`: the shares of those at another step, by SIM.

Two transactions never add reports of one gateway at once, so `find_reports` sees every report stored under an identity
(docs/adr/0011-usage-ingest.md, "Exact de-duplication across partitions").
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple

import asyncpg

from app.db.connection import Connection
from app.db.report_days import DAY_S, DAYS
from app.db.twin import Layout, Twin
from app.db.usage.distributed import ingest as distributed
from app.db.used import USED

SIMS_LOCK = 7_446_291
"""Advisory lock: shared by ingest, exclusive for a transaction that removes a SIM."""

UNMATCHED_LOCK = 7_446_292
"""Advisory lock: shared by ingest of unknown ICCIDs, exclusive for whoever counts or deletes unmatched reports."""

PG_EPOCH_US = 946_684_800_000_000
"""2000-01-01 00:00 UTC in microseconds since the Unix epoch: binary COPY counts instants from it."""

_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
# A row of binary COPY: the number of columns, then of each column its length in bytes (-1: NULL) and its value.
_REPORT_ROW = Struct(">hiqiqiqiii")
_UNMATCHED_ROW = Struct(">hiiqiqiii")
_DELTA_ROW = Struct(">hiiiiiqiiiqidid")
_LENGTH = Struct(">i")
_INSTANT = Struct(">iq")
_DAY_KEYS = tuple(Struct(">ih").pack(2, key) for key in range(1, DAYS + 1))
"""The last column of a report by its day, modulo `DAYS`."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_RANDOM = random.SystemRandom()
_MICROSECOND = timedelta(microseconds=1)

# Two batches of one gateway: the second waits, by id, and then sees every report of the first. The epoch cannot be
# raised meanwhile: SIMS_LOCK was taken by a statement before this one (`_OPEN`), whose wait this snapshot comes after.
_LOCK_GATEWAYS = """
SELECT id, lowest, highest, (SELECT epoch FROM usage_epoch) AS epoch
  FROM usage_gateways WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE
"""
_MOVE_WATER_MARKS = """
UPDATE usage_gateways g SET lowest = k.lowest, highest = k.highest
  FROM unnest($1::int[], $2::text[], $3::text[]) k(id, lowest, highest) WHERE g.id = k.id
"""
# Two batches that bring one new gateway: the second waits for the first's row, but its snapshot does not show it: it
# gets no id and asks again. In autocommit, else it would wait for the whole of the other's batch.
_GATEWAY_IDS = """
WITH added AS (
    INSERT INTO usage_gateways (tenant, name) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING id, name)
SELECT id, name FROM added
UNION ALL SELECT id, name FROM usage_gateways WHERE tenant = $1 AND name = ANY($2::text[])
"""
_FIND_SIMS = "SELECT iccid, id, carrier, account FROM sims WHERE tenant = $1 AND iccid = ANY($2::text[])"
_SIMS_IN_BLOCKS = """
SELECT b.prefix, s.carrier, s.account, array_agg(s.id) AS ids,
       string_agg(substr(s.iccid, length(b.prefix) + 1), ' ') AS suffixes
  FROM unnest($2::text[]) b(prefix)
  JOIN sims s ON s.tenant = $1 AND s.iccid ~>=~ b.prefix AND s.iccid ~<~ (b.prefix || ':')
 GROUP BY b.prefix, s.carrier, s.account
"""
_FIND_REPORTS = """
SELECT k.ordinal - 1 AS ordinal, r.sim_id, r.at, r.bytes, r.iccid
  FROM unnest($1::int[], $2::text[]) WITH ORDINALITY k(gateway, report_id, ordinal)
  JOIN usage_reports r ON r.gateway = k.gateway AND r.report_id = k.report_id
"""
_STORED = Twin(
    plain=_FIND_REPORTS,
    distributed=f"{_FIND_REPORTS.replace('usage_reports', 'usage_identities')} WHERE r.gateway = ANY($1::int[])",
    why="identities lie by gateway: only the shards of these are asked",
)
_INSERT_UNMATCHED = """
INSERT INTO usage_unmatched (tenant, iccid, gateway, report_id, at, bytes, received_at)
SELECT k.*, $7 FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::bigint[]) k
"""
# Nested loops only: counters are looked up delta by delta, so that they are locked as staged, by SIM and cycle. A hash
# join would read the whole table, and lock in its order.
_OPEN = f"""
SELECT pg_advisory_xact_lock_shared({SIMS_LOCK});
CREATE TEMP TABLE IF NOT EXISTS usage_deltas (
    round int, ordinal int, sim_id bigint, cycle int, bytes bigint,
    first float8, last float8) ON COMMIT DELETE ROWS;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
"""
# One connection a worker for the batch: more would each take a part of the two-phase commit, and win nothing.
_OPENED = Twin(
    plain=_OPEN,
    distributed=f"""
SELECT pg_advisory_xact_lock_shared({SIMS_LOCK});
SET LOCAL citus.max_adaptive_executor_pool_size = 1;
""",
    why="deltas are staged beside the counters",
)
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
    INSERT INTO usage_cycles (sim_id, cycle, pool_ref, next_check_bytes, reported, reported_since, reported_at)
    SELECT k.sim_id, k.cycle, p.ref, 0, k.bytes, k.bytes, to_timestamp(k.last)
      FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::float8[]) k(sim_id, cycle, bytes, last)
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
    `passed`: those of counters that are at another step of their allowance (`app.db.usage.shares.restate`).
    """

    needs_recount: list[int] = field(default_factory=list)
    covered: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, row: asyncpg.Record) -> Applied:
        """What a statement of a round tells."""
        return cls(needs_recount=row["needs_recount"] or [], covered=row["covered"] or [], passed=row["passed"] or [])

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            needs_recount=self.needs_recount + other.needs_recount,
            covered=self.covered + other.covered,
            passed=self.passed + other.passed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterMarks:
    """The lowest and highest report id a gateway has used, ordered by length, then text; None: none yet."""

    lowest: str | None
    highest: str | None


async def gateway_ids(connection: Connection, tenant: str, names: Sequence[str]) -> dict[str, int]:
    """The row ids of a tenant's gateways by name; new ones are created. To be called outside any transaction."""
    found: dict[str, int] = {}
    while missing := [name for name in names if name not in found]:
        rows = await connection.fetch(_GATEWAY_IDS, tenant, missing)
        found |= {row["name"]: row["id"] for row in rows}
    return found


async def find_sims(connection: Connection, tenant: str, iccids: Sequence[str]) -> list[asyncpg.Record]:
    """(iccid, id, carrier, account) of the tenant's SIMs with these ICCIDs."""
    found: list[asyncpg.Record] = await connection.fetch(_FIND_SIMS, tenant, iccids)
    return found


async def sims_in_blocks(connection: Connection, tenant: str, prefixes: Sequence[str]) -> list[asyncpg.Record]:
    """(prefix, carrier, account, ids, suffixes) of the tenant's SIMs whose ICCID has one of the prefixes and a digit.

    `suffixes`: what follows the prefix in their ICCIDs, in the order of `ids`, separated by blanks.
    """
    found: list[asyncpg.Record] = await connection.fetch(_SIMS_IN_BLOCKS, tenant, prefixes)
    return found


async def lock_batch(connection: Connection, gateways: Sequence[int]) -> tuple[int, dict[int, WaterMarks]]:
    """Take the batch's locks; gives the epoch of the SIMs and the water marks by gateway."""
    await lock_counting(connection)
    if Layout.distributed:
        await distributed.hold_gateways(connection, gateways)
    rows = await connection.fetch(_LOCK_GATEWAYS, gateways)
    marks = {row["id"]: WaterMarks(lowest=row["lowest"], highest=row["highest"]) for row in rows}
    return (rows[0]["epoch"] or 0 if rows else 0), marks


async def lock_counting(connection: Connection) -> None:
    """Keep SIMs from being removed until the commit, and create the temporary table of the deltas."""
    await connection.execute(_OPENED.text)


async def lock_unmatched_shared(connection: Connection) -> None:
    """Wait for whoever counts unmatched reports; afterwards the SIMs they were counted for are visible."""
    await connection.execute(f"SELECT pg_advisory_xact_lock_shared({UNMATCHED_LOCK})")


async def move_water_marks(connection: Connection, marks: Iterable[tuple[int, str, str]]) -> None:
    """Set the water marks of gateways: (row id, lowest, highest)."""
    ids, lowest, highest = zip(*marks, strict=True)
    await connection.execute(_MOVE_WATER_MARKS, ids, lowest, highest)


async def find_reports(connection: Connection, identities: Sequence[tuple[int, str]]) -> list[asyncpg.Record]:
    """(ordinal, sim_id, at, bytes, iccid) of the reports stored under these (gateway, id); `ordinal` counts these."""
    gateways, report_ids = zip(*identities, strict=True)
    found: list[asyncpg.Record] = await connection.fetch(_STORED.text, gateways, report_ids)
    return found


def packed_instant(at: datetime) -> bytes:
    """An instant as a field of binary COPY."""
    return _INSTANT.pack(8, (at - _EPOCH) // _MICROSECOND - PG_EPOCH_US)


def _packed_day(second: float) -> bytes:
    return _DAY_KEYS[int(second // DAY_S) % DAYS]


def pack_report(sim_id: int, second: float, amount: int, gateway: int, report_id: str, received: bytes) -> bytes:
    """A report of a known SIM as a row of binary COPY; `second` is epoch seconds, exact to the microsecond.

    `received`: the `packed_instant` of its receipt.
    """
    name = report_id.encode()
    at = round(second * 1_000_000) - PG_EPOCH_US
    row = _REPORT_ROW.pack(8, 8, sim_id, 8, at, 8, amount, 4, gateway, len(name))
    return row + name + _NULL + received + _packed_day(second)


def pack_unmatched_report(
    iccid: str, second: float, amount: int, gateway: int, report_id: str, received: bytes
) -> bytes:
    """An unmatched report as a row of binary COPY: without a SIM, with its ICCID."""
    name, card = report_id.encode(), iccid.encode()
    at = round(second * 1_000_000) - PG_EPOCH_US
    return b"".join(
        (
            _UNMATCHED_ROW.pack(8, -1, 8, at, 8, amount, 4, gateway, len(name)),
            name,
            _LENGTH.pack(len(card)),
            card,
            received,
            _packed_day(second),
        )
    )


async def _whole(payload: bytes) -> AsyncIterator[bytes]:
    yield payload


async def copy_reports(connection: Connection, rows: Sequence[bytes]) -> None:
    """Add reports by binary COPY. Raises `asyncpg.CheckViolationError` where a partition is missing."""
    if Layout.distributed:
        await distributed.copy_reports(connection, _COPY_HEAD, rows, _COPY_END)
        return
    payload = b"".join((_COPY_HEAD, *rows, _COPY_END))
    await connection.copy_to_table(
        "usage_reports",
        source=_whole(payload),
        format="binary",
        columns=("sim_id", "at", "bytes", "gateway", "report_id", "iccid", "received_at", "day_key"),
    )


async def insert_unmatched(
    connection: Connection, reports: Sequence[tuple[str, str, int, str, datetime, int]], now: datetime
) -> None:
    """Queue reports to be counted once their SIM is added: (tenant, iccid, gateway, report id, at, bytes)."""
    await connection.execute(_INSERT_UNMATCHED, *zip(*reports, strict=True), now)


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
        await distributed.copy_deltas(connection, base, deltas, (_COPY_HEAD, _COPY_END))
        return base
    payload = b"".join((_COPY_HEAD, *map(delta_row, deltas), _COPY_END))
    await connection.copy_to_table("usage_deltas", source=_whole(payload), format="binary")
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
        _, _, sims, cycles, amounts, _, last = zip(*missing, strict=True)
        started = set(map(tuple, await connection.fetch(_BEGIN_CYCLES, sims, cycles, amounts, last, closed)))
        applied.passed += [delta.ordinal for delta in missing if (delta.sim_id, delta.cycle) in started]
        if raced := [delta.ordinal for delta in missing if (delta.sim_id, delta.cycle) not in started]:
            # another transaction has inserted these counters since: add to them under a round number of their own
            await connection.execute(_MOVE.text, base + spare, raced, number)
            applied += Applied.of(await connection.fetchrow(statement, base + spare))
    return applied
