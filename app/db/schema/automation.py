"""Tables of what is done with care: approvals by a second person, and automations with their firings."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.base import INSTANT, metadata

approvals = Table(
    "approvals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("cards", Integer, nullable=False),
    Column("above", Integer, nullable=False),
    Column("summary", JSONB, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text),
    Column("requested_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", INSTANT),
    Column("note", Text),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    Index("ix_approvals_tenant_id", "tenant", "id"),
    Index("ix_approvals_waiting_expires_at", "expires_at", postgresql_where=text("status = 'waiting'")),
    Index("uq_approvals_waiting_subject_id", "subject_id", unique=True, postgresql_where=text("status = 'waiting'")),
)
"""`subject`: bulk_operation or automation; `above`: the tenant's size at the time; `summary`: what is to be done."""
