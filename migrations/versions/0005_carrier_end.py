"""The carrier's word on a card's last valid day, with its time, beside ours.

Revision ID: w3_carrier_end
Revises: w3_plan_history
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "w3_carrier_end"
down_revision = "w3_plan_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("sims", sa.Column("carrier_expires_on", sa.Date(), nullable=True))
    op.add_column("sims", sa.Column("carrier_expires_as_of", postgresql.TIMESTAMP(timezone=True), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("sims", "carrier_expires_as_of")
    op.drop_column("sims", "carrier_expires_on")
