"""Tables of carts and orders: what is wanted, what is ordered, and the payment that counts once (ADR 21)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.schema.base import EMPTY_ARRAY, EMPTY_OBJECT, INSTANT, metadata

carts = Table(
    "carts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("terms", Text),
    Column("created_by", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("checked_at", INSTANT, nullable=False),
    Column("order_id", Uuid),
    Index("ix_carts_created_at", "created_at"),
)
"""`terms`: the supplier, NULL until a SIM shows it; `checked_at`: since when the oldest check of an entry stands."""

cart_items = Table(
    "cart_items",
    metadata,
    Column("cart_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("given", JSONB, nullable=False),
    Column("entries", Integer, nullable=False, server_default=text("0")),
    Column("refused", Integer, nullable=False, server_default=text("0")),
    Column("amount_fen", BigInteger, nullable=False, server_default=text("0")),
    ForeignKeyConstraint(["cart_id"], ["carts.id"], ondelete="CASCADE"),
)
"""What a caller put in, as given; the counts are of its entries, `amount_fen` of those not refused."""

cart_entries = Table(
    "cart_entries",
    metadata,
    Column("cart_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sim_id", BigInteger),
    Column("iccid", Text),
    Column("pool", Text),
    Column("quantity", Integer),
    Column("arguments", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("price_fen", BigInteger),
    Column("expires_on", Date),
    Column("renews_to", Date),
    Column("conditions", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("refusal", JSONB),
    ForeignKeyConstraint(["cart_id", "item"], ["cart_items.cart_id", "cart_items.number"], ondelete="CASCADE"),
    Index("ix_cart_entries_item", "cart_id", "item", "position"),
    Index("uq_cart_entries_sim", "cart_id", "sim_id", unique=True, postgresql_where=text("refusal IS NULL")),
)
"""One row for each SIM of an item, or one for a pool or for new SIMs. A SIM stands in a cart once (RN-6)."""

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("terms", Text),
    Column("amount_fen", BigInteger, nullable=False),
    Column("items", Integer, nullable=False),
    Column("cards", Integer, nullable=False),
    Column("pooled", Boolean, nullable=False),
    Column("months", SmallInteger),
    Column("auto_renew", Boolean, nullable=False),
    Column("batch", Text),
    Column("courier", Text),
    Column("tracking_number", Text),
    Column("failure_reason", Text),
    Column("history", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("delivery_earliest", INSTANT),
    Column("delivery_due_at", INSTANT),
    Column("delivery_rule", Text),
    Column("requested_by", Text),
    Column("reason", Text),
    Column("correlation_id", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("advanced_at", INSTANT),
    Column("finished_at", INSTANT),
    CheckConstraint("amount_fen >= 0 AND items > 0", name="amounts"),
    Index("ix_orders_tenant_id", "tenant", "id"),
    Index("ix_orders_auto_renew", "tenant", postgresql_where=text("auto_renew")),
    Index("ix_orders_fulfilling", "id", postgresql_where=text("status = 'fulfilling'")),
)
"""`cards`: SIMs ordered, or ordered for; `months`: bought for each, NULL where they differ."""

order_items = Table(
    "order_items",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("sim_id", BigInteger),
    Column("iccid", Text),
    Column("pool", Text),
    Column("quantity", Integer),
    Column("arguments", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("price_fen", BigInteger, nullable=False),
    Column("expires_on", Date),
    Column("renews_to", Date),
    Column("conditions", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("operation_id", Uuid),
    Column("error", JSONB),
    Column("retries", Integer, nullable=False, server_default=text("0")),
    Column("ended_at", INSTANT),
    ForeignKeyConstraint(["order_id"], ["orders.id"], ondelete="CASCADE"),
    Index("ix_order_items_pending", "order_id", "number", postgresql_where=text("status = 'pending'")),
    Index("ix_order_items_open", "order_id", postgresql_where=text("status = 'open'")),
    Index("ix_order_items_operation_id", "operation_id", postgresql_where=text("operation_id IS NOT NULL")),
    Index(
        "ix_order_items_renewing",
        "sim_id",
        postgresql_where=text("kind = 'renew' AND status IN ('pending', 'open')"),
    ),
)
"""`status`: pending (not begun), open (its operation has not ended), succeeded, failed, cancelled."""

order_payments = Table(
    "order_payments",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),
    Column("paid_from", Text, nullable=False),
    Column("paid_at", INSTANT, nullable=False),
    Column("judged_at", INSTANT, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    ForeignKeyConstraint(["order_id"], ["orders.id"]),
    Index("ix_order_payments_tenant_reference", "tenant", "reference"),
)
"""One row per order: a payment counts once (RN-6). `judged_at`: the instant at which windows are judged (RN-1)."""
