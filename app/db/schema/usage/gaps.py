"""The tables of disputes with carriers: gaps between two meters, and the figures that people submitted (US-6)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Index, Integer, Table, Text, UniqueConstraint

from app.db.schema.base import INSTANT, metadata

usage_gaps = Table(
    "usage_gaps",
    metadata,
    Column("sim_id", BigInteger, primary_key=True, autoincrement=False),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("ours", BigInteger, nullable=False),
    Column("theirs", BigInteger, nullable=False),
    Column("as_of", INSTANT, nullable=False),
    Column("width", BigInteger, nullable=False),
    Index("ix_usage_gaps_width", "tenant", "carrier", "cycle", "width", "sim_id"),
)
"""SIMs whose sum in a cycle (yyyymm) differs from the carrier's by more than the band, or whose meters disagree.

`ours`, `theirs`: bytes up to `as_of`; `width`: the bytes by which they differ."""

usage_corrections = Table(
    "usage_corrections",
    metadata,
    Column("sim_id", BigInteger, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("day", Date),
    Column("bytes", BigInteger, nullable=False),
    Column("as_of", INSTANT, nullable=False),
    Column("former", BigInteger),
    Column("at", INSTANT, nullable=False),
    UniqueConstraint("sim_id", "cycle", "day", postgresql_nulls_not_distinct=True),
)
"""Figures that people submitted for a day, or for the cycle (`day` NULL), the last of each (US-3).

`bytes`, `as_of`: the figure; `former`: the carrier's figure that it replaced, NULL where there was none; `at`: when."""
