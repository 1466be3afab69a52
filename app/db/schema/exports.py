"""Tables of exports: what was asked for, the SIMs selected, and the finished file in parts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.schema.base import INSTANT, metadata

exports = Table(
    "exports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("columns", ARRAY(Text), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False, server_default=text("0")),
    Column("size", BigInteger),
    Column("error", Text),
    Column("requested_by", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    Column("lease_until", INSTANT),
    Column("claim", Integer, nullable=False, server_default=text("0")),
    Index("ix_exports_tenant_created_at", "tenant", "created_at"),
    Index("ix_exports_open", "created_at", postgresql_where=text("status IN ('queued', 'running')")),
)
"""`total`, `done`: SIMs; `size`: bytes of the file. `secret`: signs its download links; `claim` rises with each
worker that takes it (`lease_until`)."""

export_sims = Table(
    "export_sims",
    metadata,
    Column("export_id", Uuid, primary_key=True),
    Column("sim_id", BigInteger, primary_key=True),
    ForeignKeyConstraint(["export_id"], ["exports.id"], ondelete="CASCADE"),
)

export_parts = Table(
    "export_parts",
    metadata,
    Column("export_id", Uuid, primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(["export_id"], ["exports.id"], ondelete="CASCADE"),
)
"""In the database, so that whichever process is asked can serve what another one wrote."""
