"""asyncpg: the statements of usage ingest, by plain asyncpg: the gateway's one write path that has to be fast.

All of them run inside one transaction that the use-case opens (`app.usecases.usage.ingest.service`), in this order:
`lock_batch`, `cards`, `find_reports`, `copy_reports`, `stage_deltas`, `apply_round`. The order is also the lock order:
the shared lock that a departing card waits for, then the gateways' rows by id, then the counters by card and cycle. Two
transactions never hold reports of one gateway at once, so what `find_reports` finds is all there is (docs/adr).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import NamedTuple

import asyncpg

from app.db.connection import Connection

SIMS_LOCK = 7_446_291
"""Advisory lock: shared by ingest, exclusive for whoever takes a card away or moves it to another pool."""

UNMATCHED_LOCK = 7_446_292
"""Advisory lock: shared by ingest of unknown cards, exclusive for whoever counts the reports kept aside."""

PG_EPOCH_US = 946_684_800_000_000
_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_KNOWN_ROW = Struct(">hiqiqiqiii")
_NAMED_ROW = Struct(">hiiqiqiii")
_DELTA_ROW = Struct(">hiiiiiqiiiqidid")
_LENGTH = Struct(">i")

_LOCK_GATEWAYS = """
SELECT id, lowest, highest, (SELECT epoch FROM usage_epoch) AS epoch
  FROM usage_gateways WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE
"""
_MOVE_WATER_MARKS = """
UPDATE usage_gateways g SET lowest = k.lowest, highest = k.highest
  FROM unnest($1::int[], $2::text[], $3::text[]) k(id, lowest, highest) WHERE g.id = k.id
"""
_GATEWAY_IDS = """
WITH added AS (
    INSERT INTO usage_gateways (tenant, name) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING id, name)
SELECT id, name FROM added
UNION ALL SELECT id, name FROM usage_gateways WHERE tenant = $1 AND name = ANY($2::text[])
"""
_CARDS = "SELECT iccid, id, carrier, account FROM sims WHERE tenant = $1 AND iccid = ANY($2::text[])"
_SIMS_IN_BLOCKS = """
SELECT h.head, s.carrier, s.account, array_agg(s.id) AS ids,
       string_agg(substr(s.iccid, length(h.head) + 1), ' ') AS rests
  FROM unnest($2::text[]) h(head)
  JOIN sims s ON s.tenant = $1 AND s.iccid ~>=~ h.head AND s.iccid ~<~ (h.head || ':')
 GROUP BY h.head, s.carrier, s.account
"""
_FIND_REPORTS = """
SELECT k.place - 1 AS place, r.sim_id, r.at, r.bytes, r.iccid
  FROM unnest($1::int[], $2::text[]) WITH ORDINALITY k(gateway, report_id, place)
  JOIN usage_reports r ON r.gateway = k.gateway AND r.report_id = k.report_id
"""
_INSERT_UNMATCHED = """
INSERT INTO usage_unmatched (tenant, iccid, gateway, report_id, at, bytes, received_at)
SELECT k.*, $7 FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::bigint[]) k
"""
_OPEN = f"""
SELECT pg_advisory_xact_lock_shared({SIMS_LOCK});
CREATE TEMP TABLE IF NOT EXISTS usage_deltas (
    round int, place int, sim_id bigint, cycle int, bytes bigint,
    first float8, last float8) ON COMMIT DELETE ROWS;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
