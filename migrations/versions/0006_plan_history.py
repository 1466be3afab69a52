"""What plans allowed and which plan cards had, until it was replaced: cycles that are over keep their allowance.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "plan_allowances",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("until", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("allowance", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "plan", "until", name=op.f("pk_plan_allowances")),
    )
    op.create_table(
        "sim_plans",
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("until", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sim_id", "until", name=op.f("pk_sim_plans")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("sim_plans")
    op.drop_table("plan_allowances")
