"""An index of the changes that a pool's past depends on (LC-12, PL-7); changes of SIMs are recorded at less cost.

Revision ID: 0040
Revises: 0039
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

COLUMNS = [
    "tenant",
    "iccid",
    "msisdn",
    "imsi",
    "carrier",
    "account",
    "terms",
    "plan",
    "pool",
    "order_id",
    "underlying",
    "state",
    "holds",
    "opened_on",
    "purchased_on",
    "activated_on",
    "expires_on",
    "expires_forecast_on",
    "retained_until",
    "silent_since",
    "threshold_off_until",
    "test_months",
    "auto_stop",
    "real_name",
    "imei",
    "imei_seen",
    "imei_seen_at",
    "devices",
    "online",
    "online_as_of",
    "province",
    "region_limited",
    "threshold",
    "device_serial",
    "alias",
    "remark",
    "tags",
    "reminders",
    "carrier_state",
    "carrier_code",
    "carrier_as_of",
    "carrier_unknown_at",
    "carrier_expires_on",
    "carrier_expires_as_of",
    "carrier_changed_at",
    "stopped_by_us",
    "disagrees_since",
    "version",
    "created_at",
]
"""Every column of `sims` but those that no answer shows; a migration that adds one makes the function again."""

_CHANGED = ",\n".join(
    f"CASE WHEN o.{name} IS DISTINCT FROM n.{name} THEN '\"{name}\":' || coalesce(to_json(o.{name})::text, 'null') END"
    for name in COLUMNS
)
# What it writes is what the function of 0037 wrote: that one turned both rows into JSON, at twice the cost of the update.
_RECORD = f"""
CREATE OR REPLACE FUNCTION record_sim_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sim_changes (sim_id, known_at, whole, before)
    SELECT o.id, greatest(o.updated_at, n.updated_at), n.version <> o.version AND n.version % 32 = 0,
           CASE WHEN n.version <> o.version AND n.version % 32 = 0
                THEN to_jsonb(o) - '{{updated_at,deadline_group,next_due_on,canonical_iccid}}'::text[]
                ELSE ('{{' || concat_ws(',', {_CHANGED}) || '}}')::jsonb END
      FROM old_rows o JOIN new_rows n ON n.id = o.id
     WHERE n.version <> o.version OR n.online_as_of IS DISTINCT FROM o.online_as_of OR n.online IS DISTINCT FROM o.online
     ORDER BY o.id;
    RETURN NULL;
END $$
"""  # noqa: S608 - our own names


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_sim_changes_membership",
        "sim_changes",
        ["sim_id", "known_at"],
        postgresql_where=sa.text("before ?| '{activated_on,expires_on,pool,state,underlying}'::text[]"),
    )
    op.get_bind().exec_driver_sql(_RECORD)


def downgrade() -> None:
    """The function stays: it writes what the one before wrote."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_sim_changes_membership", "sim_changes")