"""
_MOVED = """
WITH moved AS (
    UPDATE usage_cycles c
       SET padding = NULL, reported = c.reported + k.bytes,
           reported_at = greatest(c.reported_at, to_timestamp(k.last)),
           reported_since = CASE WHEN c.figures_to IS NULL OR to_timestamp(k.first) > c.figures_to
                                 THEN c.reported_since + k.bytes ELSE c.reported_since END
      FROM usage_deltas k
     WHERE k.round = $1 AND c.sim_id = k.sim_id AND c.cycle = k.cycle
 RETURNING k.place, c.sim_id, c.pool_ref, c.next_check_bytes, coalesce(c.figures, 0) + c.reported_since AS used,
           c.figures_to IS NOT NULL AND to_timestamp(k.first) <= c.figures_to
           AND (c.has_day_figures OR to_timestamp(k.last) > c.figures_to) AS needs_recount)"""
_PLACES = "SELECT array_agg(place) AS places, array_agg(place) FILTER (WHERE needs_recount) AS needs_recount FROM moved"
_ADD_CLOSED_ROUND = f"{_MOVED}\n{_PLACES}"
_ADD_ROUND = f"""{_MOVED},
pools AS (INSERT INTO usage_checks (pool_ref) SELECT DISTINCT pool_ref FROM moved WHERE pool_ref IS NOT NULL),
cards AS (INSERT INTO usage_checks (sim_id) SELECT sim_id FROM moved WHERE used >= next_check_bytes)
{_PLACES}
"""  # noqa: S608 - our own text
_MOVE_TO_ROUND = "UPDATE usage_deltas SET round = $1 WHERE place = ANY($2::int[])"
_BEGIN_CYCLES = """
WITH born AS (
    INSERT INTO usage_cycles (sim_id, cycle, pool_ref, next_check_bytes, reported, reported_since, reported_at)
    SELECT k.sim_id, k.cycle, p.ref, 0, k.bytes, k.bytes, to_timestamp(k.last)
      FROM usage_deltas k
      LEFT JOIN sims s ON s.id = k.sim_id
      LEFT JOIN pools p ON p.tenant = s.tenant AND p.id = s.pool AND k.cycle >= coalesce(p.open_cycle, 0)
     WHERE k.round = $1 ORDER BY 1, 2 ON CONFLICT DO NOTHING
    RETURNING sim_id, cycle, pool_ref),
pools AS (
    INSERT INTO usage_checks (pool_ref) SELECT DISTINCT pool_ref FROM born WHERE pool_ref IS NOT NULL AND NOT $2),
cards AS (INSERT INTO usage_checks (sim_id) SELECT sim_id FROM born WHERE NOT $2)
SELECT sim_id, cycle FROM born
"""
"""Begin counters with what their first reports bring; a next_check_bytes of 0 has the card looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterMarks:
    """The lowest and highest report id a gateway ever used, by length, then text; None: none yet."""

    lowest: str | None
    highest: str | None


async def gateway_ids(connection: Connection, tenant: str, names: Sequence[str]) -> dict[str, int]:
    """The row ids of a tenant's gateways, made where new; outside any batch, so that they are committed at once."""
    found: dict[str, int] = {}
    while missing := [name for name in names if name not in found]:
        rows = await connection.fetch(_GATEWAY_IDS, tenant, missing)
        found |= {row["name"]: row["id"] for row in rows}
    return found


async def cards(connection: Connection, tenant: str, iccids: Sequence[str]) -> list[asyncpg.Record]:
    """(iccid, id, carrier, account) of the tenant's cards with these ICCIDs."""
    found: list[asyncpg.Record] = await connection.fetch(_CARDS, tenant, iccids)
    return found


async def sims_in_blocks(connection: Connection, tenant: str, heads: Sequence[str]) -> list[asyncpg.Record]:
    """(head, carrier, account, ids, rests) of the tenant's cards whose ICCID goes on by a digit after one of the heads.

    `rests` are what follows the head in their names, in the order of `ids`, a blank between them.
    """
    found: list[asyncpg.Record] = await connection.fetch(_SIMS_IN_BLOCKS, tenant, heads)
    return found


async def lock_batch(connection: Connection, gateways: Sequence[int]) -> tuple[int, dict[int, WaterMarks]]:
    """Take the batch's locks; gives the epoch of the cards and each gateway's marks."""
    await lock_counting(connection)
    rows = await connection.fetch(_LOCK_GATEWAYS, gateways)
    marks = {row["id"]: WaterMarks(lowest=row["lowest"], highest=row["highest"]) for row in rows}
    return (rows[0]["epoch"] or 0 if rows else 0), marks


async def lock_counting(connection: Connection) -> None:
    """Keep cards from leaving until the commit, and make room for the deltas."""
    await connection.execute(_OPEN)


async def lock_unmatched_shared(connection: Connection) -> None:
    """Wait for whoever is counting reports kept aside; what arrives after sees the cards they came for."""
    await connection.execute(f"SELECT pg_advisory_xact_lock_shared({UNMATCHED_LOCK})")


async def move_water_marks(connection: Connection, marks: Iterable[tuple[int, str, str]]) -> None:
    """Move gateways' marks outwards: (id, lowest, highest)."""
    ids, lowest, highest = zip(*marks, strict=True)
    await connection.execute(_MOVE_WATER_MARKS, ids, lowest, highest)


async def find_reports(connection: Connection, identities: Sequence[tuple[int, str]]) -> list[asyncpg.Record]:
    """The reports already kept under these (gateway, id), each with the `place` of its identity among them."""
    gateways, report_ids = zip(*identities, strict=True)
    found: list[asyncpg.Record] = await connection.fetch(_FIND_REPORTS, gateways, report_ids)
    return found


