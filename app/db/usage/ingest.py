"""asyncpg: the statements of usage ingest, a measured hot path (docs/performance.md).

They run in one transaction that the use-case opens (`app.usecases.usage.ingest.batch`), in this order, which is also
the order of locks:

1. `lock_batch`: the advisory lock `SIMS_LOCK`, shared, then the rows of the gateways by id;
2. `lock_unmatched_shared`, where a SIM is unknown: the advisory lock `UNMATCHED_LOCK`, shared;
3. `find_reports`, `copy_reports`, `move_water_marks`, `insert_unmatched`;
4. `app.db.usage.deltas`: the counters, those of closed cycles first, each round by SIM and cycle;
5. `app.db.usage.shares`: the shares of those at another step, and of new counters, by SIM.

Two transactions never add reports of one gateway at once, so `find_reports` sees every report stored under an identity
(docs/adr/0011-usage-ingest.md, "Exact de-duplication across partitions").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct

import asyncpg

from app.db.connection import Connection
from app.db.report_days import DAY_S, DAYS
from app.db.twin import Layout, Twin
from app.db.usage.distributed import ingest as distributed

SIMS_LOCK = 7_446_291
"""Advisory lock: shared by ingest, exclusive for a transaction that removes a SIM."""

UNMATCHED_LOCK = 7_446_292
"""Advisory lock: shared by ingest of unknown ICCIDs, exclusive for whoever counts or deletes unmatched reports."""

PG_EPOCH_US = 946_684_800_000_000
"""2000-01-01 00:00 UTC in microseconds since the Unix epoch: binary COPY counts instants from it."""

COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END = b"\xff\xff"
"""What binary COPY begins and ends with; between them are rows."""

_NULL = b"\xff\xff\xff\xff"
# A row of binary COPY: the number of columns, then of each column its length in bytes (-1: NULL) and its value.
_REPORT_ROW = Struct(">hiqiqiqiii")
_UNMATCHED_ROW = Struct(">hiiqiqiii")
_LENGTH = Struct(">i")
_INSTANT = Struct(">iq")
_DAY_KEYS = tuple(Struct(">ih").pack(2, key) for key in range(1, DAYS + 1))
"""The last column of a report by its day, modulo `DAYS`."""
_EPOCH = datetime.fromtimestamp(0, UTC)
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


async def whole_of(payload: bytes) -> AsyncIterator[bytes]:
    """A payload as asyncpg takes what it copies."""
    yield payload


async def copy_reports(connection: Connection, rows: Sequence[bytes]) -> None:
    """Add reports by binary COPY. Raises `asyncpg.CheckViolationError` where a partition is missing."""
    if Layout.distributed:
        await distributed.copy_reports(connection, COPY_HEAD, rows, COPY_END)
        return
    payload = b"".join((COPY_HEAD, *rows, COPY_END))
    await connection.copy_to_table(
        "usage_reports",
        source=whole_of(payload),
        format="binary",
        columns=("sim_id", "at", "bytes", "gateway", "report_id", "iccid", "received_at", "day_key"),
    )


async def insert_unmatched(
    connection: Connection, reports: Sequence[tuple[str, str, int, str, datetime, int]], now: datetime
) -> None:
    """Queue reports to be counted once their SIM is added: (tenant, iccid, gateway, report id, at, bytes)."""
    await connection.execute(_INSERT_UNMATCHED, *zip(*reports, strict=True), now)
