"""Entries of a catalogue (plans, add-on packs) from JSON or from a CSV file with one column a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from typing import Any, TypeVar

from app.usecases.csv_files import MAX_FAULTS, Record, is_printable, read_csv, whole_cell
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.imports.formats import cells_by_name, check_header

Entry = TypeVar("Entry")

MAX_ENTRIES = 5_000
"""Entries of one file, which are stored at once."""

LARGEST = 1 << 50
LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The fields of an entry: what they take. `noun`: what an entry is, for faults; a field not named is a text.

    `whole`: least and greatest number; `lists`: the same of each number of a list, `12;24` in a cell.
    """

    noun: str
    columns: tuple[str, ...]
    required: tuple[str, ...]
    whole: Mapping[str, tuple[int, int]]
    words: Mapping[str, type[StrEnum]]
    flags: frozenset[str] = frozenset()
    lists: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def read_fields(table: Table, given: Mapping[str, Any], line: int | None = None) -> dict[str, Any]:
    """The fields that have a value, words as members of their enumeration.

    Raises `InvalidArgument` with a fault per bad field.
    """
    faults: list[Fault] = []

    def wrong(name: str, code: str, detail: str) -> None:
        location: dict[str, Any] = {"pointer": f"/{name}"} if line is None else {"line": line, "column": name}
        faults.append(Fault(code=code, detail=detail, **location))

    for name in given:
        if name not in table.columns:
            wrong(name, "UNKNOWN_FIELD", f"not a field of a {table.noun}")
    for name in table.required:
        if given.get(name) in (None, ""):
            wrong(name, "REQUIRED", "required")
    for name, value in given.items():
        if name in table.columns and value is not None and (problem := _wrong(table, name, value)):
            wrong(name, "NOT_ACCEPTABLE", problem)
    if faults:
        raise InvalidArgument(faults)
    return {name: _value(table, name, value) for name, value in given.items() if value is not None}


def _value(table: Table, name: str, value: Any) -> Any:
    if name in table.words:
        return table.words[name](value)
    return tuple(sorted(set(value))) if name in table.lists else value


def _wrong(table: Table, name: str, value: Any) -> str | None:
    """Why a field does not take a value; None: it does."""
    if name in table.whole:
        least, most = table.whole[name]
        return None if _whole(value, least, most) else f"a whole number from {least} to {most}"
    if name in table.lists:
        least, most = table.lists[name]
        fits = isinstance(value, list | tuple) and value and all(_whole(each, least, most) for each in value)
        return None if fits else f"whole numbers from {least} to {most}"
    if name in table.flags:
        return None if isinstance(value, bool) else "true or false"
    if name in table.words:
        known = table.words[name]
        return None if value in tuple(known) else f"one of {', '.join(known)}"
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST
    return None if fits else f"a text of at most {LONGEST} characters"


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def entries_from_csv(table: Table, body: bytes, read: Callable[[Mapping[str, Any], int], Entry]) -> list[Entry]:
    """The entries of a CSV file in order; reading ends with the last fault that is listed.

    Raises: `UnreadableFile`, and `InvalidArgument` with line and column.
    """
    header, records = read_csv(BytesIO(body))
    check_header(header, table.columns, table.required)
    entries: list[Entry] = []
    faults: list[Fault] = []
    for record in records:
        try:
            if cells := cells_by_name(header, record):
                entries.append(read(_given(table, record, cells), record.line))
        except InvalidArgument as wrong:
            faults.extend(wrong.faults[: MAX_FAULTS - len(faults)])
        if len(entries) > MAX_ENTRIES:
            detail = f"at most {MAX_ENTRIES} {table.noun}s in a file"
            raise InvalidArgument([Fault(code="TOO_MANY", detail=detail, line=record.line)])
        if len(faults) == MAX_FAULTS:
            break
    if faults or not entries:
        raise InvalidArgument(faults or [Fault(code="REQUIRED", detail=f"no {table.noun} in the file", line=1)])
    return entries


def _given(table: Table, record: Record, cells: Mapping[str, str]) -> dict[str, Any]:
    """The cells of a row that are not empty, typed. Raises `InvalidArgument`."""
    if "" in cells:
        raise InvalidArgument([Fault(code="ROW_UNREADABLE", detail=cells[""], line=record.line)])
    faults = [
        Fault(code="TEXT_UNUSABLE", detail="not printable text in the file's encoding", line=record.line, column=name)
        for name, cell in cells.items()
        if not is_printable(cell)
    ]
    if faults:
        raise InvalidArgument(faults)
    return {name: _typed(table, name, cell) for name, cell in cells.items() if cell}


def _typed(table: Table, name: str, cell: str) -> Any:
    """A cell as its field's type; as it stands where it is none, which `read_fields` then refuses."""
    if name in table.whole and (number := whole_cell(cell)) is not None:
        return number
    if name in table.lists:
        numbers = [whole_cell(part.strip()) for part in cell.split(";")]
        return cell if None in numbers else numbers
    if name in table.flags and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    return cell
