"""Pools as tests make them, use them and turn them over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.cycle_rollover import roll_over_day
from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, report, send

MB = 1 << 20


async def a_pool(gateway: Gateway, kind: str, *rows: dict[str, Any], name: str = "p1", **of: Any) -> list[str]:
    """A pool of 10 MB a card with these members; `of`: the carrier and the accounts' terms."""
    carrier = of.get("carrier", "cmcc")
    plan = {"id": f"{carrier}-{kind}", "carrier": carrier, "allowance": 10 * MB, "months": 12, "kind": f"pool_{kind}"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": name, "name": "Meters", "kind": kind, "carrier": carrier, "plan": plan["id"]}
    made = await gateway.api.post("/v1/pools", json=pool)
    assert made.status_code == 201, made.text
    same = {"terms": "gsl", "plan": plan["id"], "pool": name, "carrier": carrier}
    return await gateway.fleet(*({**same, **row} for row in rows))


async def be_at(gateway: Gateway, instant: str) -> None:
    """Move the clock there, and do what is due."""
    target = datetime.fromisoformat(instant)
    await gateway.advance(seconds=(target - gateway.ctx.now()).total_seconds())


async def turn(gateway: Gateway, instant: str, zone: ZoneInfo = HOME) -> None:
    """Be there, turn over what begins a cycle, and let all settle."""
    await be_at(gateway, instant)
    await roll_over_day(gateway.ctx, zone)
    await gateway.settle()


async def cycle_of(gateway: Gateway, pool: str = "p1", cycle: str | None = None) -> dict[str, Any]:
    """A pool's cycle as callers see it, the running one by default."""
    if cycle:
        return (await gateway.api.get(f"/v1/pools/{pool}/cycles/{cycle}")).json()
    return (await gateway.api.get(f"/v1/pools/{pool}")).json()["cycle"]


async def members_of(gateway: Gateway, pool: str = "p1", cycle: str | None = None) -> dict[str, int | None]:
    """What each member used in a cycle."""
    params = {"limit": "500"} | ({"cycle": cycle} if cycle else {})
    items = (await gateway.api.get(f"/v1/pools/{pool}/members", params=params)).json()["items"]
    return {item["iccid"]: item["used"] for item in items}


async def use(gateway: Gateway, card: str, amount: int, *, at: datetime | None = None, settle: bool = True) -> None:
    """Traffic of a card, a minute ago by default."""
    at = at or gateway.ctx.now() - timedelta(minutes=1)
    name = f"{card}-{amount}-{at.isoformat()}-{gateway.ctx.now().isoformat()}"
    await send(gateway.api, [report(card, at, amount, number=name)])
    if settle:
        await gateway.settle()


async def holds(gateway: Gateway, card: str) -> list[str]:
    """The codes of a card's holds."""
    return [hold["code"] for hold in (await gateway.api.get(f"/v1/sims/{card}")).json()["holds"]]


async def events(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    """The events of a type."""
    items = (await gateway.api.get("/v1/events", params={"limit": 500})).json()["items"]
    return [item for item in items if item["type"] == kind]


async def done_at_desk(gateway: Gateway, answer: Any) -> None:
    """A person at the carrier's desk completes the operation."""
    operation = await gateway.operation(answer)
    if operation["status"] != "succeeded":
        done = {"outcome": "succeeded", "note": "done"}
        told = await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=done)
        assert told.is_success, told.text
    await gateway.settle()
