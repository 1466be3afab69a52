"""What is bought beside renewals: add-on packs, plan changes, new cards (QT-7, RN-4, OR-1, OR-2, OR-3, SL-6)."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

from app.jobs.loops import drain
from tests.gateway import Gateway, card
from tests.usecases.orders.ordering import at, complete_desk, order_now, pay, placed, priced, renewal

NDJSON = {"Content-Type": "application/x-ndjson"}
NEW = {"kind": "new_cards", "plan": "cmcc-100m"}


async def test_an_add_on_pack_of_the_catalogue_is_bought_for_cards(gateway: Gateway) -> None:
    """QT-7: its price and size are the catalogue's when it is ordered; a pack of another carrier or without a price is refused."""
    own, other = await priced(gateway, {"expires_on": "2026-12-31"}, {"carrier": "cucc", "expires_on": "2026-12-31"})
    for pack in (
        {"id": "cmcc-500m", "carrier": "cmcc", "scope": "card", "bytes": 500 << 20, "price_fen": 1500},
        {"id": "cmcc-free", "carrier": "cmcc", "scope": "card", "bytes": 1 << 20},
    ):
        assert (await gateway.api.post("/v1/addons", json=pack)).is_success
    wish = {"kind": "card_addon", "addon": "cmcc-500m"}
    cart = (await gateway.api.post("/v1/carts", json={"items": [wish | {"selector": {"all": True}}]})).json()
    assert (cart["refused"], cart["items"][0]["refusals"][0]["iccid"]) == (1, other)
    unpriced = await gateway.api.post("/v1/orders", json={"items": [wish | {"iccid": own, "addon": "cmcc-free"}]})
    assert (unpriced.status_code, unpriced.json()["code"]) == (422, "NOT_PRICED")
    unknown = await gateway.api.post("/v1/orders", json={"items": [wish | {"iccid": own, "addon": "none"}]})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/items/0/addon")
    order = await placed(gateway, wish | {"iccid": own})
    assert (order["type"], order["amount_fen"]) == ("card_addon", 1500)
    smaller = {"id": "cmcc-500m", "carrier": "cmcc", "scope": "card", "bytes": 1 << 20, "price_fen": 1500}
    assert (await gateway.api.post("/v1/addons", json=smaller)).is_success, "what is ordered keeps its size"
    await pay(gateway, order)
    await drain(gateway.ctx)
    await complete_desk(gateway)
    assert (await order_now(gateway, order))["status"] == "done"
    assert (await gateway.api.get(f"/v1/sims/{own}")).json()["usage"]["addons"] == 500 << 20
    [item] = (await gateway.api.get(f"/v1/orders/{order['id']}/items")).json()["items"]
    assert (item["addon"], item["bytes"]) == ("cmcc-500m", 500 << 20)


