"""Findings: what is wrong with SIMs without anyone asking.

Revision ID: 0041
Revises: 0040
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("sim_id", sa.BigInteger()),
        sa.Column("carrier", sa.Text()),
        sa.Column("evidence", JSONB(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text()),
        sa.Column("arguments", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("saves_fen", sa.BigInteger()),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
    )
    of_sim, of_carrier = (
        sa.text("ended_at IS NULL AND sim_id IS NOT NULL"),
        sa.text("ended_at IS NULL AND sim_id IS NULL"),
    )
    op.create_index("uq_findings_open_sim", "findings", ["sim_id", "code"], unique=True, postgresql_where=of_sim)
    op.create_index(
        "uq_findings_open_carrier",
        "findings",
        ["tenant", "carrier", "code"],
        unique=True,
        postgresql_where=of_carrier,
    )
    op.create_index("ix_findings_open", "findings", ["tenant", "id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("ix_findings_ended", "findings", ["tenant", "id"], postgresql_where=sa.text("ended_at IS NOT NULL"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("findings")
