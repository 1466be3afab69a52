"""Rows of a file as they are parsed: what many rows share is parsed once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from sys import intern
from typing import Any

from app.domain.errors import Malformed
from app.domain.identifiers import parse_msisdn
from app.domain.vocabulary import Carrier
from app.usecases.errors import Fault
from app.usecases.imports.formats import Row
from app.usecases.imports.rows import COLUMN_PARSERS, ParsedRow, parse_row

REMEMBERED = 50_000
"""Distinct rows, but for their own columns, that are remembered; then all are forgotten."""

LAYOUTS = 1_000
"""Distinct sets of columns that are remembered; a CSV file has one."""

Parser = Callable[[str], Any]

OWN_PARSERS: Mapping[str, Parser] = {
    **{name: COLUMN_PARSERS[name] for name in ("iccid", "imsi", "imei", "device_serial", "alias", "remark", "order")},
    "msisdn": parse_msisdn,
    "tags": lru_cache(maxsize=4096)(COLUMN_PARSERS["tags"]),
}
"""The columns that each row has of its own: none of them matters to a rule."""


@dataclass(slots=True)
class Shared:
    """What all rows have in common that differ in their own columns only."""

    values: dict[str, Any]
    number: int | None = None
    """Of their template; None: none has been made."""
    fault: Fault | None = None
    """Why none of them can be a new SIM, without its line."""
    judged: bool = False
    """Whether it is known that there is none."""
    doubts: tuple[Fault, ...] | None = None
    """What is doubtful in all of them, without their lines; None: not looked at yet."""


@dataclass(slots=True)
class ReadRow:
    """One row: its own values and what it shares, or its faults."""

    row: Row
    own: dict[str, Any]
    shared: Shared
    faults: Sequence[Fault] = ()

    @property
    def line(self) -> int:
        """Its line of the file."""
        return self.row.line

    def parsed(self) -> ParsedRow:
        """The row as the checks take it."""
        return ParsedRow(line=self.row.line, values=self.shared.values | self.own)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A set of columns. `own`: place and name of a row's own; `others`: gives the texts of the others."""

    own: tuple[tuple[int, str], ...]
    others: Callable[[Sequence[str]], Any]
    shared: dict[Any, Shared] = field(default_factory=dict)


class RowReader:
    """Parses the rows of one file."""

    def __init__(self) -> None:
        self._remembered = 0
        self._layouts: dict[tuple[str, ...], _Layout] = {}

    def read(self, row: Row) -> ReadRow:
        """One row, parsed."""
        if row.wrong:
            return _bad(row, Fault(code="ROW_UNREADABLE", detail=row.wrong, line=row.line))
        layout = self._layouts.get(row.names) or self._layout_of(row.names)
        key = layout.others(row.texts)
        shared = layout.shared.get(key)
        if shared is not None:
            try:
                own = _own_values(row.texts, layout.own, shared.values["carrier"])
            except Malformed:
                return self._read_whole(row, layout, key)
            if "iccid" in own:
                return ReadRow(row, own, shared)
        return self._read_whole(row, layout, key)

    def _layout_of(self, names: tuple[str, ...]) -> _Layout:
        if len(self._layouts) == LAYOUTS:
            self._layouts.clear()
            self._remembered = 0
        others = [place for place, name in enumerate(names) if name not in OWN_PARSERS]
        own = tuple((place, name) for place, name in enumerate(names) if name in OWN_PARSERS)
        layout = self._layouts[names] = _Layout(own, itemgetter(*others) if others else _nothing)
        return layout

    def _read_whole(self, row: Row, layout: _Layout, key: Any) -> ReadRow:
        """A row of which nothing is known, or one with a fault: every column is parsed, in the file's order."""
        parsed = parse_row(row.line, row.by_column())
        if parsed.faults:
            return _bad(row, *parsed.faults)
        if self._remembered >= REMEMBERED:
            self._layouts.clear()
            self._remembered = 0
        shared = layout.shared.get(key)
        if shared is None:
            shared = Shared({name: value for name, value in parsed.values.items() if name not in OWN_PARSERS})
            layout.shared[_interned(key)] = shared
            self._remembered += 1
        return ReadRow(row, {name: value for name, value in parsed.values.items() if name in OWN_PARSERS}, shared)


_NOTHING_SHARED = Shared({})


def _bad(row: Row, *faults: Fault) -> ReadRow:
    return ReadRow(row, {}, _NOTHING_SHARED, faults)


def _own_values(texts: Sequence[str], columns: Sequence[tuple[int, str]], carrier: Carrier) -> dict[str, Any]:
    """The parsed values of these columns; an empty cell counts as absent. Raises `Malformed`."""
    values: dict[str, Any] = {}
    for place, name in columns:
        if text := texts[place]:
            values[name] = parse_msisdn(text, carrier) if name == "msisdn" else OWN_PARSERS[name](text)
    return values


def _nothing(_texts: Sequence[str]) -> None:
    return None


def _interned(key: Any) -> Any:
    """The key with texts that are kept once in the process: a file repeats few of them."""
    return tuple(map(intern, key)) if isinstance(key, tuple) else key
