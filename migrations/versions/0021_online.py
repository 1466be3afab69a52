"""Whether a SIM was online when its carrier was last asked (EX-1), and when that was; NULL: never asked.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("sims", sa.Column("online", sa.Boolean()))
    op.add_column("sims", sa.Column("online_as_of", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("sims", "online_as_of")
    op.drop_column("sims", "online")
