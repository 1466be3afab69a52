"""Buyers' accounts, the entries of their balances, and what overrun was charged.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("plans", sa.Column("overrun_since", INSTANT))
    op.execute("UPDATE plans SET overrun_since = now() WHERE overrun_fen_per_mb IS NOT NULL")
    _create_entries()
    _create_accounts()
    _create_overruns()


def _create_entries() -> None:
    op.create_table(
        "balance_entries",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("before_fen", sa.BigInteger(), nullable=False),
        sa.Column("after_fen", sa.BigInteger(), nullable=False),
        sa.Column("iccid", sa.Text(), nullable=True),
        sa.Column("cycle", sa.Integer(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint("amount_fen <> 0 AND after_fen = before_fen + amount_fen", name="ck_balance_entries_sum"),
        sa.CheckConstraint(
            "number > 0 AND CASE WHEN previous IS NULL THEN number = 1 AND before_fen = 0"
            " ELSE previous = number - 1 END",
            name="ck_balance_entries_chain",
        ),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_balance_entries"),
        sa.UniqueConstraint("tenant", "number", "after_fen", name="uq_balance_entries_tenant_number_after_fen"),
        sa.UniqueConstraint("tenant", "kind", "reference", name="uq_balance_entries_tenant_kind_reference"),
        sa.ForeignKeyConstraint(
            ["tenant", "previous", "before_fen"],
            ["balance_entries.tenant", "balance_entries.number", "balance_entries.after_fen"],
            name="fk_balance_entries_previous",
        ),
    )
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER balance_entries_append_only BEFORE UPDATE OR DELETE ON balance_entries"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def _create_accounts() -> None:
    op.create_table(
        "buyer_accounts",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=True),
        sa.Column("balance_fen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=True),
        sa.Column("spell", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("last_entry IS NOT NULL OR balance_fen = 0", name="ck_buyer_accounts_balance"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_buyer_accounts_tenant"),
        sa.ForeignKeyConstraint(
            ["tenant", "last_entry", "balance_fen"],
            ["balance_entries.tenant", "balance_entries.number", "balance_entries.after_fen"],
            name="fk_buyer_accounts_balance",
        ),
        sa.PrimaryKeyConstraint("tenant", name="pk_buyer_accounts"),
    )


def _create_overruns() -> None:
    op.create_table(
        "overrun_charges",
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("fen_per_mb", sa.BigInteger(), nullable=False),
        sa.Column("charged_mb", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("held_in_spell", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("sim_id", "cycle", name="pk_overrun_charges"),
    )
    op.create_index("ix_overrun_charges_tenant_cycle", "overrun_charges", ["tenant", "cycle"])
    op.create_table(
        "overrun_checks",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("sim_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_overrun_checks"),
    )
    op.create_index("ix_overrun_checks_sim_id", "overrun_checks", ["sim_id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("overrun_checks")
    op.drop_table("overrun_charges")
    op.drop_table("buyer_accounts")
    op.drop_table("balance_entries")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_column("plans", "overrun_since")
