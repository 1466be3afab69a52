"""Deadlines: the days of each group of SIMs, the group of each SIM (NULL: not worked out yet), and calendar feeds.

The worker fills in the groups of the SIMs that are there (loop `deadlines`).

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "deadlines",
        sa.Column("group_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("assumed", postgresql.ARRAY(sa.Text()), nullable=False),
    )
    op.create_index("ix_deadlines_day", "deadlines", ["day", "kind", "group_id"])
    op.create_table(
        "deadline_feeds",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("selector", postgresql.JSONB(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("content_hash", sa.LargeBinary()),
        sa.Column("changed_at", INSTANT, nullable=False),
    )
    op.create_index("ix_deadline_feeds_tenant_id", "deadline_feeds", ["tenant", "id"])
    op.create_table(
        "deadline_feed_events",
        sa.Column("feed_id", sa.Uuid(), sa.ForeignKey("deadline_feeds.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
    )
    op.add_column("sims", sa.Column("deadline_group", sa.BigInteger()))
    op.create_index(
        "ix_sims_tenant_deadline_group",
        "sims",
        ["tenant", "deadline_group", "id"],
        postgresql_where=sa.text("deadline_group <> 0"),
    )
    op.create_index("ix_sims_no_deadline_group", "sims", ["id"], postgresql_where=sa.text("deadline_group IS NULL"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_sims_no_deadline_group", "sims")
    op.drop_index("ix_sims_tenant_deadline_group", "sims")
    op.drop_column("sims", "deadline_group")
    for table in ("deadline_feed_events", "deadline_feeds", "deadlines"):
        op.drop_table(table)
