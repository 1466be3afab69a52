"""What tests of charges do over and over: a plan with a price for overrun, a card of it, the balance."""

from __future__ import annotations

from typing import Any

from tests.gateway import Gateway

MB = 1 << 20
ALLOWANCE = 100 * MB
FEN_PER_MB = 30


async def priced(gateway: Gateway, carrier: str = "cmcc", **more: Any) -> None:
    """The plan of 100 MB charges overrun from now on."""
    plan = {"id": f"{carrier}-100m", "carrier": carrier, "allowance": ALLOWANCE, "months": 12}
    answer = await gateway.api.post("/v1/plans", json=plan | {"overrun_fen_per_mb": FEN_PER_MB} | more)
    assert answer.status_code == 201, answer.text
    await gateway.settle()


async def card_of(gateway: Gateway, **given: Any) -> str:
    """An active card of these terms whose overrun is charged."""
    (card,) = await gateway.fleet({"terms": "standard", "expires_on": "2027-06-30"} | given)
    await priced(gateway)
    return card


async def pay(gateway: Gateway, amount: int, reference: str) -> None:
    body = {"amount_fen": amount, "reference": reference}
    answer = await gateway.api.post("/v1/account/payments", json=body)
    assert answer.status_code == 201, answer.text
    await gateway.settle()


async def balance(gateway: Gateway) -> int:
    return int((await gateway.api.get("/v1/account")).json()["balance_fen"])


async def charges(gateway: Gateway, kind: str = "overrun") -> list[int]:
    """The amounts of the entries of a kind, oldest first."""
    items = (await gateway.api.get("/v1/account/entries", params={"limit": 500})).json()["items"]
    return [item["amount_fen"] for item in reversed(items) if item["kind"] == kind]


async def complete(gateway: Gateway, answer: Any) -> None:
    """The desk does what was asked for."""
    done = {"outcome": "succeeded", "note": "done"}
    assert (await gateway.api.post(f"{answer.headers['location']}/complete", json=done)).is_success
    await gateway.settle()
