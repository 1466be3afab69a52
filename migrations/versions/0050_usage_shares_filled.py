"""The shares of the counters that there are. Nobody waits for it: it reads counters and writes to a new table.

What processes of the release before count meanwhile is restated by the SIM's next report, or in the night.

Revision ID: 0050
Revises: 0049
"""

from __future__ import annotations

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

# Of each SIM its newest counter: whether that is the running cycle's is asked by whoever reads. Steps as in
# `app.db.used.STEPS` of this revision.
_USED = """greatest(coalesce(c.figures, 0) + coalesce(c.reported_since, 0)
             - CASE WHEN c.figures_to >= c.tested_to THEN 0 ELSE coalesce(c.tested, 0) END, 0)"""
_FILL = f"""
INSERT INTO usage_shares AS h (sim_id, tenant, carrier, plan, cycle, allowance, step)
SELECT s.id, s.tenant, s.carrier, s.plan, n.cycle, p.allowance,
       CASE WHEN n.used = 0 THEN 0 WHEN p.allowance::numeric + n.addons = 0 THEN 20
            ELSE width_bucket(n.used::numeric * 100 / (p.allowance::numeric + n.addons), ARRAY[
                 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100, 110, 120, 150, 200, 300, 500, 1000
                 ]::numeric[]) END
  FROM (SELECT DISTINCT ON (c.sim_id) c.sim_id, c.cycle, c.addons, {_USED} AS used
          FROM usage_cycles c WHERE c.cycle >= to_char(now() - interval '40 days', 'YYYYMM')::int
         ORDER BY c.sim_id, c.cycle DESC) n
  JOIN sims s ON s.id = n.sim_id JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
 ORDER BY s.id
ON CONFLICT (sim_id) DO UPDATE SET cycle = excluded.cycle, allowance = excluded.allowance, step = excluded.step
 WHERE h.cycle < excluded.cycle
"""  # noqa: S608 - our own text


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(_FILL)


def downgrade() -> None:
    op.execute("TRUNCATE usage_shares")
