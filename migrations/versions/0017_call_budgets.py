"""Call budgets adapt: the last decrease of an account's rate, and the pause that its carrier asked for.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("call_budgets", sa.Column("cut_rate", sa.Double(), nullable=True))
    op.add_column("call_budgets", sa.Column("cut_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("call_budgets", sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("call_budgets", "paused_until")
    op.drop_column("call_budgets", "cut_at")
    op.drop_column("call_budgets", "cut_rate")
