"""Tables of what is done with care: approvals by a second person, and automations with their firings."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.schema.base import INSTANT, metadata

approvals = Table(
    "approvals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("cards", Integer, nullable=False),
    Column("above", Integer, nullable=False),
    Column("summary", JSONB, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text),
    Column("requested_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", INSTANT),
    Column("note", Text),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    Index("ix_approvals_tenant_id", "tenant", "id"),
    Index("ix_approvals_waiting_expires_at", "expires_at", postgresql_where=text("status = 'waiting'")),
    Index("uq_approvals_waiting_subject_id", "subject_id", unique=True, postgresql_where=text("status = 'waiting'")),
)
"""`subject`: bulk_operation or automation; `above`: the tenant's size at the time; `summary`: what is to be done."""

automations = Table(
    "automations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("condition", JSONB, nullable=False),
    Column("action", JSONB, nullable=False),
    Column("scope", JSONB, nullable=False),
    Column("sim_filter", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("backtested_version", Integer),
    Column("approval_id", Uuid),
    Column("approved_cards", Integer),
    Column("created_by", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    Column("armed_by", Text),
    Column("armed_at", INSTANT),
    Column("looks_back_s", BigInteger, nullable=False, server_default=text("0")),
    Column("position", BigInteger),
    Column("last_sim_id", BigInteger, nullable=False, server_default=text("0")),
    Column("next_run_at", INSTANT),
    Column("evaluated_at", INSTANT),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    Index("ix_automations_tenant_id", "tenant", "id"),
    Index("ix_automations_armed_next_run_at", "next_run_at", postgresql_where=text("status = 'armed'")),
)
"""`condition`, `action` and `scope` as the API has them; `sim_filter`: the scope as the filter of a list of SIMs.

`position`: of the last event that was judged; `last_sim_id`: of the last SIM of the running pass over the scope;
`looks_back_s`: how many seconds before its arming an event may lie that the condition still waits on.
"""

automation_firings = Table(
    "automation_firings",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("automation_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sim_id", BigInteger, nullable=False),
    Column("iccid", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("stops", Boolean, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("due_at", INSTANT),
    Column("done_at", INSTANT),
    Column("released", Boolean, nullable=False, server_default=text("false")),
    Column("operation_id", Uuid),
    Column("error", JSONB),
    ForeignKeyConstraint(["automation_id"], ["automations.id"], ondelete="CASCADE"),
    UniqueConstraint("automation_id", "sim_id", "occasion"),
    Index("ix_automation_firings_automation_id_id", "automation_id", "id"),
    Index("ix_automation_firings_waiting", "automation_id", "due_at", postgresql_where=text("status = 'waiting'")),
    Index("ix_automation_firings_braked", "automation_id", "id", postgresql_where=text("status = 'braked'")),
    Index("ix_automation_firings_stopped", "account", "done_at", postgresql_where=text("stops AND status = 'fired'")),
)
"""One row for each automation, SIM and occasion, stored in the transaction of its effect.

`at`: when the condition was met; `due_at`: until when a state must last; `done_at`: when it was carried out, refused,
or lapsed; `released`: carried out by a person's release of the brake.
"""
