"""Indices by which lists of SIMs and operations are read, whatever filter is given; SIMs are counted as they change.

Where `sims` or `operations` are large, their indices are built beside writers once this is committed
(`app.db.schema.late_indexes`); counting the SIMs keeps writers from `sims` for one scan of it.

Revision ID: 0046
Revises: 0045
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.late_indexes import create_where_small

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

SIMS = {
    "ix_sims_facets": ["tenant", "carrier", "account", "plan", "state", "id"],
    "ix_sims_tenant_expires_on": ["tenant", "expires_on", "id"],
}
OPERATIONS = {
    "ix_operations_tenant_status": ["tenant", "status", "id"],
    "ix_operations_tenant_kind": ["tenant", "kind", "id"],
    "ix_operations_tenant_channel": ["tenant", "channel", "id"],
    "ix_operations_tenant_account": ["tenant", "account", "id"],
    "ix_operations_tenant_iccid": ["tenant", "iccid", "id"],
}

# A statement adds what it changed of the counts as rows of their own: nobody waits for a row that others count in.
# Of a hold its code alone is kept.
_GROUP = """
tenant, carrier, account, plan, pool, state, CASE WHEN holds = '[]' THEN holds ELSE
    (SELECT jsonb_agg(jsonb_build_object('code', e -> 'code')) FROM jsonb_array_elements(holds) e) END AS held
"""
_COUNT = f"""
CREATE FUNCTION count_sims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO sim_counts (tenant, carrier, account, plan, pool, state, holds, cards)
        SELECT tenant, carrier, account, plan, pool, state, held, count(*)
          FROM (SELECT {_GROUP} FROM new_rows) n GROUP BY 1, 2, 3, 4, 5, 6, 7;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO sim_counts (tenant, carrier, account, plan, pool, state, holds, cards)
        SELECT tenant, carrier, account, plan, pool, state, held, -count(*)
          FROM (SELECT {_GROUP} FROM old_rows) o GROUP BY 1, 2, 3, 4, 5, 6, 7;
    ELSE
        INSERT INTO sim_counts (tenant, carrier, account, plan, pool, state, holds, cards)
        SELECT tenant, carrier, account, plan, pool, state, held, sum(cards)
          FROM (SELECT {_GROUP}, 1 AS cards FROM new_rows UNION ALL SELECT {_GROUP}, -1 FROM old_rows) c
         GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(cards) <> 0;
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608 - our own text
_TRIGGERS = {
    "insert": "NEW TABLE AS new_rows",
    "delete": "OLD TABLE AS old_rows",
    "update": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
}
_FILL = f"""
INSERT INTO sim_counts (tenant, carrier, account, plan, pool, state, holds, cards)
SELECT tenant, carrier, account, plan, pool, state, held, count(*)
  FROM (SELECT {_GROUP} FROM sims) s GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - our own text


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")  # below deadlock_timeout; env.py tries again
    op.execute("LOCK TABLE sims, operations IN SHARE ROW EXCLUSIVE MODE")
    op.create_table(
        "sim_counts",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holds", JSONB(), nullable=False),
        sa.Column("cards", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_sim_counts_tenant", "sim_counts", ["tenant"])
    op.execute(_COUNT)
    for event, tables in _TRIGGERS.items():  # until the commit nobody else writes to `sims`
        op.execute(
            f"CREATE TRIGGER count_sims_{event} AFTER {event} ON sims REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION count_sims()"
        )
    op.execute(_FILL)
    for table, indices in (("sims", SIMS), ("operations", OPERATIONS)):
        for name, columns in indices.items():
            create_where_small(name, table, columns)
    create_where_small(
        "ix_sims_tags",
        "sims",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
    )
    create_where_small(
        "ix_operations_tenant_correlation_id",
        "operations",
        ["tenant", "correlation_id", "id"],
        postgresql_where=sa.text("correlation_id IS NOT NULL"),
    )
    create_where_small("ix_operations_overdue", "operations", ["tenant", "id"], postgresql_where=sa.text("overdue"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for event in _TRIGGERS:
        op.execute(f"DROP TRIGGER count_sims_{event} ON sims")
    op.execute("DROP FUNCTION count_sims()")
    op.drop_table("sim_counts")
    for name in ("ix_operations_overdue", "ix_operations_tenant_correlation_id", *OPERATIONS):
        op.drop_index(name, "operations", if_exists=True)
    for name in ("ix_sims_tags", *SIMS):
        op.drop_index(name, "sims", if_exists=True)
