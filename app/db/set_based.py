"""Many rows of one table in one statement: they travel as one JSON text, so that a thousand cost one round trip.

Arrays of columns would do as well, but asyncpg asks each element whether it is a list: thirty-five columns of a SIM are
dearer that way than the update. Where many rows are the same but for a few columns (`update_copies_of`,
`insert_copies_of`), what they share travels once, as a template, and only the rest as arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def _type(table: Table, name: str) -> str:
    return table.c[name].type.compile(dialect=_DIALECT)


def _rows(table: Table, names: Sequence[str]) -> str:
    return columns_of_rows(table, names, ":rows")


def columns_of_rows(table: Table, names: Sequence[str], given: str, *, also: Sequence[str] = ()) -> str:
    """`packed` rows as a relation `n`, for statements of their own. `given`: their parameter, `also`: other columns."""
    columns = ", ".join([*also, *typed_columns(table, names)])
    return f"jsonb_to_recordset(CAST({given} AS jsonb)) AS n({columns})"


def typed_columns(table: Table, names: Sequence[str]) -> list[str]:
    """Each of these columns with its type, as a list of columns declares them."""
    return [f"{name} {_type(table, name)}" for name in names]


def _copies(table: Table, shared: Sequence[str], own: Sequence[str]) -> str:
    """Rows of templates ($1, JSON) and, for each copy, the number of its template ($2) and its own columns ($3, …)."""
    columns = ", ".join(f"{name} {_type(table, name)}" for name in shared)
    arrays = ", ".join(f"${number}::{_type(table, name)}[]" for number, name in enumerate(own, start=3))
    return (
        f"unnest($2::int[], {arrays}) WITH ORDINALITY AS m(template, {', '.join(own)}, ordinal)"
        f" JOIN jsonb_to_recordset($1::text::jsonb) AS n(template int, {columns}) USING (template)"
    )


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


@cache
def update_copies_of(table: Table, shared: tuple[str, ...], also: str) -> str:
    """For asyncpg: an update of these columns by `id`, many rows a template; `also` as in `update_of`.

    Its parameters: those of `copies_of`, where a copy's own column is `id`.
    """
    assigned = ", ".join(f"{name} = n.{name}" for name in shared)
    rows = _copies(table, shared, ("id",))
    return f"UPDATE {table.name} s SET {assigned}, {also} FROM {rows} WHERE s.id = m.id"  # noqa: S608 - ours


@cache
def insert_copies_of(table: Table, shared: tuple[str, ...], own: tuple[str, ...]) -> str:
    """For asyncpg: an insert of many rows a template, in the order of the copies. Its parameters: `copies_of`."""
    columns = ", ".join((*own, *shared))
    values = ", ".join((*(f"m.{name}" for name in own), *(f"n.{name}" for name in shared)))
    rows = _copies(table, shared, own)
    return f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {rows} ORDER BY m.ordinal"  # noqa: S608 - ours


def copies_of(templates: Sequence[Mapping[str, Any]], copies: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Parameters of those statements: what copies share, and of each the number of its template and its own columns."""
    numbered = [{**template, "template": number} for number, template in enumerate(templates)]
    return [packed(numbered)["rows"], *map(list, zip(*copies, strict=True))]


def packed(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Rows as the parameter of those statements; None is NULL, also in a column of JSON."""
    return {"rows": json.dumps(rows, default=_text)}


def _text(value: Any) -> str:
    """What JSON has no form for, as PostgreSQL reads it. Raises `TypeError`."""
    if isinstance(value, datetime):  # in UTC: PostgreSQL reads no offset of 16 hours or more
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
