"""An index of the changes that a pool's past depends on (LC-12, PL-7).

Revision ID: 0039
Revises: 0038
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_sim_changes_membership",
        "sim_changes",
        ["sim_id", "known_at"],
        postgresql_where=sa.text("before ?| '{activated_on,expires_on,pool,state,underlying}'::text[]"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_sim_changes_membership", "sim_changes")