def pack_report(sim_id: int, second: float, amount: int, gateway: int, report_id: str) -> bytes:
    """A report of a known card as a row of binary COPY; `second` is epoch seconds, exact to the microsecond."""
    name = report_id.encode()
    at = round(second * 1_000_000) - PG_EPOCH_US
    return _KNOWN_ROW.pack(6, 8, sim_id, 8, at, 8, amount, 4, gateway, len(name)) + name + _NULL


def pack_unmatched_report(iccid: str, second: float, amount: int, gateway: int, report_id: str) -> bytes:
    """A report of an unknown card as a row of binary COPY: no card, but the ICCID it came with."""
    name, card = report_id.encode(), iccid.encode()
    at = round(second * 1_000_000) - PG_EPOCH_US
    return b"".join(
        (
            _NAMED_ROW.pack(6, -1, 8, at, 8, amount, 4, gateway, len(name)),
            name,
            _LENGTH.pack(len(card)),
            card,
        )
    )


async def _whole(payload: bytes) -> AsyncIterator[bytes]:
    yield payload


async def copy_reports(connection: Connection, rows: Sequence[bytes]) -> None:
    """Add reports by binary COPY. Raises `CheckViolationError` where a leaf is missing (`app.db.usage.partitions`)."""
    payload = b"".join((_COPY_HEAD, *rows, _COPY_END))
    await connection.copy_to_table(
        "usage_reports",
        source=_whole(payload),
        format="binary",
        columns=("sim_id", "at", "bytes", "gateway", "report_id", "iccid"),
    )


async def insert_unmatched(
    connection: Connection,
    tenants: Sequence[str],
    iccids: Sequence[str],
    gateways: Sequence[int],
    report_ids: Sequence[str],
    instants: Sequence[datetime],
    amounts: Sequence[int],
    now: datetime,
) -> None:
    """Remember which reports wait for their card."""
    await connection.execute(_INSERT_UNMATCHED, tenants, iccids, gateways, report_ids, instants, amounts, now)


class Delta(NamedTuple):
    """Bytes to add to a card's cycle: `first` and `last` are the instants (epoch seconds) of its reports.

    Rounds are added one after the other.
    """

    round: int
    place: int
    sim_id: int
    cycle: int
    bytes: int
    first: float
    last: float


def delta_row(delta: Delta) -> bytes:
    """A delta as a row of binary COPY."""
    r, place, sim_id, cycle, amount, first, last = delta
    return _DELTA_ROW.pack(7, 4, r, 4, place, 8, sim_id, 4, cycle, 8, amount, 8, first, 8, last)


async def stage_deltas(connection: Connection, deltas: Sequence[Delta]) -> None:
    """Bring the deltas of this transaction, sorted by card and cycle within each round."""
    payload = b"".join((_COPY_HEAD, *map(delta_row, deltas), _COPY_END))
    await connection.copy_to_table("usage_deltas", source=_whole(payload), format="binary")


async def apply_round(
    connection: Connection, deltas: Sequence[Delta], spare: int, *, closed: bool = False
) -> list[int]:
    """Add a round's deltas, all of them and staged, to the counters; `spare`: a round number nobody has.

    Cards and pools that must be looked at are queued in `usage_checks`, by a round of closed cycles none: these neither
    set nor lift (US-5). Gives the places of deltas that a carrier's figures lie around or between: their cards' cycles
    are to be counted again (`app.db.usage.figures.recount`).
    """
    statement = _ADD_CLOSED_ROUND if closed else _ADD_ROUND
    row = await connection.fetchrow(statement, deltas[0].round)
    needs_recount: list[int] = row["needs_recount"] or []
    found = set(row["places"] or ())
    if len(found) < len(deltas):
        missing = {(delta.sim_id, delta.cycle): delta.place for delta in deltas if delta.place not in found}
        await connection.execute(_MOVE_TO_ROUND, spare, sorted(missing.values()))
        begun = set(map(tuple, await connection.fetch(_BEGIN_CYCLES, spare, closed)))
        if raced := sorted(place for key, place in missing.items() if key not in begun):
            # another transaction has begun these in between
            await connection.execute(_MOVE_TO_ROUND, -spare, raced)
            again = await connection.fetchrow(statement, -spare)
            needs_recount = needs_recount + (again["needs_recount"] or [])
    return needs_recount
