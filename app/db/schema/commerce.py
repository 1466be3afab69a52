"""Tables of commerce: add-on packs."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Table, Text

from app.db.schema.base import metadata

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
