"""Cards remember that a suspend of ours is in force at the carrier (ST-24).

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KNOWN_SO_FAR = """
UPDATE sims s SET stopped_by_us = true
  FROM (
    SELECT DISTINCT ON (sim_id) sim_id, kind, settled_at FROM operations
     WHERE status = 'succeeded' AND kind IN ('suspend', 'resume', 'reset_network')
     ORDER BY sim_id, settled_at DESC
  ) last
 WHERE last.sim_id = s.id AND last.kind = 'suspend' AND s.underlying <> 'cancelled'
   AND NOT (s.carrier_state = 'active' AND s.carrier_as_of > last.settled_at)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("sims", sa.Column("stopped_by_us", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute(_KNOWN_SO_FAR)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("sims", "stopped_by_us")
