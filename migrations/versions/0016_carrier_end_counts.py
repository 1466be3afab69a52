"""The carrier's end date counts; the day counted here stays beside it (VD-6).

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("sims", sa.Column("expires_forecast_on", sa.Date(), nullable=True))
    # A date that was only shown until now is forgotten, so that the next snapshot that has it is applied.
    op.execute(
        "UPDATE sims SET carrier_expires_on = NULL, carrier_expires_as_of = NULL"
        " WHERE carrier_expires_on IS DISTINCT FROM expires_on AND carrier_expires_on IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("sims", "expires_forecast_on")
