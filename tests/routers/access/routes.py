"""Every route of the API and the scope it needs, written down a second time: what the app has must be what stands here.

A route that stands here without a tenant's object in its path has a reason in `NAMES_NO_OBJECT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TABLE: Mapping[str, str] = MappingProxyType(
    {
        "open": """
            GET /livez
            GET /readyz
            GET /docs
            GET /docs/{version}/{asset}
            GET /openapi.json
        """,
        "own": """
            GET /v1/exports/{export_id}/download
            GET /v1/deadlines/feeds/{secret}.ics
            POST /v1/callbacks/{account}
        """,
        "metrics": """
            GET /metrics
        """,
        "sims:write": """
            POST /v1/sims/import
            POST /v1/plans
            POST /v1/addons
            PATCH /v1/sims/{iccid}
            DELETE /v1/sims/{iccid}
            POST /v1/deadlines/feeds
            DELETE /v1/deadlines/feeds/{feed_id}
            PUT /v1/reminders
            POST /v1/reminders/apply
        """,
        "sims:read": """
            GET /v1/imports
            GET /v1/imports/{import_id}
            GET /v1/plans
            GET /v1/addons
            GET /v1/sims/{iccid}/offers
            GET /v1/account
            GET /v1/account/entries
            GET /v1/invoices
            GET /v1/invoices/{invoice_id}
            GET /v1/invoice-titles
            GET /v1/sims
            GET /v1/sims/summary
            GET /v1/sims/{iccid}
            GET /v1/sims/{iccid}/timeline
            GET /v1/sims/{iccid}/session
            GET /v1/sims/{iccid}/deadlines
            GET /v1/sims/{iccid}/explanation
            POST /v1/explanations
            GET /v1/sims/{iccid}/forecast
            GET /v1/pools/{pool}/forecast
            GET /v1/findings
            GET /v1/service-levels
            GET /v1/service-levels/claims
            GET /v1/usage/reconciliation
            GET /v1/usage/reconciliation/file
            GET /v1/usage/unknown
            GET /v1/sims/{iccid}/usage
            GET /v1/operations
            GET /v1/operations/{operation_id}
            GET /v1/bulk-operations
            GET /v1/bulk-operations/{bulk_id}
            GET /v1/bulk-operations/{bulk_id}/items
            GET /v1/bulk-operations/{bulk_id}/results.csv
            GET /v1/bulk-operations/{bulk_id}/results.ndjson
            GET /v1/approvals
            GET /v1/approvals/{approval_id}
            GET /v1/automations
            GET /v1/automations/{automation_id}
            GET /v1/automations/{automation_id}/backtest
            GET /v1/automations/{automation_id}/firings
            POST /v1/exports
            GET /v1/exports
            GET /v1/exports/{export_id}
            GET /v1/carts/{cart_id}
            GET /v1/carts/{cart_id}/entries
            GET /v1/orders/{order}/directed
            GET /v1/directed-entries
            GET /v1/orders
            GET /v1/orders/{order_id}
            GET /v1/orders/{order_id}/items
            GET /v1/orders/{order_id}/cards
            GET /v1/deadlines
            GET /v1/deadlines/feeds
            GET /v1/pools
            GET /v1/pools/{pool}
            GET /v1/pools/{pool}/members
            GET /v1/pools/{pool}/cycles/{cycle}
            GET /v1/pools/{pool}/rules
            GET /v1/reminders
            GET /v1/notification-channels
            GET /v1/notification-channels/{channel_id}
            GET /v1/notification-channels/{channel_id}/deliveries
            GET /v1/webhooks
            GET /v1/webhooks/{webhook_id}
            GET /v1/webhooks/{webhook_id}/deliveries
            GET /v1/events
        """,
        "orders:write": """
            PATCH /v1/account
            POST /v1/account/payments
            POST /v1/invoices
            POST /v1/invoices/{invoice_id}/result
            POST /v1/invoice-titles
            POST /v1/carts
            POST /v1/carts/{cart_id}/items
            DELETE /v1/carts/{cart_id}/items/{item}
            POST /v1/orders/{order}/directed
            DELETE /v1/orders/{order}/directed/{entry}
            DELETE /v1/orders/{order}/directed
            POST /v1/orders/{order}/directed/{entry}/complete
            POST /v1/orders
            POST /v1/orders/{order_id}/payment
            POST /v1/orders/{order_id}/cancel
            POST /v1/orders/{order_id}/status
            POST /v1/orders/{order_id}/items/{number}/retry
        """,
        "usage:write": """
            POST /v1/usage/reports
            POST /v1/usage/corrections
        """,
        "operations:write": """
            POST /v1/operations/{operation_id}/cancel
            POST /v1/operations/{operation_id}/refresh
            POST /v1/operations/{operation_id}/complete
            POST /v1/bulk-operations
            POST /v1/bulk-operations/{bulk_id}/cancel
            POST /v1/bulk-operations/{bulk_id}/retry
            POST /v1/files
            POST /v1/approvals/{approval_id}/approve
            POST /v1/approvals/{approval_id}/reject
            POST /v1/automations
            PATCH /v1/automations/{automation_id}
            DELETE /v1/automations/{automation_id}
            POST /v1/automations/{automation_id}/arm
            POST /v1/automations/{automation_id}/disarm
            POST /v1/pools/{pool}/activate-members
            POST /v1/sims/{iccid}/activate
            POST /v1/sims/{iccid}/suspend
            POST /v1/sims/{iccid}/resume
            POST /v1/sims/{iccid}/rebind
            POST /v1/sims/{iccid}/change-region
            POST /v1/sims/{iccid}/set-threshold
            POST /v1/sims/{iccid}/cut-network
            POST /v1/sims/{iccid}/restore-network
            POST /v1/sims/{iccid}/reset-network
            POST /v1/sims/{iccid}/verify-real-name
            POST /v1/sims/{iccid}/order-addon
            POST /v1/sims/{iccid}/renew
            POST /v1/sims/{iccid}/change-plan
            POST /v1/sims/{iccid}/join-pool
            POST /v1/sims/{iccid}/retain-number
            POST /v1/sims/{iccid}/refresh
            POST /v1/sims/{iccid}/terminate
        """,
        "pools:write": """
            POST /v1/pools
            PATCH /v1/pools/{pool}
            POST /v1/pools/{pool}/addons
            POST /v1/pools/{pool}/arrears
            PUT /v1/pools/{pool}/rules
            POST /v1/pools/{pool}/rules
        """,
        "webhooks:write": """
            POST /v1/notification-channels
            PATCH /v1/notification-channels/{channel_id}
            DELETE /v1/notification-channels/{channel_id}
            POST /v1/notification-channels/{channel_id}/test
            POST /v1/webhooks
            PATCH /v1/webhooks/{webhook_id}
            DELETE /v1/webhooks/{webhook_id}
            POST /v1/webhooks/{webhook_id}/rotate
            POST /v1/webhooks/{webhook_id}/test
            POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver
            POST /v1/webhooks/{webhook_id}/replay
        """,
        "terms:read": """
            GET /v1/calendar/cycle
            GET /v1/calendar/expiry
            GET /v1/calendar/renewal
            GET /v1/calendar/due
            GET /v1/calendar/forced-activation
            GET /v1/calendar/workdays
            GET /v1/terms/{supplier}/{carrier}
            GET /v1/carriers
            GET /v1/carriers/{code}/capabilities
            GET /v1/carriers/{code}/freshness
            GET /v1/regions/high-risk
            GET /v1/rules
            GET /v1/rules/{rule_id}
        """,
        "admin": """
            GET /v1/admin/tenants
            POST /v1/admin/tenants
            PATCH /v1/admin/tenants/{tenant}
            POST /v1/admin/keys
            POST /v1/admin/keys/{key_id}/rotate
            GET /v1/admin/keys
            DELETE /v1/admin/keys/{key_id}
            GET /v1/admin/accounts
            POST /v1/admin/accounts/{account}/pause
            POST /v1/admin/accounts/{account}/resume
            POST /v1/admin/accounts/{account}/release-brake
            GET /v1/admin/quarantine
            GET /v1/admin/jobs
            GET /v1/admin/audit
            GET /v1/admin/clock
            POST /v1/admin/clock
        """,
    }
)
"""Scope -> the routes that need it; `open`: no key; `own`: a permission of its own, a signature or a secret in the URL, or a carrier's."""

SCOPE_OF = {route.strip(): scope for scope, routes in TABLE.items() for route in routes.strip().splitlines()}

NAMES_NO_OBJECT: Mapping[str, str] = MappingProxyType(
    {
        "account": "an account of carriers.toml, which the installation has",
        "asset": "a file of the documentation",
        "code": "a carrier",
        "cycle": "a billing cycle; the pool before it names the object",
        "rule_id": "a rule of the rule book",
        "supplier": "a supplier's terms",
        "carrier": "a carrier",
        "tenant": "a tenant, of which administrators have all",
        "version": "a release of the documentation",
    }
)
"""Parameters of paths -> what they name instead of an object that belongs to a tenant."""
