"""Keys have a name, a limit of requests, and their last use.

Revision ID: 0043
Revises: 0042
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

COLUMNS = (
    ("name", sa.Text()),
    ("requests_per_s", sa.Integer()),
    ("last_used_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, kind in COLUMNS:
        op.add_column("api_keys", sa.Column(name, kind))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, _ in COLUMNS:
        op.drop_column("api_keys", name)
