"""The table of findings: what the daily job found about SIMs and tenants, as long as it lasts and a while after."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.base import EMPTY_OBJECT, INSTANT, metadata

findings = Table(
    "findings",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("sim_id", BigInteger),
    Column("carrier", Text),
    Column("evidence", JSONB, nullable=False),
    Column("advice", Text, nullable=False),
    Column("operation", Text),
    Column("arguments", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("saves_fen", BigInteger),
    Column("since", INSTANT, nullable=False),
    Column("seen_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    Index(
        "uq_findings_open_sim",
        "sim_id",
        "code",
        unique=True,
        postgresql_where=text("ended_at IS NULL AND sim_id IS NOT NULL"),
    ),
    Index(
        "uq_findings_open_carrier",
        "tenant",
        "carrier",
        "code",
        unique=True,
        postgresql_where=text("ended_at IS NULL AND sim_id IS NULL"),
    ),
    Index("ix_findings_open", "tenant", "id", postgresql_where=text("ended_at IS NULL")),
    Index("ix_findings_ended", "tenant", "id", postgresql_where=text("ended_at IS NOT NULL")),
)
"""Of a SIM (`sim_id`), or of a tenant's SIMs of a carrier. `since`: when it was first found; `seen_at`: when last;
`ended_at`: when it was found no more, NULL: it lasts. `operation`: the kind that is suggested, with `arguments`."""
