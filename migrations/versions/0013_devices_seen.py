"""The device a SIM was last seen in and the devices of its bound type; when its carrier said not to know it.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("sims", sa.Column("imei_seen", sa.Text(), nullable=True))
    op.add_column("sims", sa.Column("imei_seen_at", INSTANT, nullable=True))
    op.add_column(
        "sims", sa.Column("devices", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'::jsonb"))
    )
    op.add_column("sims", sa.Column("carrier_unknown_at", INSTANT, nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("carrier_unknown_at", "devices", "imei_seen_at", "imei_seen"):
        op.drop_column("sims", name)
