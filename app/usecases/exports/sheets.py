"""The file of an export as CSV or XLSX, written row by row in constant memory and handed out in parts (EX-2).

A spreadsheet rounds long numbers and runs what looks like a formula. So ICCIDs and other numbers that are names are
written as text, and a text that a spreadsheet would run is written with an apostrophe before it; an import takes both
off again (`app.usecases.csv_files.plain_cell`).
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from app.usecases.csv_files import inert

PART_BYTES = 1 << 20

Cell = str | int | None
NAMES = frozenset({"iccid", "msisdn", "imsi", "imei"})
"""Columns of digits that name something and count nothing."""


class Sheet(Protocol):
    """A file that is being written: rows are added, finished parts taken; `whole`: nothing more is added."""

    def add(self, rows: Iterable[Sequence[Cell]]) -> None: ...

    def take(self, *, whole: bool = False) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class CsvSheet:
    """UTF-8 with a byte order mark, without which spreadsheets take it for the machine's own encoding."""

    def __init__(self, header: Sequence[str]) -> None:
        self._names = [name in NAMES for name in header]
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        self._text.write("\ufeff")
        self._writer.writerow(header)

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        self._writer.writerows(map(self._written, rows))

    def _written(self, row: Sequence[Cell]) -> list[Cell]:
        return [
            f'="{cell}"' if named and cell else inert(cell) if isinstance(cell, str) else cell
            for named, cell in zip(self._names, row, strict=True)
        ]

    def take(self, *, whole: bool = False) -> Iterator[bytes]:
        """The parts that are full; at the end the rest."""
        if whole or self._text.tell() >= PART_BYTES:
            content = self._text.getvalue().encode()
            self._text.seek(0)
            self._text.truncate()
            for start in range(0, len(content), PART_BYTES):
                yield content[start : start + PART_BYTES]

    def close(self) -> None:
        """Nothing to clean up."""


class XlsxSheet:
    """A workbook with one sheet; texts are text cells, which nothing runs or rounds. Its file is on disk meanwhile."""

    def __init__(self, header: Sequence[str]) -> None:
        import xlsxwriter  # noqa: PLC0415 - 2 MB, where a workbook is asked for

        self._folder = tempfile.TemporaryDirectory(prefix="simgate-export-")
        self._path = Path(self._folder.name) / "export.xlsx"
        options = {"constant_memory": True, "tmpdir": self._folder.name}
        self._book = xlsxwriter.Workbook(str(self._path), options)
        self._sheet = self._book.add_worksheet("export")
        self._row = 0
        self.add([header])

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    self._sheet.write_string(self._row, column, cell)
                elif cell is not None:
                    self._sheet.write_number(self._row, column, cell)
            self._row += 1

    def take(self, *, whole: bool = False) -> Iterator[bytes]:
        """The whole file at the end; nothing before."""
        if whole:
            self._book.close()
            with self._path.open("rb") as file:
                while part := file.read(PART_BYTES):
                    yield part

    def close(self) -> None:
        """Remove the file on disk."""
        self._folder.cleanup()


def open_sheet(form: str, header: Sequence[str]) -> Sheet:
    """A file of a format (`csv`, `xlsx`) with its header."""
    return XlsxSheet(header) if form == "xlsx" else CsvSheet(header)
