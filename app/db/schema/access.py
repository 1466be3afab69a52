"""Tables of who may do what and what was done: tenants, keys, idempotency keys (one response each), the audit trail."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.schema.base import INSTANT, metadata

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", INSTANT, nullable=False),
    Column("approval_above", Integer),
    Column("approval_hours", Integer),
)
"""`approval_above`: SIMs beyond which a bulk operation or automation waits for approval, NULL: none ever does.
`approval_hours`: how long an approval is waited for; NULL: as the rule has it."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("name", Text),
    Column("requests_per_s", Integer),
    Column("expires_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("operation_id", Uuid),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("reason", Text),
    Column("correlation_id", Text),
    Column("before", JSONB),
    Column("after", JSONB),
    Index("ix_audit_tenant_id", "tenant", "id"),
)
