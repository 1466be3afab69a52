"""What tests of channels do over and over: make one, let a card use, look what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.loops import drain
from tests.gateway import Gateway
from tests.usecases.limits.limiting import set_clock
from tests.usecases.notifications.servers import Mailbox, Robot

HOME = ZoneInfo("Asia/Shanghai")
LARGE = {"plan": "cmcc-1g"}
FROM, OPS, BOSS = "simgate@example.org", "ops@example.org", "boss@example.org"


async def at(gateway: Gateway, instant: str) -> None:
    """Stand at an instant of Shanghai, and do what is due then."""
    set_clock(gateway, datetime.fromisoformat(f"{instant}+08:00"))
    await drain(gateway.ctx)


async def channel(gateway: Gateway, kind: str, **given: Any) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/notification-channels", json={"kind": kind, "name": "Ops"} | given)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def email(gateway: Gateway, box: Mailbox, **given: Any) -> dict[str, Any]:
    server = {"host": "127.0.0.1", "port": box.port, "tls": "none", "from": FROM, "to": [OPS]}
    return await channel(gateway, "email", **server | given)


async def sms(gateway: Gateway, group: Robot, **given: Any) -> dict[str, Any]:
    return await channel(gateway, "sms_webhook", **{"url": f"{group.base}/sms", "phones": ["13800000000"]} | given)


async def defaults(gateway: Gateway, **settings: Any) -> None:
    answer = await gateway.api.put("/v1/reminders", json=settings)
    assert answer.status_code == 200, answer.text
    await gateway.settle()


async def send_test(gateway: Gateway, made: dict[str, Any]) -> list[str]:
    """Ask for a test message and let it be sent; gives the ids of its deliveries."""
    answer = await gateway.api.post(f"/v1/notification-channels/{made['id']}/test")
    assert answer.status_code == 202, answer.text
    await drain(gateway.ctx)
    found: list[str] = answer.json()["deliveries"]
    return found


async def read(gateway: Gateway, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.api.get(f"/v1/notification-channels/{made['id']}")).json()
    return found


async def deliveries(gateway: Gateway, made: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await gateway.api.get(f"/v1/notification-channels/{made['id']}/deliveries")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found
