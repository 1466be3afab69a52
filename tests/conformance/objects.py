"""Objects of every kind, so that generated requests reach more than 404, and the parameters that name them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

EACH = 12
"""How many there are of what a request may delete or end."""

LATER = timedelta(days=300)
"""Scheduled operations stay open for the whole run."""


def make_objects(api: httpx.Client) -> dict[str, list[str]]:
    """Creates objects through the API; values by the parameter that takes them, `<location>.<name>`."""
    cards = [str(sim["iccid"]) for sim in _read(api, "/v1/sims?limit=300")["items"]]
    active = [str(sim["iccid"]) for sim in _read(api, "/v1/sims?state=active&carrier=cmcc&limit=40")["items"]]
    pools, webhooks = _pools(api), _webhooks(api)
    return {
        "path.iccid": cards,
        "path.operation_id": [_operation(api, iccid) for iccid in active[:EACH]],
        "path.bulk_id": [_bulk(api, iccid) for iccid in active[EACH : 2 * EACH]],
        "path.pool": pools,
        "path.cycle": [datetime.now(UTC).strftime("%Y-%m")],
        "path.webhook_id": webhooks,
        "path.delivery_id": [str(_made(api, f"/v1/webhooks/{each}/test")["delivery"]) for each in webhooks],
        "path.key_id": [str(_made(api, "/v1/admin/keys", {"scopes": ["sims:read"]})["id"]) for _ in range(EACH)],
        "path.account": [str(each["account"]) for each in _read(api, "/v1/admin/accounts")["items"]],
        "path.code": [str(each["carrier"]) for each in _read(api, "/v1/carriers")["items"]],
        "path.feed_id": [str(_made(api, "/v1/deadlines/feeds")["id"]) for _ in range(EACH)],
        "path.secret": [_made(api, "/v1/deadlines/feeds")["url"].rpartition("/")[2].removesuffix(".ics")],
        "path.rule_id": ["RN-2", "ST-15", "US-3"],
    }


def _read(api: httpx.Client, path: str) -> Any:
    return api.get(path).raise_for_status().json()


def _made(api: httpx.Client, path: str, body: Mapping[str, Any] | None = None) -> Any:
    return api.post(path, json=body or {}).raise_for_status().json()


def _later() -> str:
    return (datetime.now(UTC) + LATER).isoformat()


def _operation(api: httpx.Client, iccid: str) -> str:
    return str(_made(api, f"/v1/sims/{iccid}/suspend", {"execute_at": _later()})["id"])


def _bulk(api: httpx.Client, iccid: str) -> str:
    body = {"kind": "suspend", "selector": {"iccids": [iccid]}, "options": {"execute_at": _later()}}
    return str(_made(api, "/v1/bulk-operations", body)["id"])


def _pools(api: httpx.Client) -> list[str]:
    plan = {"id": "conformance", "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "kind": "pool_forward"}
    _made(api, "/v1/plans", plan)
    pool = {"name": "conformance", "kind": "forward", "carrier": "cmcc", "plan": "conformance"}
    return [str(_made(api, "/v1/pools", pool | {"id": f"conformance-{number}"})["id"]) for number in range(EACH)]


def _webhooks(api: httpx.Client) -> list[str]:
    hook = {"url": "http://127.0.0.1:9/never-answers", "types": ["sim.state_changed"]}
    return [str(_made(api, "/v1/webhooks", hook)["id"]) for _ in range(EACH)]
