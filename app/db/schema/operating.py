"""The table of subjects that background tasks have set aside."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Computed, Identity, Integer, Table, Text, UniqueConstraint

from app.db.schema.base import INSTANT, metadata

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("task", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", BigInteger),
    Column("subject", Text, nullable=False),
    Column("tenant", Text),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", INSTANT, nullable=False),
    Column("next_attempt_at", INSTANT, nullable=False),
    Column("key", Text, Computed("coalesce(subject_id::text, subject)", persisted=True)),
    UniqueConstraint("task", "kind", "subject_id"),
    UniqueConstraint("task", "kind", "key"),
)
"""A subject that a task could not handle: `subject` is its ICCID, id or code, `error` the class of the error.

`key`: the row id of a SIM or pool (`subject_id`), what `subject` says of any other kind.
"""
