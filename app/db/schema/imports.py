"""Tables of imports that run as tasks: what was asked for and how far it is, and the file until it has been read."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.base import INSTANT, metadata

imports = Table(
    "imports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", Text),
    Column("lines", BigInteger, nullable=False),
    Column("read", BigInteger, nullable=False, server_default=sql("0")),
    Column("stored", BigInteger, nullable=False, server_default=sql("0")),
    Column("report", JSONB),
    Column("problem", JSONB),
    Column("requested_by", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    Column("lease_until", INSTANT),
    Column("claim", Integer, nullable=False, server_default=sql("0")),
    Index("ix_imports_tenant_id", "tenant", "id"),
    Index("ix_imports_open", "created_at", postgresql_where=sql("status IN ('queued', 'running')")),
)
"""`lines`: of the file; `read`, `stored`: rows and SIMs so far, of which readers see nothing before it has succeeded.
`claim` rises with each worker that takes it (`lease_until`)."""

import_parts = Table(
    "import_parts",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(["import_id"], ["imports.id"], ondelete="CASCADE"),
)
"""In the database, so that whichever worker is free can read what an API process received."""
