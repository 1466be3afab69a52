"""Tables of scheduled jobs, of the clock that the sandbox advances, and of imports done once."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.base import INSTANT, metadata

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

import_marks = Table(
    "import_marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_at", INSTANT, nullable=False),
)
