"""Uploaded files that select the SIMs of a bulk operation: only the ICCID column counts (AC-3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from uuid import UUID

from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid, parse_iccid
from app.usecases.context import Context
from app.usecases.csv_files import MAX_FAULTS, YIELD_EVERY, UnreadableFile, plain_cell, read_csv
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.ids import new_id

RETENTION = timedelta(days=30)
CHUNK = 2_000
COLUMN = "iccid"


async def store_file(ctx: Context, work: UnitOfWork, tenant: str, body: bytes) -> tuple[UUID, int]:
    """Store the ICCIDs of a CSV file; returns the file's id and its number of rows. One bad row rejects the file.

    Reading ends with the last fault that is listed. Raises `UnreadableFile`, `InvalidArgument`.
    """
    now = ctx.now()
    file_id = new_id(now)
    await work.bulk_items.add_file(file_id, tenant, now)
    rows: list[tuple[int, str, str | None]] = []
    faults: list[Fault] = []
    total = 0
    for number, (line, cell) in enumerate(_column(body)):
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if cell is None:
            continue
        try:
            iccid = parse_iccid(cell)
        except Malformed as wrong:
            faults.append(Fault(line=line, column=COLUMN, code=wrong.code, detail=wrong.detail))
            if len(faults) == MAX_FAULTS:
                break
            continue
        rows.append((line, iccid, alternate_iccid(iccid)))
        total += 1
        if len(rows) == CHUNK:
            await work.bulk_items.add_file_rows(file_id, rows)
            rows.clear()
    if faults:
        raise InvalidArgument(faults, "bad rows; the file was not stored")
    await work.bulk_items.add_file_rows(file_id, rows)
    return file_id, total


def _column(body: bytes) -> Iterator[tuple[int, str | None]]:
    """(line, cell) of the ICCID column, None in a blank line. Raises `UnreadableFile`."""
    header, records = read_csv(BytesIO(body))
    if header.count(COLUMN) != 1:
        raise UnreadableFile("the file needs a header with one column iccid")
    index = header.index(COLUMN)
    for record in records:
        if record.wrong or record.cells:
            yield record.line, plain_cell(record.cells[index]) if index < len(record.cells) else ""
        else:
            yield record.line, None
