"""Usage: counters are born with blanks and lose them, so that a page is cleared once in twenty reports.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("usage_cycles", sa.Column("room", sa.Text(), server_default=sa.text("repeat(' ', 24)")))
    op.execute("ALTER TABLE usage_cycles SET (fillfactor = 90)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE usage_cycles SET (fillfactor = 80)")
    op.drop_column("usage_cycles", "room")
