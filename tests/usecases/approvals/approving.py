"""What tests of approvals share: a tenant's size, a second key, and the approvals as they are listed."""

from __future__ import annotations

from typing import Any

import httpx

from tests.gateway import Gateway

SCOPES = ["sims:read", "sims:write", "operations:write"]


async def approve_above(gateway: Gateway, cards: int | None, **given: Any) -> None:
    """From how many SIMs on work waits."""
    changed = await gateway.api.patch("/v1/admin/tenants/default", json={"approval_above": cards} | given)
    assert changed.status_code == 200, changed.text


async def another_key(gateway: Gateway, **given: Any) -> dict[str, str]:
    """The header of a further key of the tenant."""
    made = await gateway.api.post("/v1/admin/keys", json={"scopes": SCOPES} | given)
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}


async def approvals(gateway: Gateway, **query: Any) -> list[dict[str, Any]]:
    """The approvals of a list."""
    return (await gateway.api.get("/v1/approvals", params=query)).json()["items"]


async def decide(
    gateway: Gateway, approval: str, what: str, headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    """Approve or reject."""
    return await gateway.api.post(f"/v1/approvals/{approval}/{what}", headers=headers, json=body)
