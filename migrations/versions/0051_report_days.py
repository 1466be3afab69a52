"""Reports carry the key of their day, and new partitions have it in front of the index by SIM (docs/adr/0040).

Partitions that are there keep the index they have, and their rows the key 0: nothing is rewritten. The next partition
that is made has the new one.

Revision ID: 0051
Revises: 0050
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

MAKE = """
CREATE OR REPLACE FUNCTION usage_parts.make_part(first date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    named text := 'reports_' || to_char(first, 'YYYY_MM');
    began text := to_char(first, 'YYYY-MM-01') || ' 00:00+00';
    ended text := to_char(first + interval '1 month', 'YYYY-MM-01') || ' 00:00+00';
BEGIN
    EXECUTE format('CREATE TABLE usage_parts.%I (LIKE usage_reports INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', named);
    EXECUTE format('CREATE UNIQUE INDEX %I ON usage_parts.%I (gateway, report_id)', 'uq_' || named || '_identity', named);
    EXECUTE format('CREATE INDEX %I ON usage_parts.%I (<columns>) WHERE sim_id IS NOT NULL',
                   'ix_' || named || '_<by>', named);
    -- attached: to make it as PARTITION OF would lock all readers out
    EXECUTE format('ALTER TABLE usage_reports ATTACH PARTITION usage_parts.%I FOR VALUES FROM (%L) TO (%L)',
                   named, began, ended);
END $$
"""
# Partitions made since lose their index with the column.
INDEX_BY_SIM = """
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = 'usage_reports'::regclass LOOP
        EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON usage_parts.%I (sim_id, at) WHERE sim_id IS NOT NULL',
                       'ix_' || part.name || '_sim_id_at', part.name);
    END LOOP;
END $$
"""


def _tables() -> list[str]:
    """`usage_reports`, and where it is distributed the table beside it."""
    if not op.get_bind().scalar(text("SELECT to_regclass('public.usage_identities') IS NOT NULL")):
        return ["usage_reports"]
    # Else Citus changes the shards over many connections at once, and then nothing more in this transaction.
    op.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
    return ["usage_reports", "usage_identities"]


def _make(columns: str, by: str) -> None:
    op.execute(MAKE.replace("<columns>", columns).replace("<by>", by))


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")  # below deadlock_timeout; env.py tries again
    for table in _tables():
        op.execute(f"ALTER TABLE {table} ADD COLUMN day_key smallint NOT NULL DEFAULT 0")
    _make("day_key, sim_id, at", "day_key")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in _tables():
        op.execute(f"ALTER TABLE {table} DROP COLUMN day_key")
    op.execute(INDEX_BY_SIM)
    _make("sim_id, at", "sim_id_at")
