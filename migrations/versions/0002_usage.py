"""Usage: distinct reports, counters by cycle, carriers' figures, pools' cycles, the stops that rules ask for.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE SCHEMA usage_parts")
    op.create_table(
        "cycle_rollovers",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("last_sim_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("done_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_cycle_rollovers")),
    )
    op.create_table(
        "pool_cycles",
        sa.Column("pool_ref", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("addons", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("marks", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("stopping", sa.Text(), nullable=True),
        sa.Column("stopped_through", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cards", sa.Integer(), nullable=True),
        sa.Column("effective_cards", sa.Integer(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("pool_ref", "cycle", name=op.f("pk_pool_cycles")),
    )
    op.create_table(
        "pull_cursors",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("slot", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("phase", sa.SmallInteger(), nullable=False),
        sa.Column("last_sim_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_pull_cursors")),
    )
    op.create_table(
        "rule_stops",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("hold", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("asked_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_stops")),
        sa.UniqueConstraint("sim_id", "cycle", "hold", name=op.f("uq_rule_stops_sim_id_cycle_hold")),
    )
    op.create_index("ix_rule_stops_account_stopped_at", "rule_stops", ["account", "stopped_at"], unique=False)
    op.create_table(
        "usage_addons",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sim_id", sa.BigInteger(), nullable=True),
        sa.Column("pool_ref", sa.Integer(), nullable=True),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("in_force_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(sim_id IS NULL) <> (pool_ref IS NULL)", name=op.f("ck_usage_addons_one_subject")),
        sa.CheckConstraint("bytes > 0", name=op.f("ck_usage_addons_bytes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_addons")),
    )
    op.create_index(
        "ix_usage_addons_pool_ref",
        "usage_addons",
        ["pool_ref"],
        unique=False,
        postgresql_where=sa.text("pool_ref IS NOT NULL"),
    )
    op.create_index(
        "ix_usage_addons_sim_id",
        "usage_addons",
        ["sim_id"],
        unique=False,
        postgresql_where=sa.text("sim_id IS NOT NULL"),
    )
    op.create_table(
        "usage_checks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sim_id", sa.BigInteger(), nullable=True),
        sa.Column("pool_ref", sa.Integer(), nullable=True),
        sa.CheckConstraint("(sim_id IS NULL) <> (pool_ref IS NULL)", name=op.f("ck_usage_checks_one_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_checks")),
    )
    op.create_table(
        "usage_cycles",
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pool_ref", sa.Integer(), nullable=True),
        sa.Column("reported", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reported_since", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reported_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("carrier_bytes", sa.BigInteger(), nullable=True),
        sa.Column("carrier_as_of", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("figures", sa.BigInteger(), nullable=True),
        sa.Column("figures_to", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("patchy", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("addons", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("watch", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "reported >= 0 AND reported_since >= 0 AND addons >= 0", name=op.f("ck_usage_cycles_amounts")
        ),
        sa.PrimaryKeyConstraint("sim_id", "cycle", name=op.f("pk_usage_cycles")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "ix_usage_cycles_pool_ref_cycle",
        "usage_cycles",
        ["pool_ref", "cycle"],
        unique=False,
        postgresql_where=sa.text("pool_ref IS NOT NULL"),
    )
    op.create_table(
        "usage_days",
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("starts_at < as_of", name=op.f("ck_usage_days_covers")),
        sa.PrimaryKeyConstraint("sim_id", "day", name=op.f("pk_usage_days")),
    )
    op.create_table(
        "usage_epoch",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_usage_epoch_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_epoch")),
    )
    op.create_table(
        "usage_gateways",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lowest", sa.Text(), nullable=True),
        sa.Column("highest", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_gateways")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_usage_gateways_tenant_name")),
    )
    op.create_table(
        "usage_marks",
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sim_id", "cycle", "mark", name=op.f("pk_usage_marks")),
    )
    op.create_table(
        "usage_reports",
        sa.Column("sim_id", sa.BigInteger(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("gateway", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("iccid", sa.Text(), nullable=True),
        sa.CheckConstraint("(sim_id IS NULL) = (iccid IS NOT NULL)", name=op.f("ck_usage_reports_known_or_named")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_table(
        "usage_unknown",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("iccid", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_unknown")),
    )
    op.create_index("ix_usage_unknown_received_at", "usage_unknown", ["received_at"], unique=False)
    op.create_index("ix_usage_unknown_tenant_iccid", "usage_unknown", ["tenant", "iccid"], unique=False)
    op.add_column("pools", sa.Column("ref", sa.Integer(), sa.Identity(always=False), nullable=False))
    op.create_unique_constraint(op.f("uq_pools_ref"), "pools", ["ref"])
    op.drop_index("ix_sims_iccid_prefix", table_name="sims")
    op.create_index(
        "ix_sims_iccid_prefix",
        "sims",
        ["iccid"],
        unique=False,
        postgresql_ops={"iccid": "text_pattern_ops"},
        postgresql_include=["id", "tenant", "carrier", "account"],
    )
    op.execute("INSERT INTO usage_epoch (id) VALUES (1)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_sims_iccid_prefix", table_name="sims")
    op.create_index(
        "ix_sims_iccid_prefix", "sims", ["iccid"], unique=False, postgresql_ops={"iccid": "text_pattern_ops"}
    )
    op.drop_constraint(op.f("uq_pools_ref"), "pools", type_="unique")
    op.drop_column("pools", "ref")
    op.drop_index("ix_usage_unknown_tenant_iccid", table_name="usage_unknown")
    op.drop_index("ix_usage_unknown_received_at", table_name="usage_unknown")
    op.drop_table("usage_unknown")
    op.drop_table("usage_reports")
    op.drop_table("usage_marks")
    op.drop_table("usage_gateways")
    op.drop_table("usage_epoch")
    op.drop_table("usage_days")
    op.drop_index(
        "ix_usage_cycles_pool_ref_cycle", table_name="usage_cycles", postgresql_where=sa.text("pool_ref IS NOT NULL")
    )
    op.drop_table("usage_cycles")
    op.drop_table("usage_checks")
    op.drop_index("ix_usage_addons_sim_id", table_name="usage_addons", postgresql_where=sa.text("sim_id IS NOT NULL"))
    op.drop_index(
        "ix_usage_addons_pool_ref", table_name="usage_addons", postgresql_where=sa.text("pool_ref IS NOT NULL")
    )
    op.drop_table("usage_addons")
    op.drop_index("ix_rule_stops_account_stopped_at", table_name="rule_stops")
    op.drop_table("rule_stops")
    op.drop_table("pull_cursors")
    op.drop_table("pool_cycles")
    op.drop_table("cycle_rollovers")
    op.execute("DROP SCHEMA usage_parts")
