"""Uploaded files that select the SIMs of a bulk operation: only the ICCID column counts (AC-3)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid, parse_iccid
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.ids import new_id
from app.usecases.sims.import_formats import UnreadableFile

RETENTION = timedelta(days=30)
CHUNK = 2_000
MAX_FAULTS = 1_000
COLUMN = "iccid"


async def store_file(ctx: Context, work: UnitOfWork, tenant: str, text: str) -> tuple[UUID, int]:
    """Store the ICCIDs of a CSV file; returns the file's id and its number of rows. One bad row rejects the file.

    Raises `UnreadableFile`, `InvalidArgument`.
    """
    now = ctx.now()
    file_id = new_id(now)
    await work.bulk_items.add_file(file_id, tenant, now)
    rows: list[tuple[int, str, str | None]] = []
    faults: list[Fault] = []
    total = 0
    for line, cell in _column(text):
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


def _column(text: str) -> Iterator[tuple[int, str]]:
    """(line, cell) of the ICCID column. Raises `UnreadableFile`."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if header.count(COLUMN) != 1:
            raise UnreadableFile("the file needs a header with one column iccid")
        place = header.index(COLUMN)
        for cells in reader:
            if any(cells):
                yield reader.line_num, cells[place] if place < len(cells) else ""
    except csv.Error as wrong:
        raise UnreadableFile(f"the file is not CSV: {wrong} in line {reader.line_num}") from None
