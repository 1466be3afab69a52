"""Tables of reminders and their channels: when to remind, where it goes, what waits for each, every sending."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Time,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.schema.base import EMPTY_OBJECT, INSTANT, metadata

notification_channels = Table(
    "notification_channels",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("language", Text),
    Column("iccids", Text, nullable=False),
    Column("digest_at", Time, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("secrets", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("disabled_because", Text),
    Column("next_send_at", INSTANT),
    Column("failing_since", INSTANT),
    Column("last_error", Text),
    Column("last_delivered_at", INSTANT),
    Column("position", BigInteger, nullable=False, server_default=text("last_event_position()")),
    Column("window_from", BigInteger, nullable=False, server_default=text("0")),
    Column("window_to", BigInteger, nullable=False, server_default=text("0")),
    Column("window_after", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", INSTANT, nullable=False),
    CheckConstraint("window_from <= window_to", name="window"),
    Index("ix_notification_channels_tenant_id", "tenant", "id"),
)
"""`settings`: what may be shown; `secrets`: what is never shown nor logged. `next_send_at`: not before, by the kind's
limits. `position`: of the last event that became an item, as of webhooks (`app.db.events.webhooks`)."""

notification_items = Table(
    "notification_items",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("event_id", BigInteger, primary_key=True),
    Column("zone", Text, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("batch", Uuid),
    ForeignKeyConstraint(["channel_id"], ["notification_channels.id"], ondelete="CASCADE"),
    Index("ix_notification_items_waiting", "channel_id", "due_at", postgresql_where=text("batch IS NULL")),
    Index("ix_notification_items_batch", "batch", "event_id", postgresql_where=text("batch IS NOT NULL")),
)
"""One reminder for one channel. `zone`: of its card, whose quiet hours count; `batch`: what it is sent with."""

notification_deliveries = Table(
    "notification_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("channel_id", Uuid, nullable=False),
    Column("batch", Uuid),
    Column("recipient", Text),
    Column("zone", Text),
    Column("digest_on", Date),
    Column("origin", Text, nullable=False),
    Column("reminders", Integer, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", INSTANT, nullable=False),
    Column("lease_until", INSTANT),
    Column("claim", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("attempted_at", INSTANT),
    Column("settled_at", INSTANT),
    ForeignKeyConstraint(["channel_id"], ["notification_channels.id"], ondelete="CASCADE"),
    Index("ix_notification_deliveries_channel", "channel_id", "id"),
    Index(
        "ix_notification_deliveries_due", "channel_id", "next_attempt_at", postgresql_where=text("status = 'pending'")
    ),
    Index(
        "uq_notification_deliveries_digest",
        "channel_id",
        "zone",
        "digest_on",
        "recipient",
        unique=True,
        postgresql_where=text("digest_on IS NOT NULL"),
    ),
)
"""One sending of a batch to one recipient (of an e-mail; else NULL), or of a test. `digest_on`: the day of a digest, of
which an address gets one."""

reminder_settings = Table(
    "reminder_settings",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("usage_mb", ARRAY(Integer)),
    Column("expiry_days", ARRAY(Integer)),
    Column("pool_percent", ARRAY(Integer)),
    Column("quiet_from", Time),
    Column("quiet_to", Time),
    Column("language", Text, nullable=False, server_default=text("'en'")),
    Column("checked_through", BigInteger),
    Column("updated_at", INSTANT, nullable=False),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)
"""A NULL threshold: the tenant has set none. `checked_through`: the row id of the last SIM whose limit check was queued
since the thresholds changed; NULL: all were."""
