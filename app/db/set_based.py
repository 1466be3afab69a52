"""Many rows of one table in one statement: they travel as one JSON text, so that a thousand cost one round trip.

Arrays of columns would do as well, but asyncpg asks each element whether it is a list: thirty-five columns of a SIM are
dearer that way than the update.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def _rows(table: Table, names: Sequence[str]) -> str:
    columns = ", ".join(f"{name} {table.c[name].type.compile(dialect=_DIALECT)}" for name in names)
    return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS n({columns})"


@cache
def update_of(table: Table, names: tuple[str, ...], also: str) -> TextClause:
    """An update of these columns by `id`; `also`: further assignments, of the row `s`. Its parameter: `packed` rows."""
    assigned = ", ".join(f"{name} = n.{name}" for name in names)
    rows = _rows(table, ("id", *names))
    return text(f"UPDATE {table.name} s SET {assigned}, {also} FROM {rows} WHERE s.id = n.id")  # noqa: S608 - ours


@cache
def insert_of(table: Table, names: tuple[str, ...]) -> TextClause:
    """An insert of these columns. Its parameter: `packed` rows."""
    columns = ", ".join(names)
    return text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {_rows(table, names)}")  # noqa: S608 - ours


def packed(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Rows as the parameter of those statements; None is NULL, also in a column of JSON."""
    return {"rows": json.dumps(rows, default=_text)}


def _text(value: Any) -> str:
    """What JSON has no form for, as PostgreSQL reads it. Raises `TypeError`."""
    if isinstance(value, date):  # and instants
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
