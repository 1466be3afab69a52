"""Which tables row-level security is on (docs/adr/0038), and which it is not on, with the reason.

A test compares both with the database: a new table stands in neither and fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OF_A_TENANT = "of_the_tenant"
"""The policy of a table's rows: those of the tenant for whom the transaction is, or parts of such rows."""

OF_EVERY_TENANT = "of_every_tenant"
"""The policy by which the worker's role has every tenant's rows."""

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "automation_firings": "automations",
        "bulk_items": "bulk_operations",
        "cart_entries": "carts",
        "cart_items": "carts",
        "deadline_feed_events": "deadline_feeds",
        "export_parts": "exports",
        "export_sims": "exports",
        "file_rows": "files",
        "import_parts": "imports",
        "invoice_orders": "invoices",
        "notification_deliveries": "notification_channels",
        "notification_items": "notification_channels",
        "order_items": "orders",
        "webhook_deliveries": "webhook_endpoints",
    }
)
"""Tables without a tenant of their own whose rows are parts of a row with one -> its table."""

_OF_A_SIM = "by a SIM's row id, which `sims` gives out"
_OF_A_POOL = "by a pool's row id, which `pools` gives out"
_OF_AN_ACCOUNT = "of an account at a carrier, which tenants share"
_OF_THE_GATEWAY = "the installation's own"

OPEN: Mapping[str, str] = MappingProxyType(
    {
        "carrier_drifts": _OF_A_SIM,
        "overrun_checks": _OF_A_SIM,
        "sim_changes": _OF_A_SIM,
        "sim_history": _OF_A_SIM,
        "sim_plans": _OF_A_SIM,
        "usage_addons": _OF_A_SIM,
        "usage_checks": _OF_A_SIM,
        "usage_corrections": _OF_A_SIM,
        "usage_cycles": _OF_A_SIM,
        "usage_days": _OF_A_SIM,
        "usage_figures_replaced": _OF_A_SIM,
        "usage_marks": _OF_A_SIM,
        "usage_reports": _OF_A_SIM,
        "watched_sims": _OF_A_SIM,
        "pool_changes": _OF_A_POOL,
        "pool_cycles": _OF_A_POOL,
        "account_states": _OF_AN_ACCOUNT,
        "call_budgets": _OF_AN_ACCOUNT,
        "cycle_rollovers": _OF_AN_ACCOUNT,
        "inbox": _OF_AN_ACCOUNT,
        "pull_cursors": _OF_AN_ACCOUNT,
        "repeat_windows": _OF_AN_ACCOUNT,
        "clock_offset": _OF_THE_GATEWAY,
        "event_positions": _OF_THE_GATEWAY,
        "import_marks": _OF_THE_GATEWAY,
        "job_runs": _OF_THE_GATEWAY,
        "oldest_release": _OF_THE_GATEWAY,
        "records_since": _OF_THE_GATEWAY,
        "usage_epoch": _OF_THE_GATEWAY,
        "deadlines": "of groups of equal SIMs, which tenants share",
    }
)
"""Tables without row-level security -> why."""
