"""Tables of running the gateway: subjects set aside by tasks, job runs, the sandbox clock, imports done once."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Identity,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

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

job_runs = Table(
    "job_runs",
    metadata,
    Column("job", Text, primary_key=True),
    Column("slot", INSTANT, primary_key=True),
    Column("started_at", INSTANT, nullable=False),
    Column("lease_until", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    Column("report", JSONB),
)

clock_offset = Table(
    "clock_offset",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("offset_us", BigInteger, nullable=False),
    CheckConstraint("id = 1 AND offset_us >= 0", name="one_row_forwards"),
)

oldest_release = Table(
    "oldest_release",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("revision", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""The newest migration of the oldest release that runs on this schema (`app.db.schema.revision`)."""

import_marks = Table(
    "import_marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_at", INSTANT, nullable=False),
)
