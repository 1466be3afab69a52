"""Indices of tables that may have millions of rows: built beside writers, after the migration that wants them (ADR 28).

`CREATE INDEX` lets nobody write until the migration's commit; `CREATE INDEX CONCURRENTLY` is no part of a transaction.
So a migration creates them where the table is small (`create_where_small`), and `simgate migrate` builds what is
missing then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alembic import context, op
from sqlalchemy import Connection, Index, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, DropIndex

from app.db.schema.all_tables import metadata
from app.telemetry import get_logger

BIG_TABLES = frozenset(
    {
        *("sims", "sim_history", "sim_changes", "sim_counts"),
        *("operations", "bulk_operations", "bulk_items", "order_items"),
        *("events", "webhook_deliveries", "notification_items", "notification_deliveries"),
        *("audit", "inbox", "findings", "automation_firings", "watched_sims", "deadlines"),
        *(
            "usage_cycles",
            "usage_days",
            "usage_corrections",
            "usage_gaps",
            "usage_marks",
            "usage_checks",
            "usage_shares",
        ),
    }
)
"""Tables with a row for each SIM, or for what is done or happens."""

SMALL_BYTES = 64 << 20
"""A table up to so large is indexed within a second: nobody's lock times out."""

_IS_SMALL = text("SELECT coalesce(pg_table_size(to_regclass(:name)), 0) <= :bytes")
_STATE = text(
    "SELECT i.relname AS name, x.indisvalid AS valid,"
    " EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.oid) AS building"
    " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
    " WHERE t.relnamespace = 'public'::regnamespace AND t.relname = ANY(:tables)"
)
_OURS = text(
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    " AND relname = ANY(:tables) AND pg_has_role(relowner, 'USAGE')"
)
_SOMEBODY_ELSE = ("40P01", "42P07", "23505")
"""SQLSTATEs of two processes that build the same index at the same moment."""

log = get_logger("migration")


@dataclass(frozen=True, slots=True)
class _Missing:
    """An index that the schema has and the database has not; `broken`: a build of it was broken off."""

    index: Index
    broken: bool


def create_where_small(name: str, table: str, columns: list[Any], **options: Any) -> None:
    """In a migration: create the index where its table is small; else it is built when the migration is committed."""
    limit = context.config.attributes.get("small_bytes", SMALL_BYTES)
    if op.get_bind().scalar(_IS_SMALL, {"name": table, "bytes": limit}):
        op.create_index(name, table, columns, if_not_exists=True, **options)


def build_missing(connection: Connection) -> None:
    """Build the indices of big tables that are missing, one by one. For the owner, in autocommit, at the head."""
    missing = _missing(connection)
    if not missing:
        return
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SET lock_timeout = 0"))  # a build waits for transactions, and nobody for the build
    try:
        for one in missing:
            _build(connection, one)
    finally:
        connection.execute(text("RESET statement_timeout"))
        connection.execute(text("RESET lock_timeout"))


def _missing(connection: Connection) -> list[_Missing]:
    ours = set(connection.scalars(_OURS, {"tables": sorted(BIG_TABLES)}))
    state = {row.name: row for row in connection.execute(_STATE, {"tables": sorted(ours)})}
    wanted = [index for name in sorted(ours) for index in metadata.tables[name].indexes]
    lacking = [index for index in wanted if str(index.name) not in state or not state[str(index.name)].valid]
    return [
        _Missing(index, broken=str(index.name) in state)
        for index in sorted(lacking, key=lambda one: str(one.name))
        if str(index.name) not in state or not state[str(index.name)].building
    ]


def _build(connection: Connection, one: _Missing) -> None:
    index = one.index
    index.dialect_options["postgresql"]["concurrently"] = True
    try:
        log.info("migration.index_begun", index=index.name)
        if one.broken:
            connection.execute(DropIndex(index, if_exists=True))
        connection.execute(CreateIndex(index, if_not_exists=True))
        log.info("migration.index_built", index=index.name)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _SOMEBODY_ELSE:
            raise
        log.info("migration.index_left", index=index.name)
    finally:
        index.dialect_options["postgresql"]["concurrently"] = False
