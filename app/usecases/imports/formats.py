"""The rows of an import's file, as texts by column: CSV as spreadsheets write it, or one JSON object a line."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from app.usecases.csv_files import (
    LONGEST_LINE,
    MAX_FAULTS,
    Record,
    UnreadableFile,
    bounded_lines,
    plain_cell,
    read_csv,
)
from app.usecases.errors import Fault
from app.usecases.imports.rows import COLUMN_PARSERS, REQUIRED

TOTALS = frozenset({"合计", "总计", "小计", "total", "sum"})
"""First cells of a line of sums, which is no card."""

Row = tuple[int, dict[str, str]]
"""Line and columns; of a line that cannot be read, `""` and why; of a blank one, nothing."""


def csv_rows(body: bytes) -> Iterator[Row]:
    """The rows of a CSV file with a header. Raises `UnreadableFile`, also for unknown columns."""
    header, records = read_csv(body)
    check_header(header, COLUMN_PARSERS, REQUIRED)
    for record in records:
        yield record.line, cells_by_name(header, record)


def cells_by_name(header: Sequence[str], record: Record) -> dict[str, str]:
    """The cells of a record by column, `""` and why where it cannot be read."""
    if record.wrong:
        return {"": record.wrong}
    cells = record.cells
    if cells and cells[0].strip().rstrip(":：").lower() in TOTALS:
        return {"": "a line of totals"}
    if any(cell.strip() for cell in cells[len(header) :]):
        return {"": "more cells than columns"}
    return {name: plain_cell(cell) for name, cell in zip(header, cells, strict=False)}


def check_header(header: Sequence[str], known: Collection[str], required: Sequence[str]) -> None:
    """Raises `UnreadableFile` for a column that is not known or there twice, and for a required one that is missing."""
    unknown = [index + 1 for index, name in enumerate(header) if name not in known][:MAX_FAULTS]
    if unknown:
        faults = [
            Fault(code="UNKNOWN_COLUMN", detail=f"column {position} is not known", line=1) for position in unknown
        ]
        positions = ", ".join(map(str, unknown[:20]))
        raise UnreadableFile(f"unknown column at position {positions}", errors=[fault.as_json() for fault in faults])
    if len(set(header)) != len(header):
        raise UnreadableFile("a column appears twice")
    missing = [name for name in required if name not in header]
    if missing:
        raise UnreadableFile(f"missing columns: {', '.join(missing)}")


def ndjson_rows(body: bytes) -> Iterator[Row]:
    """The rows of a file with one JSON object a line; a line that is no UTF-8 is a bad row."""
    for number, line in enumerate(bounded_lines(io.BytesIO(body).readline, b"\n"), 1):
        yield number, _row(line) if line.strip() else {}


def _row(line: bytes) -> dict[str, str]:
    if len(line) > LONGEST_LINE:
        return {"": f"a line of more than {LONGEST_LINE} bytes"}
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return {"": "not UTF-8"}
    except (ValueError, RecursionError):
        return {"": "not JSON"}
    if not isinstance(value, dict):
        return {"": "not an object"}
    if unknown := [name for name in value if name not in COLUMN_PARSERS]:
        return {"": f"{len(unknown)} unknown columns"}
    return {name: _cell(cell) for name, cell in value.items()} or {"": "no columns"}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(str, value))
    if isinstance(value, dict):
        return ";".join(f"{key}={tag}" for key, tag in value.items())
    return str(value)
