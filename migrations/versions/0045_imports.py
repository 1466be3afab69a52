"""Imports that run as tasks, and the parts of their files.

Revision ID: 0045
Revises: 0044
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("step", sa.Text()),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("read", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("stored", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("report", JSONB()),
        sa.Column("problem", JSONB()),
        sa.Column("requested_by", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("lease_until", INSTANT),
        sa.Column("claim", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.create_index("ix_imports_tenant_id", "imports", ["tenant", "id"])
    op.create_index(
        "ix_imports_open", "imports", ["created_at"], postgresql_where=sa.text("status IN ('queued', 'running')")
    )
    op.create_table(
        "import_parts",
        sa.Column("import_id", sa.Uuid(), sa.ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("import_parts")
    op.drop_table("imports")
