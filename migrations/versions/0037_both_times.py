"""Records from which a past state is rebuilt: changes of SIMs and pools, replaced carrier figures, receipt of reports.

Revision ID: 0037
Revises: 0036
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# A statement that changes many SIMs adds its records by one statement. Where neither the version nor the session has
# changed nothing that an answer shows has. Every 32nd version is stored whole, so that a walk back is short.
_RECORD = """
CREATE FUNCTION record_sim_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sim_changes (sim_id, known_at, whole, before)
    SELECT c.sim_id, c.known_at, c.whole, CASE WHEN c.whole THEN c.old ELSE d.before END
      FROM (SELECT o.id AS sim_id, greatest(o.updated_at, n.updated_at) AS known_at,
                   n.version <> o.version AND n.version % 32 = 0 AS whole,
                   to_jsonb(o) - '{updated_at,deadline_group,next_due_on,canonical_iccid}'::text[] AS old,
                   to_jsonb(n) AS new
              FROM old_rows o JOIN new_rows n ON n.id = o.id
             WHERE n.version <> o.version OR n.online_as_of IS DISTINCT FROM o.online_as_of
                OR n.online IS DISTINCT FROM o.online
            OFFSET 0) c
     CROSS JOIN LATERAL (
           SELECT jsonb_object_agg(key, value) AS before FROM jsonb_each(c.old)
            WHERE value IS DISTINCT FROM c.new -> key) d
     WHERE d.before IS NOT NULL ORDER BY c.sim_id;
    RETURN NULL;
END $$
"""
_TRIGGER = """
CREATE TRIGGER record_sim_changes AFTER UPDATE ON sims REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
   FOR EACH STATEMENT EXECUTE FUNCTION record_sim_changes()
"""
# Of SIMs and pools that are there already the records begin now, by the gateway's clock.
_BEGIN = """
INSERT INTO records_since (id, at)
SELECT 1, now() + coalesce((SELECT offset_us FROM clock_offset WHERE id = 1), 0) * interval '1 microsecond'
 WHERE EXISTS (SELECT FROM sims) OR EXISTS (SELECT FROM pools)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")  # below deadlock_timeout; env.py tries again
    op.execute("LOCK TABLE sims, sim_history, operations IN SHARE ROW EXCLUSIVE MODE")
    op.execute("LOCK TABLE usage_reports IN ACCESS EXCLUSIVE MODE")
    op.create_table(
        "sim_changes",
        sa.Column("sim_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("known_at", INSTANT, primary_key=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
    )
    op.create_index("ix_sim_changes_known_at", "sim_changes", ["known_at"], postgresql_using="brin")
    op.create_table(
        "pool_changes",
        sa.Column("pool_ref", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("known_at", INSTANT, primary_key=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("before", JSONB(), nullable=False),
    )
    op.create_table(
        "usage_figures_replaced",
        sa.Column("sim_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("cycle", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("day", sa.Date()),
        sa.Column("starts_at", INSTANT),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("as_of", INSTANT),
        sa.Column("until", INSTANT, nullable=False),
    )
    op.create_index("ix_usage_figures_replaced_until", "usage_figures_replaced", ["until"], postgresql_using="brin")
    op.add_column("usage_reports", sa.Column("received_at", INSTANT))
    op.create_table(
        "records_since",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.create_index(
        "ix_sim_history_late", "sim_history", ["sim_id", "known_at"],
        postgresql_where=sa.text("took_effect_at < known_at"),
    )  # fmt: skip
    op.create_index(
        "ix_operations_sim_id_scheduled", "operations", ["sim_id", "id"],
        postgresql_where=sa.text("coalesce(history -> 0 ->> 'status', 'scheduled') = 'scheduled'"),
    )  # fmt: skip
    op.execute(_BEGIN)
    op.execute(_RECORD)
    op.execute(_TRIGGER)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER record_sim_changes ON sims")
    op.execute("DROP FUNCTION record_sim_changes()")
    op.drop_index("ix_operations_sim_id_scheduled", "operations")
    op.drop_index("ix_sim_history_late", "sim_history")
    op.drop_table("records_since")
    op.drop_column("usage_reports", "received_at")
    op.drop_table("usage_figures_replaced")
    op.drop_table("pool_changes")
    op.drop_table("sim_changes")
