"""Exports: the requests, the SIMs selected, and the parts of the finished files (EX-2).

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("size", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.Column("requested_by", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("lease_until", INSTANT),
        sa.Column("claim", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.create_index("ix_exports_tenant_created_at", "exports", ["tenant", "created_at"])
    op.create_index(
        "ix_exports_open", "exports", ["created_at"], postgresql_where=sa.text("status IN ('queued', 'running')")
    )
    op.create_table(
        "export_sims",
        sa.Column("export_id", sa.Uuid(), sa.ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sim_id", sa.BigInteger(), primary_key=True),
    )
    op.create_table(
        "export_parts",
        sa.Column("export_id", sa.Uuid(), sa.ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("export_parts", "export_sims", "exports"):
        op.drop_table(table)
