"""One row for a SIM over all tenants, whichever form of its ICCID names it (DV-5).

Revision ID: 0015
Revises: 0014

Of two rows that name one SIM already, the younger stays without a canonical form.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FILL = """
WITH forms AS (
    SELECT id, CASE WHEN iccid ~ '^[0-9]{20}$' AND luhn.total % 10 = 0 THEN left(iccid, 19) ELSE iccid END AS canonical
      FROM sims CROSS JOIN LATERAL (
           SELECT sum(CASE WHEN place % 2 = 0 THEN digit ELSE digit * 2 / 10 + digit * 2 % 10 END) AS total
             FROM (SELECT place, strpos('0123456789', substr(iccid, place, 1)) - 1 AS digit
                     FROM generate_series(1, 20) AS place) AS digits) AS luhn),
     firsts AS (SELECT DISTINCT ON (canonical) id, canonical FROM forms ORDER BY canonical, id)
UPDATE sims SET canonical_iccid = firsts.canonical FROM firsts WHERE firsts.id = sims.id
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("sims", sa.Column("canonical_iccid", sa.Text(), nullable=True))
    op.execute(FILL)
    op.create_index("uq_sims_canonical_iccid", "sims", ["canonical_iccid"], unique=True)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("uq_sims_canonical_iccid", table_name="sims")
    op.drop_column("sims", "canonical_iccid")
