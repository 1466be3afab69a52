"""Tables of deadlines: the days of a group of SIMs, and calendar feeds of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, ForeignKeyConstraint, Index, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.schema.base import INSTANT, metadata

deadlines = Table(
    "deadlines",
    metadata,
    Column("group_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("day", Date, nullable=False),
    Column("rule", Text, nullable=False),
    Column("assumed", ARRAY(Text), nullable=False),
    Index("ix_deadlines_day", "day", "kind", "group_id"),
)
"""`group_id` is a hash of the group's own rows (`app.domain.sim.deadlines.group_of`): rows are added, never changed."""

deadline_feeds = Table(
    "deadline_feeds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("selector", JSONB, nullable=False),
    Column("language", Text, nullable=False),
    Column("requested_by", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("content_hash", LargeBinary),
    Column("changed_at", INSTANT, nullable=False),
    Index("ix_deadline_feeds_tenant_id", "tenant", "id"),
)
"""`secret_hash`: SHA-256 of the secret in the feed's address. `content_hash`, `changed_at`: what it showed when it was
last read, and since when."""

deadline_feed_events = Table(
    "deadline_feed_events",
    metadata,
    Column("feed_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("content_hash", LargeBinary, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("changed_at", INSTANT, nullable=False),
    ForeignKeyConstraint(["feed_id"], ["deadline_feeds.id"], ondelete="CASCADE"),
)
"""One event of a feed as it was last read: `sequence` rises with each change (RFC 5545, 3.8.7.4)."""
