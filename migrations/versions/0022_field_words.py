"""Columns by the field's words: when a drift was reported, and the alternate form of an uploaded ICCID.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.alter_column("carrier_drifts", "told_at", new_column_name="reported_at")
    op.alter_column("file_rows", "twin", new_column_name="alternate")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.alter_column("file_rows", "alternate", new_column_name="twin")
    op.alter_column("carrier_drifts", "reported_at", new_column_name="told_at")
