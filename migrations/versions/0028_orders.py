"""Carts, orders, their items and payments; an operation names the order that bought it (ADR 21).

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
TEXT = sa.Text()
OBJECT = {"nullable": False, "server_default": sa.text("'{}'::jsonb")}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("operations", sa.Column("order_id", sa.Uuid()))
    _carts()
    _orders()
    op.create_table(
        "order_payments",
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("orders.id"), primary_key=True),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reference", TEXT, nullable=False),
        sa.Column("paid_from", TEXT, nullable=False),
        sa.Column("paid_at", INSTANT, nullable=False),
        sa.Column("judged_at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
    )
    op.create_index("ix_order_payments_tenant_reference", "order_payments", ["tenant", "reference"])


def _carts() -> None:
    op.create_table(
        "carts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("terms", TEXT),
        sa.Column("created_by", TEXT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("checked_at", INSTANT, nullable=False),
        sa.Column("order_id", sa.Uuid()),
    )
    op.create_index("ix_carts_created_at", "carts", ["created_at"])
    op.create_table(
        "cart_items",
        sa.Column("cart_id", sa.Uuid(), sa.ForeignKey("carts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("given", postgresql.JSONB(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("refused", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.create_table(
        "cart_entries",
        sa.Column("cart_id", sa.Uuid(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("sim_id", sa.BigInteger()),
        sa.Column("iccid", TEXT),
        sa.Column("pool", TEXT),
        sa.Column("quantity", sa.Integer()),
        sa.Column("arguments", postgresql.JSONB(), **OBJECT),
        sa.Column("price_fen", sa.BigInteger()),
        sa.Column("expires_on", sa.Date()),
        sa.Column("renews_to", sa.Date()),
        sa.Column("refusal", postgresql.JSONB()),
        sa.ForeignKeyConstraint(["cart_id", "item"], ["cart_items.cart_id", "cart_items.number"], ondelete="CASCADE"),
    )
    op.create_index("ix_cart_entries_item", "cart_entries", ["cart_id", "item", "position"])
    op.create_index(
        "uq_cart_entries_sim",
        "cart_entries",
        ["cart_id", "sim_id"],
        unique=True,
        postgresql_where=sa.text("refusal IS NULL"),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("terms", TEXT),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("cards", sa.Integer(), nullable=False),
        sa.Column("pooled", sa.Boolean(), nullable=False),
        sa.Column("months", sa.SmallInteger()),
        sa.Column("auto_renew", sa.Boolean(), nullable=False),
        sa.Column("batch", TEXT),
        sa.Column("courier", TEXT),
        sa.Column("tracking_number", TEXT),
        sa.Column("failure_reason", TEXT),
        sa.Column("history", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'::jsonb")),
        sa.Column("delivery_earliest", INSTANT),
        sa.Column("delivery_due_at", INSTANT),
        sa.Column("delivery_rule", TEXT),
        sa.Column("requested_by", TEXT),
        sa.Column("reason", TEXT),
        sa.Column("correlation_id", TEXT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("advanced_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.CheckConstraint("amount_fen >= 0 AND items > 0", name="amounts"),
    )
    op.create_index("ix_orders_tenant_id", "orders", ["tenant", "id"])
    op.create_index("ix_orders_fulfilling", "orders", ["id"], postgresql_where=sa.text("status = 'fulfilling'"))
    op.create_table(
        "order_items",
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("sim_id", sa.BigInteger()),
        sa.Column("iccid", TEXT),
        sa.Column("pool", TEXT),
        sa.Column("quantity", sa.Integer()),
        sa.Column("arguments", postgresql.JSONB(), **OBJECT),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("expires_on", sa.Date()),
        sa.Column("renews_to", sa.Date()),
        sa.Column("operation_id", sa.Uuid()),
        sa.Column("error", postgresql.JSONB()),
        sa.Column("retries", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("ended_at", INSTANT),
    )
    for name, columns, where in (
        ("pending", ["order_id", "number"], "status = 'pending'"),
        ("open", ["order_id"], "status = 'open'"),
        ("operation_id", ["operation_id"], "operation_id IS NOT NULL"),
        ("renewing", ["sim_id"], "kind = 'renew' AND status IN ('pending', 'open')"),
    ):
        op.create_index(f"ix_order_items_{name}", "order_items", columns, postgresql_where=sa.text(where))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("order_payments", "order_items", "orders", "cart_entries", "cart_items", "carts"):
        op.drop_table(table)
    op.drop_column("operations", "order_id")
