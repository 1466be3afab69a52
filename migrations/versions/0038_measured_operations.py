"""Indexes of operations by what they took and by what was late (SL-9).

Revision ID: 0038
Revises: 0037
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_operations_succeeded",
        "operations",
        ["tenant", "account", "kind", "settled_at"],
        postgresql_where=sa.text("status = 'succeeded'"),
    )
    op.create_index(
        "ix_operations_late",
        "operations",
        ["tenant", "due_at"],
        postgresql_where=sa.text("overdue OR settled_at > due_at"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_operations_late", "operations")
    op.drop_index("ix_operations_succeeded", "operations")
