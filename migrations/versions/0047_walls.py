"""Row-level security on every table with a tenant, and on those whose rows belong to one of its rows.

The owner of the tables bypasses it, so that nothing changes where one role does everything. Partitions of usage reports
are made by a function, which acts as the owner whoever calls it.

Revision ID: 0047
Revises: 0046
"""

from __future__ import annotations

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

WITH_A_TENANT = [
    "addons",
    "api_keys",
    "approvals",
    "audit",
    "automations",
    "balance_entries",
    "bulk_operations",
    "buyer_accounts",
    "carts",
    "deadline_feeds",
    "directed_entries",
    "events",
    "exports",
    "files",
    "findings",
    "idempotency_keys",
    "imports",
    "invoice_titles",
    "invoices",
    "notification_channels",
    "operations",
    "order_payments",
    "orders",
    "overrun_charges",
    "plan_allowances",
    "plan_checks",
    "plans",
    "pools",
    "quarantine",
    "reminder_settings",
    "rule_stops",
    "sim_counts",
    "sims",
    "usage_gaps",
    "usage_gateways",
    "usage_unmatched",
    "webhook_endpoints",
]

PARTS = {
    "automation_firings": ("automation_id", "automations"),
    "bulk_items": ("bulk_id", "bulk_operations"),
    "cart_entries": ("cart_id", "carts"),
    "cart_items": ("cart_id", "carts"),
    "deadline_feed_events": ("feed_id", "deadline_feeds"),
    "export_parts": ("export_id", "exports"),
    "export_sims": ("export_id", "exports"),
    "file_rows": ("file_id", "files"),
    "import_parts": ("import_id", "imports"),
    "invoice_orders": ("invoice_id", "invoices"),
    "notification_deliveries": ("channel_id", "notification_channels"),
    "notification_items": ("channel_id", "notification_channels"),
    "order_items": ("order_id", "orders"),
    "webhook_deliveries": ("endpoint_id", "webhook_endpoints"),
}
"""Table -> its reference to the row that it is a part of, and that row's table."""

TENANT = "current_setting('simgate.tenant', true)"

LOCK = """
DO $$
BEGIN
    FOR attempt IN 1..200 LOOP
        BEGIN
            SET LOCAL lock_timeout = '200ms';  -- below deadlock_timeout: nobody is chosen to die for this
            LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.05);  -- what was locked is free again: whoever waited for it goes on
        END;
    END LOOP;
    RAISE lock_not_available USING MESSAGE = 'the tables are always in use: end long transactions, then migrate again';
END $$
"""

MAKE = """
CREATE FUNCTION usage_parts.make_part(first date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    named text := 'reports_' || to_char(first, 'YYYY_MM');
    began text := to_char(first, 'YYYY-MM-01') || ' 00:00+00';
    ended text := to_char(first + interval '1 month', 'YYYY-MM-01') || ' 00:00+00';
BEGIN
    EXECUTE format('CREATE TABLE usage_parts.%I (LIKE usage_reports INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', named);
    EXECUTE format('CREATE UNIQUE INDEX %I ON usage_parts.%I (gateway, report_id)', 'uq_' || named || '_identity', named);
    EXECUTE format('CREATE INDEX %I ON usage_parts.%I (sim_id, at) WHERE sim_id IS NOT NULL',
                   'ix_' || named || '_sim_id_at', named);
    -- attached: to make it as PARTITION OF would lock all readers out
    EXECUTE format('ALTER TABLE usage_reports ATTACH PARTITION usage_parts.%I FOR VALUES FROM (%L) TO (%L)',
                   named, began, ended);
END $$
"""

FUNCTION = "usage_parts.make_part(date)"


def conditions() -> dict[str, str]:
    """Table -> what makes a row the tenant's for whom a transaction is."""
    found = {"tenants": f"id = {TENANT}"}
    found |= dict.fromkeys(WITH_A_TENANT, f"tenant = {TENANT}")
    for table, (column, whole) in PARTS.items():
        found[table] = f"EXISTS (SELECT FROM {whole} whole WHERE whole.id = {table}.{column})"
    return found


def upgrade() -> None:
    found = conditions()
    op.execute(LOCK.format(tables=", ".join(found)))
    for table, condition in found.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({condition}) WITH CHECK ({condition})")
    op.execute(MAKE)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")


def downgrade() -> None:
    found = conditions()
    op.execute(LOCK.format(tables=", ".join(found)))
    op.execute(f"DROP FUNCTION {FUNCTION}")
    for table in found:
        op.execute(f"DROP POLICY IF EXISTS of_every_tenant ON {table}")
        op.execute(f"DROP POLICY of_the_tenant ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
