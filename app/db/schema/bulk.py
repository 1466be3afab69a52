"""Tables of bulk operations: one row for each, its items in order, and the files they may be read from."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.schema.base import EMPTY_OBJECT, INSTANT, metadata

bulk_operations = Table(
    "bulk_operations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("selector", JSONB, nullable=False),
    Column("arguments", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("dry_run", Boolean, nullable=False),
    Column("max_failures", Integer),
    Column("accounts", ARRAY(Text), nullable=False),
    Column("total", Integer, nullable=False),
    Column("retry_of", Uuid),
    Column("execute_at", INSTANT),
    Column("requested_by", Text),
    Column("reason", Text),
    Column("correlation_id", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("started_at", INSTANT),
    Column("fed_at", INSTANT),
    Column("finished_at", INSTANT),
    Column("preflight", JSONB),
    Column("approval_id", Uuid),
    Column("traceparent", Text),
    Index("ix_bulk_operations_tenant_id", "tenant", "id"),
    Index("ix_bulk_operations_unfinished", "id", postgresql_where=text("finished_at IS NULL")),
)

bulk_items = Table(
    "bulk_items",
    metadata,
    Column("bulk_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sim_id", BigInteger),
    Column("iccid", Text, nullable=False),
    Column("account", Text),
    Column("status", Text, nullable=False),
    Column("operation_id", Uuid),
    Column("error", JSONB),
    ForeignKeyConstraint(["bulk_id"], ["bulk_operations.id"], ondelete="CASCADE"),
    Index("ix_bulk_items_status", "bulk_id", "status", "position"),
    Index("ix_bulk_items_pending", "bulk_id", "account", "position", postgresql_where=text("status = 'pending'")),
    Index("ix_bulk_items_operation_id", "operation_id", postgresql_where=text("operation_id IS NOT NULL")),
)
"""`status`: pending, open (its operation has not ended), succeeded, failed, cancelled; dry run: allowed, refused."""

files = Table(
    "files",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Index("ix_files_created_at", "created_at"),
)

file_rows = Table(
    "file_rows",
    metadata,
    Column("file_id", Uuid, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("iccid", Text, nullable=False),
    Column("alternate", Text),
    ForeignKeyConstraint(["file_id"], ["files.id"], ondelete="CASCADE"),
)
"""Only the ICCID column of an uploaded file counts (AC-3); `alternate`: its other form, 19 against 20 digits (DV-5)."""
