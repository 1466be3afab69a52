"""asyncpg: what usage ingest does otherwise where the usage tables are distributed over Citus workers.

Two tables stand for `usage_reports` there: `usage_identities` by gateway, with every report's identity, and
`usage_reports` by SIM, with those of known SIMs. By SIM alone every look for an identity would ask every shard,
by gateway alone every recount would. Deltas are staged in `usage_staged`, by SIM as the counters: each shard then sees
its own alone, where a temporary table of the coordinator would be sent whole to each of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from struct import Struct

import asyncpg

from app.db.connection import Connection

GATEWAYS_LOCK = 7_446_293
"""Class of advisory locks, one a gateway: of two transactions that add its reports the second waits for the first."""

REPORT_COLUMNS = ("sim_id", "at", "bytes", "gateway", "report_id", "iccid", "received_at", "day_key")
NO_SIM = b"\xff\xff\xff\xff"
"""What follows the number of columns in the row of a report without a SIM: NULL, in the binary format of COPY."""

_DELTA_ROW = Struct(">hiqiiiqiiiqidid")
# A row's lock looks free as soon as the coordinator has committed, a moment before its workers have; this one does not.
_HOLD_GATEWAYS = f"""
SELECT pg_advisory_xact_lock({GATEWAYS_LOCK}, k.id) FROM (SELECT unnest($1::int[]) AS id ORDER BY 1) k
"""  # noqa: S608 - our own number
_FORGET_STAGED = "DELETE FROM usage_staged WHERE round BETWEEN $1 AND $2"
_ERRORS = {
    "no partition of relation": asyncpg.CheckViolationError,
    "duplicate key": asyncpg.UniqueViolationError,
}


async def hold_gateways(connection: Connection, gateways: Sequence[int]) -> None:
    """Take the gateways' locks, in the order of their ids, until the last worker has committed."""
    await connection.execute(_HOLD_GATEWAYS, gateways)


async def _whole(payload: bytes) -> AsyncIterator[bytes]:
    yield payload


async def copy_reports(connection: Connection, head: bytes, rows: Sequence[bytes], end: bytes) -> None:
    """Add identities, and the reports of known SIMs. Raises as `app.db.usage.ingest.copy_reports`."""
    known = [row for row in rows if row[2:6] != NO_SIM]
    for table, kept in (("usage_identities", rows), ("usage_reports", known)):
        if kept:
            payload = b"".join((head, *kept, end))
            await _copy(connection, table, payload)


async def _copy(connection: Connection, table: str, payload: bytes) -> None:
    try:
        await connection.copy_to_table(table, source=_whole(payload), format="binary", columns=REPORT_COLUMNS)
    except asyncpg.InternalServerError as error:  # a worker's error, which comes without its SQLSTATE
        for beginning, kind in _ERRORS.items():
            if beginning in str(error):
                raise kind(str(error)) from error
        raise


async def copy_deltas(
    connection: Connection,
    base: int,
    deltas: Sequence[tuple[int, int, int, int, int, float, float]],
    frame: tuple[bytes, bytes],
) -> None:
    """Stage deltas, their rounds counted from `base`; `frame`: head and end of a binary COPY."""
    rows = (
        _DELTA_ROW.pack(7, 8, base + r, 4, ordinal, 8, sim_id, 4, cycle, 8, amount, 8, first, 8, last)
        for r, ordinal, sim_id, cycle, amount, first, last in deltas
    )
    payload = b"".join((frame[0], *rows, frame[1]))
    columns = ("round", "ordinal", "sim_id", "cycle", "bytes", "first", "last")
    await connection.copy_to_table("usage_staged", source=_whole(payload), format="binary", columns=columns)


async def forget_deltas(connection: Connection, base: int, rounds: int) -> None:
    """Delete what was staged in these rounds from `base` on."""
    await connection.execute(_FORGET_STAGED, base, base + rounds - 1)
