"""What tests of limits do over and over: let a card use, look at it, turn a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.cycle_rollover import roll_over_day
from tests.gateway import Gateway
from tests.usecases.usage.reporting import report, send

MB = 1 << 20
GB = 1 << 30
NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")


def set_clock(gateway: Gateway, instant: datetime) -> None:
    """Stand at an instant, nothing done on the way."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (instant - gateway.ctx.now()))


async def use(gateway: Gateway, card: str, amount: int, *, at: datetime | None = None, settle: bool = True) -> None:
    """One report, by default of a minute ago."""
    when = at or gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(card, when, amount, number=f"{card}-{amount}-{gateway.ctx.now().isoformat()}")])
    if settle:
        await gateway.settle()


async def sim_of(gateway: Gateway, card: str) -> dict[str, Any]:
    return (await gateway.api.get(f"/v1/sims/{card}")).json()


async def holds_of(gateway: Gateway, card: str) -> list[str]:
    return [hold["code"] for hold in (await sim_of(gateway, card))["holds"]]


async def events_of(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    items = (await gateway.api.get("/v1/events", params={"limit": 500})).json()["items"]
    return [item for item in items if item["type"] == kind]


async def turn_at(gateway: Gateway, instant: str) -> None:
    """Move to an instant and turn the day there."""
    target = datetime.fromisoformat(instant)
    await gateway.advance(seconds=(target - gateway.ctx.now()).total_seconds())
    await roll_over_day(gateway.ctx, ZoneInfo("Asia/Shanghai"))
    await gateway.settle()


async def correct(gateway: Gateway, card: str, used: int, *, cycle: str = "2026-12") -> None:
    """The carrier's figure for the whole cycle until now."""
    row = {"iccid": card, "cycle": cycle, "bytes": used, "as_of": gateway.ctx.now().isoformat()}
    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": [row]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["applied"] == 1, answer.text
    await gateway.settle()
