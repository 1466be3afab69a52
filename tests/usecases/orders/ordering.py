"""Orders in tests: priced cards, an order placed and paid, the desk's work done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.loops import drain
from tests.gateway import Gateway

HOME = ZoneInfo("Asia/Shanghai")
PROFILE = {"company": "杭州水务", "contact": "王工", "phone": "0571-88880000"}


async def priced(gateway: Gateway, *rows: dict[str, Any]) -> list[str]:
    """Cards on plans of 2,400 fen for twelve months, and a buyer whose profile is complete (RN-9)."""
    cards = await gateway.fleet(*rows)
    assert (await gateway.api.patch("/v1/account", json=PROFILE)).is_success
    for carrier in ("cmcc", "cucc", "ctcc"):
        plan = {"id": f"{carrier}-100m", "carrier": carrier, "allowance": 100 << 20, "months": 12, "price_fen": 2400}
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    return cards


async def placed(gateway: Gateway, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/orders", json={"items": list(items), **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def renewal(card: str, months: int = 12) -> dict[str, Any]:
    return {"kind": "renew", "iccid": card, "months": months}


async def pay(gateway: Gateway, order: dict[str, Any], at: datetime | None = None, **more: Any) -> Any:
    body = {"amount_fen": order["amount_fen"], "reference": "PAY-1", "paid_at": (at or gateway.ctx.now()).isoformat()}
    return await gateway.api.post(f"/v1/orders/{order['id']}/payment", json=body | more)


async def items_of(gateway: Gateway, order: dict[str, Any]) -> list[dict[str, Any]]:
    return (await gateway.api.get(f"/v1/orders/{order['id']}/items")).json()["items"]


async def order_now(gateway: Gateway, order: dict[str, Any]) -> dict[str, Any]:
    return (await gateway.api.get(f"/v1/orders/{order['id']}")).json()


async def complete_desk(gateway: Gateway, outcome: str = "succeeded") -> None:
    found = await gateway.api.get("/v1/operations", params={"channel": "desk", "status": "waiting_carrier"})
    for operation in found.json()["items"]:
        body = {"outcome": outcome, "note": "by hand"}
        answer = await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=body)
        assert answer.is_success, answer.text
    await drain(gateway.ctx)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HOME).astimezone(UTC)


async def move_to(gateway: Gateway, moment: datetime) -> None:
    await gateway.advance(seconds=(moment - gateway.ctx.now()).total_seconds())


def set_clock(gateway: Gateway, moment: datetime) -> None:
    """Set the one clock forward without doing what is due then."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (moment - gateway.ctx.now()))
