"""The carrier follows our holds (ST-24) and the cycle's start excuses a stop alone (ST-21): seen by what it really did."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.usecases.reconcile import reconcile
from tests.gateway import Gateway, card
from tests.usage.reporting import report, send

MB = 1 << 20
NOON = "2026-12-15T12:00:00+08:00"


async def to(gateway: Gateway, instant: str) -> None:
    await gateway.advance(seconds=(datetime.fromisoformat(instant) - gateway.ctx.now()).total_seconds())


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    await to(gateway, NOON)


async def use(gateway: Gateway, name: str, amount: int) -> None:
    """So much traffic, told and weighed; what is asked of the carrier for it is not waited for."""
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(name, at, amount, number=f"{name}-{amount}-{at.isoformat()}")])
    await gateway.advance(seconds=0)


async def at_the_carrier(gateway: Gateway, index: int, **given: Any) -> None:
    """The carrier has the card anew, behind our back."""
    row = json.dumps(card(index, **given))
    answer = await gateway.control.post("/_control/sims", content=row, headers={"Content-Type": "application/x-ndjson"})
    assert answer.is_success, answer.text


async def sim_of(gateway: Gateway, name: str) -> dict[str, Any]:
    return (await gateway.api.get(f"/v1/sims/{name}")).json()


async def shown(gateway: Gateway, name: str) -> tuple[str, list[tuple[str, str]]]:
    sim = await sim_of(gateway, name)
    return sim["state"], [(hold["code"], hold["source"]) for hold in sim["holds"]]


async def there(gateway: Gateway, name: str) -> tuple[str, dict[str, int]]:
    """The card's state at the carrier, and what took effect there."""
    truth = await gateway.carrier(name)
    return truth["state"], truth["effects"]


async def test_a_card_that_runs_though_held_is_repaired_also_in_a_cycles_first_days(gateway: Gateway) -> None:
    await to(gateway, "2027-01-01T12:00:00+08:00")
    (name,) = await gateway.fleet({"terms": "gsl"})
    await use(gateway, name, 101 * MB)
    await gateway.settle()
    await at_the_carrier(gateway, 0, terms="gsl")

    seen = await reconcile(gateway.ctx)
    await gateway.advance(hours=25)
    later = await reconcile(gateway.ctx)
    await gateway.settle()

    assert (seen["lag"], later["cycle_start"], later["repairing"]) == (1, 0, 1)
    assert await there(gateway, name) == ("suspended", {"suspend": 1})
    assert await shown(gateway, name) == ("suspended", [("over_quota", "gateway")])


async def test_a_unicom_hold_of_the_running_cycle_is_not_called_lagging(gateway: Gateway) -> None:
    async def lagging() -> list[bool]:
        answer = await gateway.api.get(f"/v1/sims/{name}/explanation")
        return [hold["lagging"] for hold in answer.json()["holds"]]

    await to(gateway, "2026-12-28T12:00:00+08:00")
    (name,) = await gateway.fleet({"terms": "gsl", "carrier": "cucc"})
    await use(gateway, name, 101 * MB)
    then = await lagging()
    await to(gateway, "2027-01-02T12:00:00+08:00")

    assert (then, await lagging()) == ([False], [False])
