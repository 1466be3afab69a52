"""What tests of automations share: create, arm and read one, and compare what it did with a back-test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from tests.gateway import Gateway

HOME = ZoneInfo("Asia/Shanghai")
EVERY: dict[str, Any] = {"all": True}
SUSPEND: dict[str, Any] = {"kind": "operation", "operation": "suspend"}
NOTIFY: dict[str, Any] = {"kind": "notify", "message": "look at it"}
USED_80: dict[str, Any] = {"kind": "usage", "per": "cycle", "percent": 80}
SUSPENDED: dict[str, Any] = {"kind": "state", "state": "suspended"}


async def post(gateway: Gateway, **given: Any) -> httpx.Response:
    body = {"name": "n", "when": USED_80, "then": NOTIFY, "scope": EVERY} | given
    return await gateway.api.post("/v1/automations", json=body)


async def created(gateway: Gateway, **given: Any) -> str:
    """The path of a new automation."""
    answer = await post(gateway, **given)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def armed(gateway: Gateway, **given: Any) -> str:
    """The path of a new automation that is armed."""
    path = await created(gateway, **given)
    answer = await gateway.api.post(f"{path}/arm", json={"force": True})
    assert answer.status_code == 200, answer.text
    return path


async def read(gateway: Gateway, path: str) -> dict[str, Any]:
    return (await gateway.api.get(path)).json()


async def firings(gateway: Gateway, path: str, **query: Any) -> list[dict[str, Any]]:
    return (await gateway.api.get(f"{path}/firings", params={"limit": 500} | query)).json()["items"]


async def done(gateway: Gateway, path: str) -> set[tuple[str, str]]:
    """(ICCID, occasion) of what fired, whatever a rule said to it."""
    return {
        (one["iccid"], one["occasion"])
        for one in await firings(gateway, path)
        if one["status"] in ("fired", "refused", "braked")
    }


def day(gateway: Gateway, offset: int = 0) -> str:
    """A day in the home zone, as many days from today."""
    return (gateway.ctx.now().astimezone(HOME).date() + timedelta(days=offset)).isoformat()


async def backtest(gateway: Gateway, path: str, first: str, last: str) -> dict[str, Any]:
    answer = await gateway.api.get(f"{path}/backtest", params={"from": first, "to": last})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def later(gateway: Gateway, **step: float) -> None:
    """Let time pass, and everything be evaluated then."""
    await gateway.advance(**step)
    await gateway.settle()
    await gateway.advance(seconds=61)
