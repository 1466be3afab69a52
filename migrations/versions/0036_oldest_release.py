"""The oldest release that runs on the schema: what lets processes of it be ready and start on a newer one (ADR 28).

A migration that takes away what some release reads or writes sets `oldest_release` to the first that does without.

Revision ID: 0036
Revises: 0035
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "oldest_release",
        sa.Column("id", sa.SmallInteger(), primary_key=True),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_oldest_release_one_row"),
    )
    op.execute("INSERT INTO oldest_release VALUES (1, '0033')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("oldest_release")
