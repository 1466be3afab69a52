"""Tables of what changes replaced: SIMs, pools and carrier figures as they were before (LC-12, ADR 29)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.base import INSTANT, metadata

OF_POOLS = "before ?| '{activated_on,expires_on,pool,state,underlying}'::text[]"
"""The changes of what a SIM's pool depends on."""

sim_changes = Table(
    "sim_changes",
    metadata,
    Column("sim_id", BigInteger, primary_key=True, autoincrement=False),
    Column("known_at", INSTANT, primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("whole", Boolean, nullable=False),
    Column("before", JSONB, nullable=False),
    Index("ix_sim_changes_known_at", "known_at", postgresql_using="brin"),
    Index("ix_sim_changes_membership", "sim_id", "known_at", postgresql_where=text(OF_POOLS)),
)
"""What each change of a `sims` row replaced, written by the trigger `record_sim_changes` (migration 0037).

`before`: the values that the changed columns had until `known_at`, or every column where `whole` (each 32nd version):
the row as it was known at an instant is rebuilt from the first few records after it (`app.db.sims.past`)."""

pool_changes = Table(
    "pool_changes",
    metadata,
    Column("pool_ref", Integer, primary_key=True, autoincrement=False),
    Column("known_at", INSTANT, primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("before", JSONB, nullable=False),
)
"""`before`: name, rules, state and arrears that a pool had until `known_at`."""

usage_figures_replaced = Table(
    "usage_figures_replaced",
    metadata,
    Column("sim_id", BigInteger, primary_key=True, autoincrement=False),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("day", Date),
    Column("starts_at", INSTANT),
    Column("bytes", BigInteger),
    Column("as_of", INSTANT),
    Column("until", INSTANT, nullable=False),
    Index("ix_usage_figures_replaced_until", "until", postgresql_using="brin"),
)
"""The carrier figures that were held until `until`, of a cycle, or of a `day` that began at `starts_at`.

`bytes` NULL: there was none before. The figures held now are in `usage_cycles` and `usage_days`."""

records_since = Table(
    "records_since",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", INSTANT, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""Since when these records are kept, where SIMs were there before them; no row: from each SIM's import on."""
