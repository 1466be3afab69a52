"""What a cart takes and what it refuses, on one gateway that these tests leave as it is (OR-3, RN-6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests import databases
from tests.gateway import Gateway, iccid, open_gateway
from tests.usecases.orders.ordering import priced


@pytest.fixture(scope="module")
async def shop(
    database_url: str, database_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    """A gateway with three cards and some plans."""
    await databases.empty(database_dsn)
    async with open_gateway(database_url, tmp_path_factory.mktemp("shop")) as gateway:
        await priced(gateway, *({"expires_on": "2026-12-31"} for _ in range(3)))
        for size, name in ((30, "30m"), (100, "100m"), (2048, "2g")):
            plan = {"id": f"cmcc-{name}", "carrier": "cmcc", "allowance": size << 20, "months": 12, "price_fen": 2400}
            assert (await gateway.api.post("/v1/plans", json=plan)).is_success
        yield gateway
    await databases.empty(database_dsn)


@pytest.mark.parametrize(
    ("plan", "quantity", "rule", "conditions"),
    [
        ("cmcc-30m", 10, "OR-3", []),
        ("cmcc-30m", 11, None, []),
        ("cmcc-100m", 9, "OR-3", []),
        ("cmcc-100m", 10, None, ["via_account_manager"]),
        ("cmcc-2g", 9, "OR-3", []),
        ("cmcc-2g", 10, None, ["freight_collect"]),
        ("cmcc-2g", 11, None, []),
    ],
)
async def test_small_orders_have_their_conditions(
    shop: Gateway, plan: str, quantity: int, rule: str | None, conditions: list[str]
) -> None:
    """OR-3: ten cards over 1 GB, freight collect; ten test cards of 100 MB by the account manager."""
    item = {"kind": "new_cards", "plan": plan, "quantity": quantity}
    cart = (await shop.api.post("/v1/carts", json={"terms": "gsl", "items": [item]})).json()
    [shown] = cart["items"]
    assert [one["rule"] for one in shown["refusals"]] == ([rule] if rule else [])
    assert shown["conditions"] == conditions
    free = (await shop.api.post("/v1/carts", json={"terms": "standard", "items": [item]})).json()
    assert free["refused"] == 0, "no other supplier publishes it"


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "renew", "iccid": iccid(1)},
        {"kind": "renew", "months": 12},
        {"kind": "renew", "months": 121, "iccid": iccid(1)},
        {"kind": "renew", "months": 12, "iccid": iccid(1), "selector": {"all": True}},
        {"kind": "renew", "months": 12, "iccid": iccid(1), "plan": "x"},
        {"kind": "renew", "months": 12, "iccid": "89x"},
        {"kind": "card_addon", "iccid": iccid(1)},
        {"kind": "pool_addon", "addon": "x"},
        {"kind": "pool_addon", "addon": "x", "pool": "x"},
        {"kind": "new_cards", "plan": "x"},
        {"kind": "new_cards", "plan": "x", "quantity": 0},
        {"kind": "new_cards", "plan": "x", "quantity": 100_001},
        {"kind": "gift", "iccid": iccid(1)},
    ],
)
async def test_an_item_names_what_its_kind_needs(shop: Gateway, item: dict[str, Any]) -> None:
    answer = await shop.api.post("/v1/carts", json={"items": [item]})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ARGUMENT")


async def test_a_cart_holds_100_000_cards_and_no_more(shop: Gateway) -> None:
    text = "iccid\n" + "\n".join(iccid(number) for number in range(100_001))
    file = await shop.api.post("/v1/files", content=text.encode(), headers={"Content-Type": "text/csv"})
    assert file.json()["rows"] == 100_001
    item = {"kind": "renew", "months": 12, "selector": {"file_id": file.json()["id"]}}
    answer = await shop.api.post("/v1/carts", json={"items": [item]})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "TOO_MANY_ITEMS")
