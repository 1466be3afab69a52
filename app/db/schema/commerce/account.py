"""Tables of commerce: add-on packs, buyers' accounts and the entries of their balances (ADR 21)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.base import INSTANT, metadata

ZERO = text("0")

addons = Table(
    "addons",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("carrier", Text, nullable=False),
    Column("terms", Text),
    Column("scope", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("price_fen", BigInteger),
    Column("product_code", Text),
    CheckConstraint("bytes > 0 AND (price_fen IS NULL OR price_fen >= 0)", name="amounts"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)
"""`terms` NULL: under any terms; `price_fen` NULL: not known, so that it cannot be ordered."""

buyer_accounts = Table(
    "buyer_accounts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("company", Text),
    Column("contact", Text),
    Column("phone", Text),
    Column("email", Text),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("updated_at", INSTANT),
    Column("balance_fen", BigInteger, nullable=False, server_default=ZERO),
    Column("last_entry", BigInteger),
    Column("spell", Integer, nullable=False, server_default=ZERO),
    CheckConstraint("last_entry IS NOT NULL OR balance_fen = 0", name="balance"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    ForeignKeyConstraint(
        ["tenant", "last_entry", "balance_fen"],
        ["balance_entries.tenant", "balance_entries.number", "balance_entries.after_fen"],
        name="fk_buyer_accounts_balance",
    ),
)
"""A tenant as a buyer: its profile (RN-9) and its balance, which is the sum after the last entry by a foreign key.

Whoever adds an entry locks the row first. `spell`: how often the balance has become positive (ST-14)."""

balance_entries = Table(
    "balance_entries",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("previous", BigInteger),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("before_fen", BigInteger, nullable=False),
    Column("after_fen", BigInteger, nullable=False),
    Column("iccid", Text),
    Column("cycle", Integer),
    Column("order_id", Text),
    Column("at", INSTANT, nullable=False),
    UniqueConstraint("tenant", "number", "after_fen"),
    UniqueConstraint("tenant", "kind", "reference"),
    CheckConstraint("amount_fen <> 0 AND after_fen = before_fen + amount_fen", name="sum"),
    CheckConstraint(
        "number > 0 AND CASE WHEN previous IS NULL THEN number = 1 AND before_fen = 0 ELSE previous = number - 1 END",
        name="chain",
    ),
    ForeignKeyConstraint(
        ["tenant", "previous", "before_fen"],
        ["balance_entries.tenant", "balance_entries.number", "balance_entries.after_fen"],
        name="fk_balance_entries_previous",
    ),
)
"""Append-only: the trigger `balance_entries_append_only` (migration 0029) refuses UPDATE and DELETE.

The sum before an entry is by a foreign key the sum after its predecessor. `iccid`, `cycle` (yyyymm), `order_id`: what
a charge is for; no foreign keys, since an entry outlives them."""

overrun_charges = Table(
    "overrun_charges",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("fen_per_mb", BigInteger, nullable=False),
    Column("charged_mb", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("held_in_spell", Integer),
    Index("ix_overrun_charges_tenant_cycle", "tenant", "cycle"),
)
"""What a SIM's overrun of a cycle (yyyymm) was charged so far: `charged_mb` megabytes at `fen_per_mb`, in `times`
entries (QT-3). `held_in_spell`: the spell of an empty balance for which the SIM was put in arrears (ST-14)."""

overrun_checks = Table(
    "overrun_checks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sim_id", BigInteger, nullable=False),
    Column("cycle", Integer, nullable=False),
    Index("ix_overrun_checks_sim_id", "sim_id"),
)
"""Closed cycles whose overrun is to be charged anew: their usage changed, or they have just closed.

Several rows of one are one: a unique key would let ingest wait for the limits' loop, which waits for ingest."""

invoice_titles = Table(
    "invoice_titles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("tax_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("bank", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    UniqueConstraint(
        "tenant", "title", "tax_id", "address", "phone", "bank", "account", name="uq_invoice_titles_whole"
    ),
    Index("ix_invoice_titles_tenant_id", "tenant", "id"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)
"""Titles that a tenant has used, offered again (IV-1)."""

invoices = Table(
    "invoices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("title", JSONB, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("number", Text),
    Column("reason", Text),
    Column("requested_by", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    Index("ix_invoices_tenant_id", "tenant", "id"),
)
"""`status`: requested, issued, refused; `title`: as it was when requested; `number`: the invoice's own."""

invoice_orders = Table(
    "invoice_orders",
    metadata,
    Column("invoice_id", Uuid, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("released", Boolean, nullable=False, server_default=text("false")),
    ForeignKeyConstraint(["invoice_id"], ["invoices.id"]),
    ForeignKeyConstraint(["order_id"], ["orders.id"]),
    Index("uq_invoice_orders_order", "order_id", unique=True, postgresql_where=text("NOT released")),
)
"""Each order stands on one invoice; those of a refused invoice are released (IV-1)."""
