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
    _index_members("tenant", "pool", "id")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _index_members("tenant", "pool")
    op.drop_column("usage_cycles", "tested")
    op.drop_column("pools", "open_cycle")
    op.drop_column("pools", "account")


def _index_members(*columns: str) -> None:
    op.drop_index("ix_sims_tenant_pool", table_name="sims")
    op.create_index("ix_sims_tenant_pool", "sims", list(columns), postgresql_where=sa.text("pool IS NOT NULL"))
