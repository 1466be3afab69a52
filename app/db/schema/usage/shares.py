"""The table by which SIMs are found by the share of their allowance that they have used (ADR 39)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text

from app.db.schema.base import metadata

usage_shares = Table(
    "usage_shares",
    metadata,
    Column("sim_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("allowance", BigInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Index("ix_usage_shares_step", "tenant", "carrier", "plan", "cycle", "allowance", "step", "sim_id"),
)
"""At which step of its allowance (`app.db.used.STEPS`) each SIM is in its newest cycle.

`plan`, `carrier`: those of `sims`, kept by a trigger of it; `cycle`: the newest that has traffic; `allowance`: that of
which `step` was worked out, so that a plan whose allowance changes needs no row changed at once."""
