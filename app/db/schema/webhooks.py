"""Tables of webhooks: endpoints and deliveries."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.schema.base import INSTANT, metadata

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("types", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("description", Text),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text),
    Column("old_secret_until", INSTANT),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("disabled_because", Text),
    Column("position", BigInteger, nullable=False, server_default=text("last_event_position()")),
    Column("window_from", BigInteger, nullable=False, server_default=text("0")),
    Column("window_to", BigInteger, nullable=False, server_default=text("0")),
    Column("window_after", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", INSTANT, nullable=False),
    CheckConstraint("window_from <= window_to", name="window"),
    Index("ix_webhook_endpoints_tenant_id", "tenant", "id"),
)
"""`position`: of the last event that was turned into a delivery (see `app.db.events.webhooks`)."""

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("endpoint_id", Uuid, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("lane", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", INSTANT, nullable=False),
    Column("lease_until", INSTANT),
    Column("claim", Integer, nullable=False, server_default=text("0")),
    Column("response_status", SmallInteger),
    Column("error", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("attempted_at", INSTANT),
    Column("settled_at", INSTANT),
    ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"], ondelete="CASCADE"),
    Index("ix_webhook_deliveries_endpoint", "endpoint_id", "id"),
    Index("ix_webhook_deliveries_lane", "endpoint_id", "lane", "id", postgresql_where=text("status = 'pending'")),
    Index("ix_webhook_deliveries_due", "endpoint_id", "next_attempt_at", postgresql_where=text("status = 'pending'")),
)
"""`lane`: what order is kept within: the event's SIM, else its source."""
