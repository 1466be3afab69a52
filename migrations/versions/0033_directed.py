"""Directed lists of orders (DR-1, DR-2).

Revision ID: 0033
Revises: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "directed_entries",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("deleting_from", sa.Text()),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("requested_by", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
    )
    columns = ["tenant", "order_id", "value", "protocol"]
    op.create_index("uq_directed_entries_value", "directed_entries", columns, unique=True)
    op.create_index("ix_directed_entries_open", "directed_entries", ["tenant", "id"], postgresql_where=sa.text("open"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("directed_entries")
