"""The table of subjects that background tasks have set aside."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Integer, Table, Text, UniqueConstraint

from app.db.schema.base import INSTANT, metadata

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("task", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("tenant", Text),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", INSTANT, nullable=False),
    Column("next_attempt_at", INSTANT, nullable=False),
    UniqueConstraint("task", "kind", "subject_id"),
)
"""A SIM or pool that a task could not handle: `subject` is its ICCID or id, `error` the class of the error."""
