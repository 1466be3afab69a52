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


@dataclass(slots=True)
class ReadRow:
    """One row: its own values and what it shares, or its faults."""

    line: int
    given: Mapping[str, str]
    own: dict[str, Any] = field(default_factory=dict)
    shared: Shared | None = None
    faults: Sequence[Fault] = ()

    @property
    def values(self) -> dict[str, Any]:
        """Every value by column."""
        return self.own if self.shared is None else self.shared.values | self.own

    def parsed(self) -> ParsedRow:
        """The row as the checks take it."""
        return ParsedRow(line=self.line, values=self.values)


_Layout = tuple[tuple[str, ...], Callable[[Mapping[str, str]], Any]]
"""The own columns of a row, and what gives the texts of the others."""


class RowReader:
    """Parses the rows of one file."""

    def __init__(self) -> None:
        self._shared: dict[Any, Shared] = {}
        self._layouts: dict[tuple[str, ...], _Layout] = {}

    def read(self, line: int, given: Mapping[str, str]) -> ReadRow:
        """One row, from its texts by column."""
        if "" in given:
            return ReadRow(line, given, faults=(Fault(code="ROW_UNREADABLE", detail=given[""], line=line),))
        names = tuple(given)
        layout = self._layouts.get(names) or self._layout_of(names)
        own_names, texts_of = layout
        key = (names, texts_of(given))
        shared = self._shared.get(key)
        if shared is None or not given["iccid"]:
            return self._read_whole(line, given, key)
        try:
            return ReadRow(line, given, _own_values(given, own_names, shared.values["carrier"]), shared)
        except Malformed:
            return self._read_whole(line, given, key)

    def _layout_of(self, names: tuple[str, ...]) -> _Layout:
        if len(self._layouts) == LAYOUTS:
            self._layouts.clear()
        shared = [name for name in names if name not in OWN_PARSERS]
        own = tuple(name for name in names if name in OWN_PARSERS)
        layout = (own, itemgetter(*shared) if shared else _nothing)
        self._layouts[names] = layout
        return layout

    def _read_whole(self, line: int, given: Mapping[str, str], key: Any) -> ReadRow:
        """A row of which nothing is known, or one with a fault: every column is parsed, in the file's order."""
        row = parse_row(line, given)
        if row.faults:
            return ReadRow(line, given, faults=row.faults)
        if len(self._shared) == REMEMBERED:
            self._shared.clear()
        kept = _interned(key)
        shared = self._shared.get(kept)
        if shared is None:
            shared = Shared({name: value for name, value in row.values.items() if name not in OWN_PARSERS})
            self._shared[kept] = shared
        own = {name: value for name, value in row.values.items() if name in OWN_PARSERS}
        return ReadRow(line, given, own, shared)


def _own_values(given: Mapping[str, str], names: Sequence[str], carrier: Carrier) -> dict[str, Any]:
    """The parsed values of these columns; an empty cell counts as absent. Raises `Malformed`."""
    values: dict[str, Any] = {}
    for name in names:
        if text := given[name]:
            values[name] = parse_msisdn(text, carrier) if name == "msisdn" else OWN_PARSERS[name](text)
    return values


def _nothing(_given: Mapping[str, str]) -> None:
    return None


def _interned(key: Any) -> Any:
    """The key with texts that are kept once in the process: a file repeats few of them."""
    names, texts = key
    return (names, tuple(map(intern, texts)) if isinstance(texts, tuple) else texts)
