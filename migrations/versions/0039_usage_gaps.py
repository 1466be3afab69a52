"""Gaps between our sums and carriers' figures, and the figures that people submitted (US-6).

The gaps of the cycles that are kept are measured once here, with the band's default; from then on where a figure or a
report changes them. A running replica of the version before writes none: its changes show with the next figure.

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

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "usage_gaps",
        sa.Column("sim_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("cycle", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("ours", sa.BigInteger(), nullable=False),
        sa.Column("theirs", sa.BigInteger(), nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_usage_gaps_width", "usage_gaps", ["tenant", "carrier", "cycle", "width", "sim_id"])
    op.create_table(
        "usage_corrections",
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date()),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("former", sa.BigInteger()),
        sa.Column("at", INSTANT, nullable=False),
        sa.UniqueConstraint("sim_id", "cycle", "day", postgresql_nulls_not_distinct=True),
    )
    op.execute(
        """
        INSERT INTO usage_gaps (sim_id, cycle, tenant, carrier, ours, theirs, as_of, width)
        SELECT c.sim_id, c.cycle, s.tenant, s.carrier, c.reported - c.reported_since, c.figures, c.figures_to,
               abs(c.figures - c.reported + c.reported_since)
          FROM usage_cycles c JOIN sims s ON s.id = c.sim_id
         WHERE c.figures IS NOT NULL AND c.reported > 0
           AND abs(c.figures - c.reported + c.reported_since) > greatest(1024, div(c.figures::numeric, 100))
        """
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("usage_corrections")
    op.drop_table("usage_gaps")
