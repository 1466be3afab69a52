"""Notification channels, what waits for each, and every sending (RM).

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
PENDING = sa.text("status = 'pending'")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_channels()
    _create_items()
    _create_deliveries()


def _create_channels() -> None:
    op.create_table(
        "notification_channels",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("language", sa.Text()),
        sa.Column("iccids", sa.Text(), nullable=False),
        sa.Column("digest_at", sa.Time(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("secrets", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("disabled_because", sa.Text()),
        sa.Column("next_send_at", INSTANT),
        sa.Column("failing_since", INSTANT),
        sa.Column("last_error", sa.Text()),
        sa.Column("last_delivered_at", INSTANT),
        sa.Column("window_from", sa.BigInteger(), nullable=False),
        sa.Column("window_to", sa.BigInteger(), nullable=False),
        sa.Column("window_after", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("window_from <= window_to", name="window"),
    )
    op.create_index("ix_notification_channels_tenant_id", "notification_channels", ["tenant", "id"])


def _create_items() -> None:
    op.create_table(
        "notification_items",
        sa.Column(
            "channel_id", sa.Uuid(), sa.ForeignKey("notification_channels.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("event_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("batch", sa.Uuid()),
    )
    op.create_index(
        "ix_notification_items_waiting",
        "notification_items",
        ["channel_id", "due_at"],
        postgresql_where=sa.text("batch IS NULL"),
    )
    op.create_index(
        "ix_notification_items_batch",
        "notification_items",
        ["batch", "event_id"],
        postgresql_where=sa.text("batch IS NOT NULL"),
    )


def _create_deliveries() -> None:
    table = "notification_deliveries"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(
            "channel_id", sa.Uuid(), sa.ForeignKey("notification_channels.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("batch", sa.Uuid()),
        sa.Column("recipient", sa.Text()),
        sa.Column("zone", sa.Text()),
        sa.Column("digest_on", sa.Date()),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, server_default=sa.text("'pending'")),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("lease_until", INSTANT),
        sa.Column("claim", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("attempted_at", INSTANT),
        sa.Column("settled_at", INSTANT),
    )
    op.create_index("ix_notification_deliveries_channel", table, ["channel_id", "id"])
    op.create_index(
        "ix_notification_deliveries_due", table, ["channel_id", "next_attempt_at"], postgresql_where=PENDING
    )
    op.create_index(
        "uq_notification_deliveries_digest",
        table,
        ["channel_id", "zone", "digest_on", "recipient"],
        unique=True,
        postgresql_where=sa.text("digest_on IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("notification_deliveries", "notification_items", "notification_channels"):
        op.drop_table(table)
