"""Tables of the carriers' side: notifications received, state and call budget of accounts, drift of SIMs.

Drift is where the carrier's state of a SIM disagrees with the gateway's; each is reported by one event.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Table,
    Text,
    Uuid,
    text,
)

from app.db.schema.base import INSTANT, metadata

inbox = Table(
    "inbox",
    metadata,
    Column("account", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("protocol", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("iccid", Text),
    Column("msisdn", Text),
    Column("reference", Text),
    Column("succeeded", Boolean),
    Column("payload", Text, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    Column("handled_at", INSTANT),
    Index("ix_inbox_unhandled", "received_at", postgresql_where=text("handled_at IS NULL")),
)

account_states = Table(
    "account_states",
    metadata,
    Column("account", Text, primary_key=True),
    Column("paused_at", INSTANT),
    Column("brake_released_at", INSTANT),
    Column("changes_seen_at", INSTANT),
)

call_budgets = Table(
    "call_budgets",
    metadata,
    Column("account", Text, primary_key=True),
    Column("next_call_at", INSTANT, nullable=False),
    Column("cut_rate", Double),
    Column("cut_at", INSTANT),
    Column("paused_until", INSTANT),
)
"""`cut_rate`: calls an hour that the last decrease left, at `cut_at` (`app.domain.operation.pace`);
`paused_until`: until when the carrier asked for a pause."""

repeat_windows = Table(
    "repeat_windows",
    metadata,
    Column("account", Text, primary_key=True),
    Column("iccid", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("free_at", INSTANT, nullable=False),
)

carrier_drifts = Table(
    "carrier_drifts",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("seen_at", INSTANT, nullable=False),
    Column("reported_at", INSTANT),
    Column("intended", Text, nullable=False),
    Column("reported", Text),
    Column("explanation", Text, nullable=False),
    Column("operation_id", Uuid),
)
