"""Conditions of new SIMs in carts and orders (OR-3), and the SIMs of an order by an index.

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("cart_entries", "order_items"):
        column = sa.Column("conditions", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'"))
        op.add_column(table, column)
    op.create_index(
        "ix_sims_tenant_order_id",
        "sims",
        ["tenant", "order_id", "id"],
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_sims_tenant_order_id", table_name="sims")
    for table in ("cart_entries", "order_items"):
        op.drop_column(table, "conditions")
