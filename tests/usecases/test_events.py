"""What events look like, frozen: receivers are written against these keys. A change here is a change of the contract.

`SIMGATE_GOLDEN=write pytest tests/usecases/test_events.py` writes the file anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from app.jobs.loops import drain
from app.usecases.carrier_sync.reconcile import reconcile
from app.usecases.webhooks import endpoints
from tests.gateway import Gateway, card
from tests.receiver import Receiver
from tests.usecases.orders.ordering import PROFILE, complete_desk, pay, placed, renewal

GOLDEN = Path(__file__).with_name("events.golden.json")
PATTERNS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+\d\d:\d\d"), "<instant>"),
    (re.compile(r"89\d{17,18}"), "<iccid>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<correlation>"),
)


def plain(value: Any) -> Any:
    """The value with everything that differs between runs named instead."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        for pattern, name in PATTERNS:
            value = pattern.sub(name, value)
    return value


async def order_a_renewal(gateway: Gateway, card: str) -> None:
    """An order that is paid and fails, and is done once its item is tried again."""
    plan = {"id": "cucc-100m", "carrier": "cucc", "allowance": 100 << 20, "months": 12, "price_fen": 2400}
    await gateway.api.post("/v1/plans", json=plan)
    await gateway.api.patch("/v1/account", json=PROFILE)
    order = await placed(gateway, renewal(card))
    await pay(gateway, order)
    for outcome in ("failed", "succeeded"):
        await drain(gateway.ctx)
        await complete_desk(gateway, outcome)
        await gateway.api.post(f"/v1/orders/{order['id']}/items/1/retry")


async def test_events_keep_their_shape(gateway: Gateway, receiver: Receiver) -> None:
    names = await gateway.fleet({"carrier": "cucc"}, {"carrier": "cucc", "state": "silent"}, {"carrier": "cucc"})
    headers = {"X-Correlation-Id": "corr"}
    for name, action in ((names[0], "suspend"), (names[0], "resume"), (names[1], "activate")):
        await gateway.operation(await gateway.api.post(f"/v1/sims/{name}/{action}", headers=headers))
    at = {"execute_at": "2020-01-01T00:00:00Z", "wait": True}
    await gateway.api.post(f"/v1/sims/{names[2]}/suspend", json={})
    await gateway.api.post(f"/v1/sims/{names[2]}/suspend", json=at)
    await gateway.settle()
    await gateway.api.post("/v1/bulk-operations", json={"kind": "refresh", "selector": {"iccids": [names[0]]}})
    await gateway.settle()
    await gateway.advance(seconds=2)
    row = json.dumps(card(0, carrier="cucc", state="silent"))
    await gateway.control.post("/_control/sims", content=row, headers={"Content-Type": "application/x-ndjson"})
    for _ in range(3):
        await reconcile(gateway.ctx)
        await gateway.advance(hours=25)
    await order_a_renewal(gateway, names[2])
    async with gateway.ctx.work() as work:
        wanted = endpoints.EndpointRequest(url=receiver.url)
        endpoint, _ = await endpoints.create(gateway.ctx, work, "default", wanted, actor="test")
        await endpoints.test(gateway.ctx, work, "default", endpoint.id)
        await work.commit()
    events = (await gateway.api.get("/v1/events", params={"limit": 500})).json()["items"]
    found: dict[str, Any] = {}
    for event in events:
        found.setdefault(event["type"], plain(event))
    written = json.dumps(dict(sorted(found.items())), ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("SIMGATE_GOLDEN") == "write":
        GOLDEN.write_text(written)
    assert written == GOLDEN.read_text()
