"""How a cart judges many cards, and the last days of renewal windows by supplier (RN-1 to RN-10)."""

from __future__ import annotations

from typing import Any

from app.jobs.loops import drain
from tests.gateway import Gateway
from tests.usecases.orders.ordering import complete_desk, pay, placed, priced, renewal


async def test_a_selection_is_judged_as_each_of_its_cards(gateway: Gateway) -> None:
    """RN-1 to RN-10: cards that may buy the same are judged together, every other by itself; some bought before."""
    flexem = {"expires_on": "2026-12-31"}
    rows = [
        *(flexem | {"activated_on": f"2026-01-0{day}", "imei": None} for day in (5, 6)),
        *(flexem for _ in range(3)),
        flexem | {"expires_on": "2026-11-30"},
        flexem | {"carrier": "cucc"},
        flexem | {"state": "expired", "expires_on": "2026-09-30"},
        {"terms": "standard", "state": "expired", "expires_on": "2026-10-31"},
        {"state": "silent", "opened_on": "2026-10-01"},
        {"state": "suspended", "holds": "manual"} | flexem,
    ]
    cards = await priced(gateway, *({k: v for k, v in row.items() if v is not None} for row in rows))
    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12, "price_fen": 2400}
    await gateway.api.post("/v1/plans", json=plan | {"renewals_max": 1})
    await pay(gateway, await placed(gateway, renewal(cards[2])))
    await drain(gateway.ctx)
    await complete_desk(gateway)

    async def judged(*items: dict[str, Any]) -> dict[str, Any]:
        body = {"terms": "flexem", "items": list(items)}
        cart = (await gateway.api.post("/v1/carts", json=body)).json()
        entries = (await gateway.api.get(f"/v1/carts/{cart['id']}/entries?limit=500")).json()["items"]
        return {one["iccid"]: {k: v for k, v in one.items() if k not in ("position", "item")} for one in entries}

    alone: dict[str, Any] = {}
    for card in cards:
        alone |= await judged(renewal(card))
    assert await judged({"kind": "renew", "months": 12, "selector": {"all": True}}) == alone
    assert await judged(*map(renewal, cards)) == alone
    refused = {one["refusal"]["rule"] for one in alone.values() if one["refusal"]}
    assert refused >= {"RN-1", "RN-5", "RN-6", "OP-5"}, refused
