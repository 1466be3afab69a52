"""What an export contains, as columns and rows of cells (EX-2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any
from uuid import UUID

from app.db.connection import Connection
from app.db.sims import export_rows
from app.domain.commerce.exports import export_months
from app.domain.vocabulary import HoldCode
from app.usecases.exports.sheets import Cell
from app.usecases.imports.rows import COLUMN_PARSERS

DAYS = timedelta(days=62)
"""How far back usage by day reaches: the running month and the one before."""

SIM_COLUMNS = (*COLUMN_PARSERS, "online")
CYCLE_COLUMNS = ("iccid", "carrier", "plan")
DAY_COLUMNS = ("iccid", "day", "bytes", "as_of")
OPERATION_COLUMNS = ("id", "iccid", "kind", "status", "channel", "source", "created_at", "due_at", "settled_at")


def columns_of(what: str, on: date) -> tuple[str, ...]:
    """Every column that an export of this kind can have: for usage by cycle one for each of six months."""
    known = {"sims": SIM_COLUMNS, "usage_by_day": DAY_COLUMNS, "operations": OPERATION_COLUMNS}
    return known.get(what, (*CYCLE_COLUMNS, *export_months(on)))


def default_columns(what: str, on: date) -> tuple[str, ...]:
    """The columns where none are named: of SIMs those that an import takes, so that the file can be imported again."""
    return tuple(COLUMN_PARSERS) if what == "sims" else columns_of(what, on)


def _cell(value: Any) -> Cell:
    """A value as text or number; instants and days in ISO 8601."""
    if value is None or isinstance(value, int | str):
        return ("true" if value else "false") if isinstance(value, bool) else value
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _holds(value: str) -> str:
    known = [entry["code"] for entry in json.loads(value)]
    return ";".join(code for code in known if code in set(HoldCode))


def _tags(value: str) -> str:
    return ";".join(f"{name}={tag}" for name, tag in json.loads(value).items())


_PACKED: Mapping[str, Callable[[str], str]] = MappingProxyType({"holds": _holds, "tags": _tags})
"""Columns of JSON, written as an import reads them."""


def _values(row: Mapping[str, Any], columns: Sequence[str]) -> list[Cell]:
    return [_PACKED[name](row[name]) if name in _PACKED else _cell(row[name]) for name in columns]


async def rows_of(
    connection: Connection, what: str, ids: Sequence[int], columns: Sequence[str], on: date
) -> list[list[Cell]]:
    """The rows of these SIMs; amounts in bytes."""
    if what == "usage_by_cycle":
        return await _by_cycle(connection, ids, columns, on)
    if what == "usage_by_day":
        found = await export_rows.usage_by_day(connection, ids, on - DAYS)
    elif what == "operations":
        found = await export_rows.operations(connection, ids)
    else:
        found = await export_rows.sims(connection, ids)
    return [_values(row, columns) for row in found]


async def _by_cycle(connection: Connection, ids: Sequence[int], columns: Sequence[str], on: date) -> list[list[Cell]]:
    """A row a SIM with a column a month."""
    months = {int(month.replace("-", "")): month for month in export_months(on)}
    found = await export_rows.usage_by_cycle(connection, ids, list(months))
    rows: list[list[Cell]] = []
    for _, group in groupby(found, key=lambda row: row["id"]):
        several = list(group)
        used = {months[row["cycle"]]: int(row["bytes"]) for row in several if row["cycle"] is not None}
        cells = {name: several[0][name] for name in CYCLE_COLUMNS} | dict.fromkeys(months.values(), 0) | used
        rows.append([cells[name] for name in columns])
    return rows


async def next_ids(connection: Connection, export_id: UUID, after: int, limit: int) -> list[int]:
    """The next SIMs of an export, by row id."""
    return await export_rows.next_ids(connection, export_id, after, limit)
