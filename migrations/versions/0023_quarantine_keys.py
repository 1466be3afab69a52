"""Quarantine: subjects without a row id of ours (accounts, operations, webhooks …), by their `key`.

Additive: a replica of the version before goes on by `subject_id`.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.alter_column("quarantine", "subject_id", nullable=True)
    key = sa.Column("key", sa.Text(), sa.Computed("coalesce(subject_id::text, subject)", persisted=True))
    op.add_column("quarantine", key)
    op.create_unique_constraint("uq_quarantine_task_kind_key", "quarantine", ["task", "kind", "key"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DELETE FROM quarantine WHERE subject_id IS NULL")
    op.drop_constraint("uq_quarantine_task_kind_key", "quarantine")
    op.drop_column("quarantine", "key")
    op.alter_column("quarantine", "subject_id", nullable=False)
