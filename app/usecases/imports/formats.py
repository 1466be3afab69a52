"""The rows of an import's file, as texts by column: CSV as spreadsheets write it, or one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

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


class Row(NamedTuple):
    """One row: its line and its texts by column; or why it cannot be read. A blank one has neither."""

    line: int
    names: tuple[str, ...] = ()
    texts: Sequence[str] = ()
    wrong: str = ""

    def by_column(self) -> dict[str, str]:
        """Its texts by column."""
        return dict(zip(self.names, self.texts, strict=False))


def row_of(line: int, columns: Mapping[str, str]) -> Row:
    """A row from its texts by column."""
    return Row(line, tuple(columns), tuple(columns.values()))


def csv_rows(source: BinaryIO) -> Iterator[Row]:
    """The rows of a CSV file with a header. Raises `UnreadableFile`, also for unknown columns."""
    header, records = read_csv(source)
    check_header(header, COLUMN_PARSERS, REQUIRED)
    names = tuple(header)
    for line, cells, unreadable, plain in records:
        wrong = unreadable or _wrong(names, cells)
        if wrong or not cells:
            yield Row(line, wrong=wrong)
        else:
            yield Row(line, names[: len(cells)], cells if plain else list(map(plain_cell, cells)))


def _wrong(header: Sequence[str], cells: Sequence[str]) -> str:
    if cells and cells[0].strip().rstrip(":：").lower() in TOTALS:
        return "a line of totals"
    if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
        return "more cells than columns"
    return ""


def cells_by_name(header: Sequence[str], record: Record) -> dict[str, str]:
    """The cells of a record by column, `""` and why where it cannot be read."""
    wrong = record.wrong or _wrong(header, record.cells)
    return {"": wrong} if wrong else dict(zip(header, map(plain_cell, record.cells), strict=False))


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


def ndjson_rows(source: BinaryIO) -> Iterator[Row]:
    """The rows of a file with one JSON object a line; a line that is no UTF-8 is a bad row."""
    source.seek(0)
    for number, line in enumerate(bounded_lines(source.readline, b"\n"), 1):
        yield _row(number, line) if line.strip() else Row(number)


def _row(number: int, line: bytes) -> Row:
    if len(line) > LONGEST_LINE:
        return Row(number, wrong=f"a line of more than {LONGEST_LINE} bytes")
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return Row(number, wrong="not UTF-8")
    except (ValueError, RecursionError):
        return Row(number, wrong="not JSON")
    if not isinstance(value, dict):
        return Row(number, wrong="not an object")
    if not value.keys() <= COLUMN_PARSERS.keys():
        return Row(number, wrong=f"{len(value.keys() - COLUMN_PARSERS.keys())} unknown columns")
    if not value:
        return Row(number, wrong="no columns")
    return Row(number, tuple(value), [cell if isinstance(cell, str) else _cell(cell) for cell in value.values()])


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
