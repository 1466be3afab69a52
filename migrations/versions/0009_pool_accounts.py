"""Pools know their account, hence their zone, and their oldest open cycle; counters know what was test traffic.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("pools", sa.Column("account", sa.Text(), nullable=True))
    op.add_column("pools", sa.Column("open_cycle", sa.Integer(), nullable=True))
    op.add_column("usage_cycles", sa.Column("tested", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("usage_cycles", "tested")
    op.drop_column("pools", "open_cycle")
    op.drop_column("pools", "account")
