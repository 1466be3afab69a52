"""Invoices of orders, the titles they are made out to, and which orders renew by themselves.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
DETAILS = ("title", "tax_id", "address", "phone", "bank", "account")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "invoice_titles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in DETAILS),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invoice_titles"),
        sa.UniqueConstraint("tenant", *DETAILS, name="uq_invoice_titles_whole"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_invoice_titles_tenant"),
    )
    op.create_index("ix_invoice_titles_tenant_id", "invoice_titles", ["tenant", "id"])
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("title", postgresql.JSONB(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
    )
    op.create_index("ix_invoices_tenant_id", "invoices", ["tenant", "id"])
    op.create_table(
        "invoice_orders",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("released", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", "order_id", name="pk_invoice_orders"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_invoice_orders_invoice_id"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_invoice_orders_order_id"),
    )
    op.create_index(
        "uq_invoice_orders_order", "invoice_orders", ["order_id"], unique=True, postgresql_where=sa.text("NOT released")
    )
    op.create_index("ix_orders_auto_renew", "orders", ["tenant"], postgresql_where=sa.text("auto_renew"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_orders_auto_renew", "orders")
    op.drop_table("invoice_orders")
    op.drop_table("invoices")
    op.drop_table("invoice_titles")
