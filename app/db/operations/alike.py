"""asyncpg: the same operation for SIMs that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.db.connection import Connection
from app.db.mapping import OPERATION_COLUMNS, OperationRecord, operation_columns
from app.db.schema.control import operations
from app.db.set_based import copies_of, insert_copies_of

_OPERATION = tuple(name for name in OPERATION_COLUMNS if name not in ("id", "sim_id", "iccid"))


async def add_operations_alike(
    connection: Connection, rows: Sequence[tuple[OperationRecord, Sequence[tuple[UUID, int, str]]]]
) -> None:
    """Add an operation for each of several SIMs, as (id, row id of the SIM, ICCID); none has one open."""
    templates: list[dict[str, Any]] = [operation_columns(row) for row, _ in rows]
    shared = [{name: value for name, value in row.items() if name in _OPERATION} for row in templates]
    copies = [(number, *named) for number, (_, each) in enumerate(rows) for named in each]
    if copies:
        statement = insert_copies_of(operations, _OPERATION, ("id", "sim_id", "iccid"))
        await connection.execute(statement, *copies_of(shared, copies))
