"""How a cart judges many cards, and the last days of renewal windows by supplier (RN-1 to RN-10)."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs.loops import drain
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway
from tests.usecases.orders.ordering import (
    HOME,
    at,
    complete_desk,
    pay,
    placed,
    priced,
    renewal,
    set_clock,
)


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


@pytest.mark.parametrize(
    ("row", "last", "first_after", "rule"),
    [
        ({"terms": "standard", "expires_on": "2026-09-30"}, "2026-12-29", "2026-12-30", "RN-3"),
        ({"terms": "standard", "carrier": "ctcc", "expires_on": "2026-11-30"}, "2027-02-28", "2027-03-01", "RN-3"),
        ({"terms": "gsl", "carrier": "cucc", "expires_on": "2026-12-26"}, "2026-12-26", "2026-12-27", "RN-3"),
        ({"carrier": "ctcc", "expires_on": "2026-11-30"}, "2026-12-22", "2026-12-23", "RN-1"),
        ({"expires_on": "2026-12-31"}, "2026-12-22", "2026-12-23", "RN-2"),
        ({"expires_on": "2026-11-30"}, "2026-12-22", "2026-12-23", "RN-1"),
    ],
)
async def test_a_cart_takes_a_renewal_on_the_last_day_and_not_on_the_next(
    gateway: Gateway, row: dict[str, Any], last: str, first_after: str, rule: str
) -> None:
    """RN-1, RN-2, RN-3: 90 and 91 days, the last valid day and the next, the 22nd and the 23rd, by the carrier's midnight."""
    (card,) = await priced(gateway, {"activated_on": "2025-09-01"} | row)
    refusals = []
    for instant in (f"{last}T23:59:00", f"{first_after}T00:00:00"):
        set_clock(gateway, at(instant))
        cart = (await gateway.api.post("/v1/carts", json={"items": [renewal(card)]})).json()
        refusals.append([one["rule"] for one in cart["items"][0]["refusals"]])
    assert refusals == [[], [rule]]


@pytest.mark.parametrize(
    ("row", "last", "cancelled_on"),
    [
        ({"terms": "standard", "expires_on": "2026-09-30"}, "2026-12-29", "2026-12-30"),
        ({"carrier": "cucc", "expires_on": "2026-11-30"}, "2026-12-22", "2026-12-23"),
        ({"terms": "gsl", "expires_on": "2026-09-30"}, "2027-09-29", None),
    ],
)
async def test_a_card_is_cancelled_on_the_day_after_its_last_renewal_day(
    gateway: Gateway, row: dict[str, Any], last: str, cancelled_on: str | None
) -> None:
    """LC-9: `standard` after 90 days, `flexem` on the 23rd; at `gsl` no day is told."""
    (card,) = await gateway.fleet({"state": "expired", "activated_on": "2025-09-01"} | row)
    states = []
    for instant in (f"{last}T23:59:00", f"{cancelled_on or last}T00:01:00"):
        set_clock(gateway, max(at(instant), gateway.ctx.now()))
        await expire_zone(gateway.ctx, HOME)
        states.append((await gateway.api.get(f"/v1/sims/{card}")).json()["state"])
    assert states == ["expired", "cancelled" if cancelled_on else "expired"]
