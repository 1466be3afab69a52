"""Tables of events (the outbox), their positions, and webhooks: endpoints and deliveries."""

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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.schema.base import INSTANT, metadata

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text),
    Column("source", Text, nullable=False),
    Column("took_effect_at", INSTANT, nullable=False),
    Column("known_at", INSTANT, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("position", BigInteger),
    Column("xact", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    Index("ix_events_tenant_id", "tenant", "id"),
    Index("ix_events_tenant_position", "tenant", "position"),
    Index("ix_events_unpublished", "id", postgresql_where=text("position IS NULL")),
    Index("ix_events_tenant_xact", "tenant", "xact"),
    Index("ix_events_event_id", "event_id"),
)
"""`position`: the order in which everybody reads them, given after the commit (`app.db.events.positions`).

`xact` with its index, and `window_*` of webhooks and channels: for processes of the release before 0034 that run on
this schema during an upgrade; the next release drops them.
"""

event_positions = Table(
    "event_positions",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""The position given last. One row: its lock serialises the statements that give positions."""

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
