"""Tables of reminders: what a tenant's SIMs and pools without settings of their own are reminded of, and when."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, Table, Text, Time, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.schema.base import INSTANT, metadata

reminder_settings = Table(
    "reminder_settings",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("usage_mb", ARRAY(Integer)),
    Column("expiry_days", ARRAY(Integer)),
    Column("pool_percent", ARRAY(Integer)),
    Column("quiet_from", Time),
    Column("quiet_to", Time),
    Column("language", Text, nullable=False, server_default=text("'en'")),
    Column("checked_through", BigInteger),
    Column("updated_at", INSTANT, nullable=False),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)
"""A NULL threshold: the tenant has set none. `checked_through`: the row id of the last SIM whose limit check was queued
since the thresholds changed; NULL: all were."""
