"""The catalogue: add-on packs, and what a plan's SIMs may buy.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

COLUMNS = ("overrun_fen_per_mb", "renewal_months", "plan_change_online", "change_price_fen")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("plans", sa.Column("overrun_fen_per_mb", sa.BigInteger()))
    op.add_column("plans", sa.Column("renewal_months", postgresql.ARRAY(sa.SmallInteger())))
    op.add_column("plans", sa.Column("plan_change_online", sa.Boolean()))
    op.add_column("plans", sa.Column("change_price_fen", sa.BigInteger()))
    op.create_table(
        "addons",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=True),
        sa.Column("product_code", sa.Text(), nullable=True),
        sa.CheckConstraint("bytes > 0 AND (price_fen IS NULL OR price_fen >= 0)", name=op.f("ck_addons_amounts")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_addons_tenant")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_addons")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("addons")
    for name in COLUMNS:
        op.drop_column("plans", name)
