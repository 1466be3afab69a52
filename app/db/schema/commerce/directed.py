"""The table of directed lists: the addresses that the SIMs of an order may reach (DR)."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, Table, Text, Uuid, text

from app.db.schema.base import INSTANT, metadata

directed_entries = Table(
    "directed_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("protocol", Text, nullable=False, server_default=text("''")),
    Column("status", Text, nullable=False),
    Column("deleting_from", Text),
    Column("open", Boolean, nullable=False),
    Column("note", Text),
    Column("requested_by", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("changed_at", INSTANT, nullable=False),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    Index("uq_directed_entries_value", "tenant", "order_id", "value", "protocol", unique=True),
    Index("ix_directed_entries_open", "tenant", "id", postgresql_where=text("open")),
)
"""`order_id`: an order's name as it stands on SIMs. `protocol` '': any. `open`: the supplier's desk has it in hand.
`deleting_from`: the status before its deletion was asked for; NULL: none was."""
