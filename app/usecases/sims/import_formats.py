"""The rows of an import's file: CSV or NDJSON as spreadsheets and programs write them, as texts by column."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from app.usecases.errors import Fault, UseCaseError
from app.usecases.sims.import_rows import COLUMN_PARSERS, REQUIRED

DELIMITERS = ",;\t"
TOTALS = frozenset({"合计", "总计", "小计", "total", "sum"})
"""First cells of a line of sums, which is no card."""


class UnreadableFile(UseCaseError):
    """The file as a whole cannot be read."""

    code = "UNREADABLE"


def decode_text(body: bytes) -> str:
    """The file's text: UTF-8 (a BOM allowed), UTF-16 with a BOM, or GB18030. Raises `UnreadableFile`."""
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "gb18030"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise UnreadableFile("the file is neither UTF-8, UTF-16 nor GB18030 text")


def csv_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, columns) of a CSV file with a header, separated by comma, semicolon or tab.

    Raises `UnreadableFile`, also for unknown columns.
    """
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header)
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) > len(header):
                yield reader.line_num, {"": "more cells than columns"}
                continue
            if cells[0].strip().lower() in TOTALS:
                yield reader.line_num, {"": "a line of totals"}
                continue
            yield reader.line_num, {name: _plain(cell) for name, cell in zip(header, cells, strict=False)}
    except csv.Error as wrong:
        raise UnreadableFile(f"the file is not CSV: {wrong} in line {reader.line_num}") from None


def _plain(cell: str) -> str:
    """A cell without what marks it as text in a spreadsheet: `="…"`, or an apostrophe before a number."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1].strip()
    return text[1:] if text[:1] == "'" and text[1:2].isdecimal() else text


def _check_header(header: Sequence[str]) -> None:
    unknown = [index + 1 for index, name in enumerate(header) if name not in COLUMN_PARSERS]
    if unknown:
        faults = [Fault(code="UNKNOWN_COLUMN", detail=f"column {place} is not known", line=1) for place in unknown]
        places = ", ".join(map(str, unknown))
        raise UnreadableFile(f"unknown column at position {places}", errors=[fault.as_json() for fault in faults])
    if len(set(header)) != len(header):
        raise UnreadableFile("a column appears twice")
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise UnreadableFile(f"missing columns: {', '.join(missing)}")


def ndjson_rows(body: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, columns) of a file with one JSON object a line; a line that is no UTF-8 is a bad row."""
    for number, line in enumerate(io.BytesIO(body.removeprefix(codecs.BOM_UTF8)), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            yield number, {"": "not UTF-8"}
        except (ValueError, RecursionError):
            yield number, {"": "not JSON"}
        else:
            yield number, _columns(value)


def _columns(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {"": "not an object"}
    if unknown := [name for name in value if name not in COLUMN_PARSERS]:
        return {"": f"{len(unknown)} unknown columns"}
    return {name: _cell(cell) for name, cell in value.items()}


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
