"""At which step of its allowance each SIM is, so that lists find SIMs by what they have used.

Filled by the next migration: this one locks `usage_cycles` and `sims` for a moment.

Revision ID: 0049
Revises: 0048
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# Deferred: shares are locked last, behind the counters whose transactions write them. One that does not exist yet is
# made, so that whoever is about to make it finds this one, with the plan that holds from now on.
_FOLLOW = """
CREATE FUNCTION follow_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_shares (sim_id, tenant, carrier, plan, cycle, allowance, step)
    VALUES (NEW.id, NEW.tenant, NEW.carrier, NEW.plan, 0, 0, 0)
    ON CONFLICT (sim_id) DO UPDATE SET carrier = excluded.carrier, plan = excluded.plan;
    RETURN NULL;
END $$
"""
_TRIGGER = """
CREATE CONSTRAINT TRIGGER follow_plan AFTER UPDATE OF plan, carrier ON sims DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN ((OLD.plan, OLD.carrier) IS DISTINCT FROM (NEW.plan, NEW.carrier)) EXECUTE FUNCTION follow_plan()
"""
_WALL = "tenant = current_setting('simgate.tenant', true)"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")  # below deadlock_timeout; env.py tries again
    op.create_table(
        "usage_shares",
        sa.Column("sim_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("allowance", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sim_id", name=op.f("pk_usage_shares")),
    )
    op.create_index(
        "ix_usage_shares_step",
        "usage_shares",
        ["tenant", "carrier", "plan", "cycle", "allowance", "step", "sim_id"],
    )
    op.execute("ALTER TABLE usage_shares ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON usage_shares USING ({_WALL}) WITH CHECK ({_WALL})")
    op.execute(_FOLLOW)
    op.execute("LOCK TABLE sims IN SHARE ROW EXCLUSIVE MODE")
    op.execute(_TRIGGER)
    op.add_column("usage_cycles", sa.Column("share_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("usage_cycles", "share_at")
    op.execute("DROP TRIGGER follow_plan ON sims")
    op.execute("DROP FUNCTION follow_plan()")
    op.drop_table("usage_shares")
