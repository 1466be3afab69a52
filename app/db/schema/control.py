"""Tables of the control plane: tenants and keys, plans, pools and SIMs, operations, events, audit.

Constraints enforce the invariants: one open operation per SIM, one response per idempotency key.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.schema.base import EMPTY_ARRAY, EMPTY_OBJECT, INSTANT, metadata

OPEN = "status IN ('queued', 'running', 'waiting_carrier', 'verifying')"

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", INSTANT, nullable=False),
    Column("approval_above", Integer),
    Column("approval_hours", Integer),
)
"""`approval_above`: SIMs beyond which a bulk operation or automation waits for approval, NULL: none ever does.
`approval_hours`: how long an approval is waited for; NULL: as the rule has it."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("name", Text),
    Column("requests_per_s", Integer),
    Column("expires_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)

plans = Table(
    "plans",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("carrier", Text, nullable=False),
    Column("allowance", BigInteger, nullable=False),
    Column("months", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("auto_stop", Boolean, nullable=False, server_default=text("false")),
    Column("directed", Boolean, nullable=False, server_default=text("false")),
    Column("test_months", SmallInteger),
    Column("test_bytes", BigInteger),
    Column("grade", Text),
    Column("price_fen", BigInteger),
    Column("renewals_max", SmallInteger),
    Column("overrun_fen_per_mb", BigInteger),
    Column("overrun_since", INSTANT),
    Column("renewal_months", ARRAY(SmallInteger)),
    Column("plan_change_online", Boolean),
    Column("change_price_fen", BigInteger),
    CheckConstraint("allowance >= 0 AND months > 0", name="amounts"),
)
"""`overrun_since`: since when overrun has a price; cycles that ended before are not charged (QT-3)."""

pools = Table(
    "pools",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("ref", Integer, Identity(), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'in_use'")),
    Column("rules", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("created_at", INSTANT, nullable=False),
    Column("account", Text),
    Column("open_cycle", Integer),
    Column("arrears_since", INSTANT),
)
"""`account`: that of the first member, whose zone the pool's cycles follow; NULL until it is derived.
`open_cycle`: the oldest cycle (yyyymm) that the turn has not closed; NULL for a pool older than this column.
`arrears_since`: since when a postpaid pool is not paid (PL-4); NULL: settled."""

sims = Table(
    "sims",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("iccid", Text, nullable=False, unique=True),
    Column("canonical_iccid", Text),
    Column("msisdn", Text),
    Column("imsi", Text),
    Column("carrier", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("pool", Text),
    Column("order_id", Text),
    Column("underlying", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("holds", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("opened_on", Date),
    Column("purchased_on", Date),
    Column("activated_on", Date),
    Column("expires_on", Date),
    Column("expires_forecast_on", Date),
    Column("retained_until", Date),
    Column("silent_since", Date),
    Column("threshold_off_until", Date),
    Column("next_due_on", Date),
    Column("deadline_group", BigInteger),
    Column("test_months", SmallInteger),
    Column("auto_stop", Boolean),
    Column("real_name", Text, nullable=False, server_default=text("'none'")),
    Column("imei", Text),
    Column("imei_seen", Text),
    Column("imei_seen_at", INSTANT),
    Column("devices", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("online", Boolean),
    Column("online_as_of", INSTANT),
    Column("province", Text),
    Column("region_limited", Boolean, nullable=False, server_default=text("false")),
    Column("threshold", BigInteger),
    Column("device_serial", Text),
    Column("alias", Text),
    Column("remark", Text),
    Column("tags", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("reminders", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("carrier_state", Text),
    Column("carrier_code", Text),
    Column("carrier_as_of", INSTANT),
    Column("carrier_unknown_at", INSTANT),
    Column("carrier_expires_on", Date),
    Column("carrier_expires_as_of", INSTANT),
    Column("carrier_changed_at", INSTANT),
    Column("stopped_by_us", Boolean, nullable=False, server_default=text("false")),
    Column("disagrees_since", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    CheckConstraint("underlying <> 'suspended'", name="underlying"),
    Index("ix_sims_tenant_id", "tenant", "id"),
    Index("uq_sims_canonical_iccid", "canonical_iccid", unique=True),
    Index("ix_sims_next_due_on", "next_due_on", postgresql_where=text("next_due_on IS NOT NULL")),
    Index("ix_sims_tenant_msisdn", "tenant", "msisdn", postgresql_ops={"msisdn": "text_pattern_ops"}),
    Index("ix_sims_tenant_imsi", "tenant", "imsi", postgresql_ops={"imsi": "text_pattern_ops"}),
    Index(
        "ix_sims_tenant_device_serial", "tenant", "device_serial", postgresql_ops={"device_serial": "text_pattern_ops"}
    ),
    Index(  # covers what usage ingest reads of a SIM: an index-only scan instead of the wide row
        "ix_sims_iccid_prefix",
        "iccid",
        postgresql_ops={"iccid": "text_pattern_ops"},
        postgresql_include=["id", "tenant", "carrier", "account"],
    ),
    Index(
        "ix_sims_tenant_deadline_group",
        "tenant",
        "deadline_group",
        "id",
        postgresql_where=text("deadline_group <> 0"),
    ),
    Index("ix_sims_no_deadline_group", "id", postgresql_where=text("deadline_group IS NULL")),
    Index("ix_sims_account_state", "account", "state", "id"),
    Index("ix_sims_tenant_pool", "tenant", "pool", "id", postgresql_where=text("pool IS NOT NULL")),
    Index("ix_sims_tenant_order_id", "tenant", "order_id", "id", postgresql_where=text("order_id IS NOT NULL")),
    Index("ix_sims_holds", "holds", postgresql_using="gin", postgresql_ops={"holds": "jsonb_path_ops"}),
)
"""`deadline_group`: the SIMs with the same deadlines (`app.db.schema.deadlines`); 0: none, NULL: not worked out yet."""

SIM_DAYS = tuple(column.name for column in sims.c if isinstance(column.type, Date))
SIM_INSTANTS = tuple(column.name for column in sims.c if isinstance(column.type, type(INSTANT)))
"""The columns of `sims` that hold days, and those that hold instants."""

sim_history = Table(
    "sim_history",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("what", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("cause", Text, nullable=False),
    Column("rule", Text),
    Column("actor", Text, nullable=False),
    Column("operation_id", Uuid),
    Column("took_effect_at", INSTANT, nullable=False),
    Column("known_at", INSTANT, nullable=False),
    Index("ix_sim_history_late", "sim_id", "known_at", postgresql_where=text("took_effect_at < known_at")),
)

operations = Table(
    "operations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("sim_id", BigInteger, nullable=False),
    Column("iccid", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("arguments", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("result", JSONB),
    Column("step", SmallInteger, nullable=False, server_default=text("0")),
    Column("due_at", INSTANT),
    Column("due_rule", Text),
    Column("overdue", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("sent_at", INSTANT),
    Column("carrier_reference", Text),
    Column("carrier_hint", Text),
    Column("error", JSONB),
    Column("history", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("execute_at", INSTANT),
    Column("waits", Boolean, nullable=False, server_default=text("false")),
    Column("run_after", INSTANT, nullable=False),
    Column("lease_until", INSTANT),
    Column("claim", Integer, nullable=False, server_default=text("0")),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("bulk_id", Uuid),
    Column("order_id", Uuid),
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    Column("requested_by", Text),
    Column("reason", Text),
    Column("correlation_id", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("settled_at", INSTANT),
    Index("uq_operations_open_sim", "sim_id", unique=True, postgresql_where=text(OPEN)),
    Index(
        "ix_operations_due",
        "run_after",
        postgresql_where=text("channel <> 'desk' AND status IN ('queued', 'waiting_carrier', 'verifying')"),
    ),
    Index("ix_operations_scheduled", "run_after", postgresql_where=text("status = 'scheduled'")),
    Index("ix_operations_leased", "lease_until", postgresql_where=text("status = 'running'")),
    Index("ix_operations_unsettled_due_at", "due_at", postgresql_where=text("settled_at IS NULL AND NOT overdue")),
    Index("ix_operations_sim_id", "sim_id", "id"),
    Index(
        "ix_operations_sim_id_scheduled",
        "sim_id",
        "id",
        postgresql_where=text("coalesce(history -> 0 ->> 'status', 'scheduled') = 'scheduled'"),
    ),
    Index(
        "ix_operations_succeeded",
        "tenant",
        "account",
        "kind",
        "settled_at",
        postgresql_where=text("status = 'succeeded'"),
    ),
    Index("ix_operations_late", "tenant", "due_at", postgresql_where=text("overdue OR settled_at > due_at")),
    Index("ix_operations_tenant_id", "tenant", "id"),
    Index(
        "ix_operations_bulk_backlog",
        "account",
        postgresql_where=text("bulk_id IS NOT NULL AND status IN ('queued', 'running', 'verifying')"),
    ),
    Index("ix_operations_bulk_id", "bulk_id", postgresql_where=text("bulk_id IS NOT NULL")),
    Index(
        "ix_operations_reference", "account", "carrier_reference", postgresql_where=text("status = 'waiting_carrier'")
    ),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("operation_id", Uuid),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text),
    Column("source", Text, nullable=False),
    Column("took_effect_at", INSTANT, nullable=False),
    Column("known_at", INSTANT, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("position", BigInteger),
    Column("xact", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    Index("ix_events_tenant_id", "tenant", "id"),
    Index("ix_events_tenant_position", "tenant", "position"),
    Index("ix_events_unpublished", "id", postgresql_where=text("position IS NULL")),
    Index("ix_events_tenant_xact", "tenant", "xact"),
    Index("ix_events_event_id", "event_id"),
)
"""`position`: the order in which everybody reads them, given after the commit (`app.db.events.positions`).

`xact` with its index, and `window_*` of webhooks and channels: for processes of the release before 0034 that run on
this schema during an upgrade; the next release drops them.
"""

event_positions = Table(
    "event_positions",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""The position given last. One row: its lock serialises the statements that give positions."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("reason", Text),
    Column("correlation_id", Text),
    Column("before", JSONB),
    Column("after", JSONB),
    Index("ix_audit_tenant_id", "tenant", "id"),
)
