"""Automations and their firings.

Revision ID: 0042
Revises: 0041
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "automations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("condition", postgresql.JSONB(), nullable=False),
        sa.Column("action", postgresql.JSONB(), nullable=False),
        sa.Column("scope", postgresql.JSONB(), nullable=False),
        sa.Column("sim_filter", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("backtested_version", sa.Integer()),
        sa.Column("approval_id", sa.Uuid()),
        sa.Column("approved_cards", sa.Integer()),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("armed_by", sa.Text()),
        sa.Column("armed_at", INSTANT),
        sa.Column("looks_back_s", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("position", sa.BigInteger()),
        sa.Column("last_sim_id", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_run_at", INSTANT),
        sa.Column("evaluated_at", INSTANT),
    )
    op.create_index("ix_automations_tenant_id", "automations", ["tenant", "id"])
    op.create_index(
        "ix_automations_armed_next_run_at", "automations", ["next_run_at"], postgresql_where=sa.text("status = 'armed'")
    )
    op.create_table(
        "automation_firings",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("automation_id", sa.Uuid(), sa.ForeignKey("automations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("iccid", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stops", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("done_at", INSTANT),
        sa.Column("released", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("operation_id", sa.Uuid()),
        sa.Column("error", postgresql.JSONB()),
        sa.UniqueConstraint("automation_id", "sim_id", "occasion"),
    )
    indexes = (
        ("ix_automation_firings_automation_id_id", ["automation_id", "id"], None),
        ("ix_automation_firings_waiting", ["automation_id", "due_at"], "status = 'waiting'"),
        ("ix_automation_firings_braked", ["automation_id", "id"], "status = 'braked'"),
        ("ix_automation_firings_stopped", ["account", "done_at"], "stops AND status = 'fired'"),
    )
    for name, columns, where in indexes:
        condition = sa.text(where) if where else None
        op.create_index(name, "automation_firings", columns, postgresql_where=condition)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("automation_firings")
    op.drop_table("automations")
