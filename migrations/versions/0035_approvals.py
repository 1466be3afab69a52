"""Approvals by a second person, and the pre-flight of bulk operations.

Revision ID: 0035
Revises: 0034
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
WAITING = sa.text("status = 'waiting'")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("approval_above", sa.Integer()))
    op.add_column("tenants", sa.Column("approval_hours", sa.Integer()))
    op.add_column("bulk_operations", sa.Column("preflight", postgresql.JSONB()))
    op.add_column("bulk_operations", sa.Column("approval_id", sa.Uuid()))
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cards", sa.Integer(), nullable=False),
        sa.Column("above", sa.Integer(), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", INSTANT),
        sa.Column("note", sa.Text()),
    )
    op.create_index("ix_approvals_tenant_id", "approvals", ["tenant", "id"])
    op.create_index("ix_approvals_waiting_expires_at", "approvals", ["expires_at"], postgresql_where=WAITING)
    op.create_index(
        "uq_approvals_waiting_subject_id", "approvals", ["subject_id"], unique=True, postgresql_where=WAITING
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("approvals")
    op.drop_column("bulk_operations", "approval_id")
    op.drop_column("bulk_operations", "preflight")
    op.drop_column("tenants", "approval_hours")
    op.drop_column("tenants", "approval_above")
