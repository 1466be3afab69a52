"""Events get a position after their commit; webhooks and channels keep the last they have taken (ADR 26).

Expands only: the columns by which the release before reads (`xact`, `window_*`) stay until the next release. While
processes of both releases run, an event may be delivered twice.

Revision ID: 0034
Revises: 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

READERS = ("webhook_endpoints", "notification_channels")

# What a reader of windows has not taken yet begins at the first event outside them.
TAKEN = """
UPDATE {reader} r SET position = coalesce(
    (SELECT min(v.position) - 1 FROM events v WHERE v.tenant = r.tenant AND v.xact >= r.window_from
        AND NOT (v.xact < r.window_to AND v.id <= r.window_after)),
    last_event_position())
"""
WINDOWS = """
UPDATE {reader} r SET window_after = 0, window_from = w.first, window_to = w.first FROM (
    SELECT q.id, coalesce(
        (SELECT min(v.xact) FROM events v WHERE v.tenant = q.tenant AND (v.position IS NULL OR v.position > q.position)),
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS first FROM {reader} q) w
 WHERE r.id = w.id
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")  # below deadlock_timeout; env.py tries again
    op.execute("LOCK TABLE webhook_endpoints, notification_channels, events IN ACCESS EXCLUSIVE MODE")
    op.create_table(
        "event_positions",
        sa.Column("id", sa.SmallInteger(), primary_key=True),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_event_positions_one_row"),
    )
    op.add_column("events", sa.Column("position", sa.BigInteger()))
    op.execute("UPDATE events SET position = id")
    op.execute("INSERT INTO event_positions SELECT 1, coalesce(max(id), 0) FROM events")
    op.create_index("ix_events_tenant_position", "events", ["tenant", "position"])
    op.create_index("ix_events_unpublished", "events", ["id"], postgresql_where=sa.text("position IS NULL"))
    # A default cannot query; the release before names no position where it makes a reader.
    op.execute(
        "CREATE FUNCTION last_event_position() RETURNS bigint LANGUAGE sql STABLE"
        " AS 'SELECT coalesce(max(last), 0) FROM event_positions'"
    )
    for reader in READERS:
        default = sa.text("last_event_position()")
        op.add_column(reader, sa.Column("position", sa.BigInteger(), nullable=False, server_default=default))
        op.execute(TAKEN.format(reader=reader))
        for column in ("window_from", "window_to"):
            op.alter_column(reader, column, server_default=sa.text("0"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for reader in READERS:
        op.execute(WINDOWS.format(reader=reader))
        for column in ("window_from", "window_to"):
            op.alter_column(reader, column, server_default=None)
        op.drop_column(reader, "position")
    op.execute("DROP FUNCTION last_event_position()")
    op.drop_index("ix_events_unpublished", table_name="events")
    op.drop_index("ix_events_tenant_position", table_name="events")
    op.drop_column("events", "position")
    op.drop_table("event_positions")
