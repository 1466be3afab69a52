"""What tests of the carrier that follows do and look at: time, traffic, the carrier's own changes, both sides' view."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from app.carriers.base import SimRef
from app.usecases.carrier_sync.snapshots import apply_snapshots
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway, card
from tests.usecases.usage.reporting import HOME, report, send

MB = 1 << 20


async def to(gateway: Gateway, instant: str) -> None:
    await gateway.advance(seconds=(datetime.fromisoformat(instant) - gateway.ctx.now()).total_seconds())


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


async def sweep(gateway: Gateway) -> None:
    await expire_zone(gateway.ctx, HOME)
    await gateway.settle()


async def asked(gateway: Gateway, name: str) -> list[tuple[str, str, str]]:
    items = (await gateway.api.get("/v1/operations", params={"sim": name})).json()["items"]
    return [(item["kind"], item["source"], item["status"]) for item in reversed(items)]


async def hear(gateway: Gateway, name: str) -> None:
    """The carrier's word on a card, a little later, and all that follows."""
    await gateway.advance(minutes=1)
    await apply_snapshots(gateway.ctx, await gateway.ctx.clients["cmcc-main"].snapshot([SimRef(iccid=name)]))
    await gateway.settle()


async def completed(gateway: Gateway, name: str, action: str, **body: Any) -> dict[str, Any]:
    """An action done to its end, by a person where it is desk work."""
    answer = await gateway.api.post(f"/v1/sims/{name}/{action}", json=body)
    assert answer.status_code == 202, answer.text
    if answer.json()["channel"] == "desk":
        done = {"outcome": "succeeded", "note": "done"}
        ended = await gateway.api.post(f"/v1/operations/{answer.json()['id']}/complete", json=done)
        assert ended.is_success, ended.text
    return await gateway.operation(answer)
