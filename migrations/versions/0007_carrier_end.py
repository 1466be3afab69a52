"""The carrier's word on a card's last valid day, with its time, beside ours.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
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