async def test_an_add_on_pack_of_a_pool_is_in_force_once_paid(gateway: Gateway) -> None:
    """QT-7: for prepaid pools of its carrier; in the transaction that ends its item, so exactly once."""
    await priced(gateway, {})
    for kind, name in (("pool_forward", "forward"), ("pool_backward", "backward")):
        plan = {"id": f"cmcc-{name}", "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "kind": kind}
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success
        pool = {"id": name, "name": name, "kind": name, "carrier": "cmcc", "plan": f"cmcc-{name}"}
        assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    pack = {"id": "pool-10g", "carrier": "cmcc", "scope": "pool", "bytes": 10 << 30, "price_fen": 20_000}
    assert (await gateway.api.post("/v1/addons", json=pack)).is_success
    wish = {"kind": "pool_addon", "addon": "pool-10g"}
    wishes = [wish | {"pool": name} for name in ("forward", "backward", "none")]
    cart = (await gateway.api.post("/v1/carts", json={"items": wishes})).json()
    codes = [[one["rule"] or one["code"] for one in item["refusals"]] for item in cart["items"]]
    assert codes == [[], ["QT-7"], ["UNKNOWN_POOL"]]
    order = await placed(gateway, wishes[0])
    assert (order["type"], order["pooled"], order["cards"]) == ("pool_addon", True, 0)
    assert (await gateway.api.post("/v1/addons", json=pack | {"bytes": 1 << 30})).is_success
    await asyncio.gather(*(pay(gateway, order) for _ in range(5)))
    await drain(gateway.ctx)
    assert (await order_now(gateway, order))["status"] == "done"
    assert (await gateway.api.get("/v1/pools/forward")).json()["cycle"]["total"] == 10 << 30


async def test_a_plan_is_changed_where_the_terms_allow(gateway: Gateway) -> None:
    """RN-4, OR-2: at its price; `gsl` changes none."""
    gsl = {"terms": "gsl", "activated_on": "2026-01-05", "expires_on": "2026-12-31"}
    own, foreign = await priced(gateway, {"expires_on": "2026-12-31"}, gsl)
    plan = {"id": "cmcc-1g", "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "change_price_fen": 700}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    wish = {"kind": "change_plan", "plan": "cmcc-1g"}
    refused = await gateway.api.post("/v1/orders", json={"items": [wish | {"iccid": foreign}]})
    assert (refused.status_code, refused.json()["rule"]) == (422, "OR-2")
    order = await placed(gateway, wish | {"iccid": own})
    assert (order["type"], order["amount_fen"]) == ("plan_change", 700)
    await pay(gateway, order)
    await drain(gateway.ctx)
    await complete_desk(gateway)
    assert (await gateway.api.get(f"/v1/sims/{own}")).json()["plan"] == "cmcc-1g"
    assert (await order_now(gateway, order))["status"] == "done"


async def test_new_cards_are_reviewed_shipped_and_shown_once_done(gateway: Gateway) -> None:
    """OR-1, SL-6: courier and number once shipped; the cards once done; delivered within ten workdays."""
    await priced(gateway, {})
    answer = await gateway.api.post("/v1/carts", json={"terms": "gsl", "items": [NEW | {"quantity": 100}]})
    order = (await gateway.api.post("/v1/orders", json={"cart": answer.json()["id"]})).json()
    assert (order["type"], order["cards"], order["amount_fen"], order["delivery"]) == ("new", 100, 240_000, None)

    async def move(status: str, **more: str) -> Any:
        return await gateway.api.post(f"/v1/orders/{order['id']}/status", json={"status": status, **more})

    paid = (await pay(gateway, order)).json()
    assert (paid["status"], paid["delivery"]["rule"]) == ("fulfilling", "SL-6")
    assert datetime.fromisoformat(paid["delivery"]["due_at"]) == at("2026-12-08T00:00:00")
    await drain(gateway.ctx)
    assert (await move("done")).status_code == 409
    assert (await move("fulfilling")).status_code == 422
    sent = (await move("shipped", courier="SF", tracking_number="SF1")).json()
    assert (sent["courier"], sent["tracking_number"]) == ("SF", "SF1")
    row = {"carrier": "cmcc", "state": "testing", "terms": "gsl", "opened_on": "2026-11-21", "order": order["id"]}
    lines = json.dumps(card(50, **row))
    assert (await gateway.api.post("/v1/sims/import", content=lines, headers=NDJSON)).is_success
    assert (await gateway.api.get(f"/v1/orders/{order['id']}/cards")).json()["items"] == []
    assert (await order_now(gateway, order))["opened_cards"] is None
    done = (await move("done", batch="B-7")).json()
    assert (done["status"], done["opened_cards"], done["batch"]) == ("done", 1, "B-7")
    [shown] = (await gateway.api.get(f"/v1/orders/{order['id']}/cards")).json()["items"]
    assert shown["carrier_as_of"] is None, "the carrier's data are not in yet (GSL 9.13)"
    assert {one["request"] for one in done["after_sales"]} >= {"refund", "replace_lost_card", "nb_card"}
    types = [event["type"] for event in (await gateway.api.get("/v1/events?limit=500")).json()["items"]]
    assert [kind for kind in types if kind.startswith("order.")] == ["order.paid", "order.done"]


async def test_new_cards_that_cannot_be_delivered_fail_with_a_reason(gateway: Gateway) -> None:
    """OR-1: failed after the payment; shipped after all once it is tried again."""
    await priced(gateway, {})
    order = await placed(gateway, NEW | {"quantity": 100})
    await pay(gateway, order)
    path = f"/v1/orders/{order['id']}"
    failed = (await gateway.api.post(f"{path}/status", json={"status": "failed", "failure_reason": "no stock"})).json()
    assert (failed["status"], failed["failure_reason"], failed["summary"]["failed"]) == ("failed", "no stock", 1)
    again = (await gateway.api.post(f"{path}/items/1/retry")).json()
    assert (again["status"], again["failure_reason"]) == ("fulfilling", None)
    assert (await gateway.api.post(f"{path}/status", json={"status": "shipped"})).json()["status"] == "shipped"


async def test_what_ships_is_ordered_by_itself(gateway: Gateway) -> None:
    """OR-1."""
    (own,) = await priced(gateway, {"expires_on": "2026-12-31"})
    items = [renewal(own), NEW | {"quantity": 100}]
    cart = (await gateway.api.post("/v1/carts", json={"items": items})).json()
    assert [item["refused"] for item in cart["items"]] == [0, 1]
    assert cart["items"][1]["refusals"][0]["rule"] == "OR-1"
