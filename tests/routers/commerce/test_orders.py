"""Orders of renewals through the API: the windows, the payment, what comes after it (RN-1 to RN-9, OR-1, OR-2)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.jobs.loops import drain
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway, iccid
from tests.usecases.orders.ordering import (
    HOME,
    PROFILE,
    at,
    complete_desk,
    items_of,
    move_to,
    order_now,
    pay,
    placed,
    priced,
    renewal,
    set_clock,
)


async def _renewal_shown(gateway: Gateway, card: str, read: str) -> Any:
    return (await gateway.api.get(f"/v1/sims/{card}/{read}")).json()["renewal"]


async def test_a_renewal_is_ordered_paid_and_done(gateway: Gateway) -> None:
    """RN-8: the end date moves once the new plan is in force; until then both are shown. OR-1."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))
    assert (order["status"], order["type"], order["amount_fen"], order["months"]) == ("placed", "renewal", 2400, 12)
    await drain(gateway.ctx)
    assert (await order_now(gateway, order))["summary"]["pending"] == 1, "nothing begins before the payment"

    assert await _renewal_shown(gateway, card, "offers") is None
    paid = await pay(gateway, order)
    assert (paid.status_code, paid.json()["status"]) == (200, "fulfilling"), paid.text
    begun = await _renewal_shown(gateway, card, "explanation")
    assert (begun["renews_to"], begun["order"], begun["operation"]) == ("2027-12-31", order["id"], None)
    await drain(gateway.ctx)
    [item] = await items_of(gateway, order)
    assert (item["status"], item["expires_on"], item["renews_to"]) == ("open", "2026-12-31", "2027-12-31")
    assert item["operation_status"] == "waiting_carrier"
    assert (await gateway.api.get(f"/v1/sims/{card}")).json()["expires_on"] == "2026-12-31"
    operation = (await gateway.api.get(f"/v1/operations/{item['operation']}")).json()
    assert operation["order"] == order["id"]
    both = {"expires_on": "2026-12-31", "renews_to": "2027-12-31", "order": order["id"], "operation": item["operation"]}
    assert [await _renewal_shown(gateway, card, read) for read in ("explanation", "offers")] == [both] * 2

    await complete_desk(gateway)
    assert (await gateway.api.get(f"/v1/sims/{card}")).json()["expires_on"] == "2027-12-31"
    done = await order_now(gateway, order)
    assert (done["status"], done["summary"]["succeeded"]) == ("done", 1)
    assert [await _renewal_shown(gateway, card, read) for read in ("explanation", "offers")] == [None] * 2
    states = [line["status"] for line in done["history"]]
    assert states == ["placed", "reviewing", "reviewed", "fulfilling", "done"]
    types = [event["type"] for event in (await gateway.api.get("/v1/events?limit=500")).json()["items"]]
    assert [kind for kind in types if kind.startswith("order.")] == ["order.paid", "order.done"]


async def test_fifty_payments_of_one_order_count_once(gateway: Gateway) -> None:
    """RN-6: a payment counts once however often, and from however many at once, it is sent."""
    cards = await priced(gateway, *({"expires_on": "2026-12-31"} for _ in range(3)))
    order = await placed(gateway, *(renewal(card) for card in cards))
    answers = await asyncio.gather(*(pay(gateway, order) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    await drain(gateway.ctx)
    async with gateway.ctx.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM order_payments") == 1
        assert await connection.fetchval("SELECT count(*) FROM operations WHERE kind = 'renew'") == 3
        assert await connection.fetchval("SELECT count(*) FROM events WHERE type = 'order.paid'") == 1
    other = await pay(gateway, order, reference="PAY-2")
    assert (other.status_code, other.json()["code"]) == (409, "INCOMPATIBLE_STATE")
    wrong = await pay(gateway, order, amount_fen=order["amount_fen"] - 1)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "AMOUNT_MISMATCH")


@pytest.mark.parametrize("difference", [-1, 1])
async def test_another_amount_pays_nothing(gateway: Gateway, difference: int) -> None:
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))
    wrong = await pay(gateway, order, amount_fen=order["amount_fen"] + difference)
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["amount_due_fen"]) == (422, "AMOUNT_MISMATCH", 2400)
    assert (await order_now(gateway, order))["payment"] is None


async def test_paid_on_the_22nd_and_worked_on_the_23rd_counts(gateway: Gateway) -> None:
    """RN-1: the window is judged at the instant of the payment, 22nd 23:59:59, not when its turn comes."""
    before, after = await priced(gateway, *({"carrier": "cucc", "expires_on": "2026-11-30"} for _ in range(2)))
    await move_to(gateway, at("2026-12-22T12:00:00"))
    orders = [await placed(gateway, renewal(card)) for card in (before, after)]
    set_clock(gateway, at("2026-12-23T00:00:01"))
    assert (await pay(gateway, orders[0], at("2026-12-22T23:59:59"))).is_success
    assert (await pay(gateway, orders[1], at("2026-12-23T00:00:00"))).is_success
    await drain(gateway.ctx)
    [good], [late] = [await items_of(gateway, order) for order in orders]
    assert (good["status"], good["error"]) == ("open", None)
    assert (late["status"], late["error"]["code"], late["error"]["rule"]) == ("failed", "RULE_VIOLATION", "RN-1")
    failed = await order_now(gateway, orders[1])
    assert (failed["status"], failed["failure_reason"]) == ("failed", "1 of 1 items failed")


async def test_the_window_is_checked_in_the_cart_on_both_sides_of_midnight(gateway: Gateway) -> None:
    """RN-1, RN-2: the 22nd and the 23rd in the carrier's zone; the clock runs on meanwhile."""
    unicom, mobile = await priced(
        gateway, {"carrier": "cucc", "expires_on": "2026-11-30"}, {"expires_on": "2027-05-31"}
    )
    set_clock(gateway, at("2026-12-22T23:59:45"))
    cart = (await gateway.api.post("/v1/carts", json={"items": [renewal(unicom), renewal(mobile)]})).json()
    assert (cart["refused"], cart["amount_fen"]) == (0, 4800)
    assert [item["renews_to"] for item in cart["items"]] == ["2027-11-30", "2028-05-31"]
    set_clock(gateway, at("2026-12-23T00:00:00"))
    late = (await gateway.api.post("/v1/carts", json={"items": [renewal(unicom), renewal(mobile)]})).json()
    rules = [item["refusals"][0]["rule"] for item in late["items"]]
    assert (late["refused"], rules) == (2, ["RN-1", "RN-2"])
    stale = await gateway.api.post("/v1/orders", json={"cart": cart["id"]})
    assert (stale.status_code, stale.json()["rule"]) == (422, "RN-1"), "checked again when the order is placed"


async def test_a_card_stands_in_a_cart_once(gateway: Gateway) -> None:
    """RN-6: also by the other form of its ICCID, and within a selection."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    cart = (await gateway.api.post("/v1/carts", json={"items": [renewal(card)]})).json()
    for body in (renewal(card), renewal(card[:19]), {"kind": "renew", "months": 6, "selector": {"all": True}}):
        again = await gateway.api.post(f"/v1/carts/{cart['id']}/items", json=body)
        assert again.json()["items"][-1]["refusals"][0]["rule"] == "RN-6", again.text
    whole = (await gateway.api.get(f"/v1/carts/{cart['id']}")).json()
    assert (whole["entries"], whole["refused"], whole["amount_fen"]) == (4, 3, 2400)
    refused = await gateway.api.post("/v1/orders", json={"cart": cart["id"]})
    assert (refused.status_code, refused.json()["rule"], refused.json()["count"]) == (422, "RN-6", 3)
    for number in (2, 3, 4):
        assert (await gateway.api.delete(f"/v1/carts/{cart['id']}/items/{number}")).is_success
    order = await gateway.api.post("/v1/orders", json={"cart": cart["id"]})
    assert (order.status_code, order.json()["items"]) == (201, 1)
    twice = await gateway.api.post("/v1/orders", json={"cart": cart["id"]})
    assert (twice.status_code, twice.json()["order"]) == (409, order.json()["id"])


async def test_cards_of_another_supplier_are_refused(gateway: Gateway) -> None:
    """RN-5."""
    own, foreign = await priced(
        gateway,
        {"expires_on": "2026-12-31"},
        {"terms": "gsl", "activated_on": "2026-01-05", "expires_on": "2026-12-31"},
    )
    cart = (await gateway.api.post("/v1/carts", json={"items": [renewal(own), renewal(foreign)]})).json()
    assert [item["refused"] for item in cart["items"]] == [0, 1]
    assert cart["items"][1]["refusals"][0]["rule"] == "RN-5"
    rest = await placed(gateway, renewal(own), renewal(foreign), leave_out_refused=True)
    assert (rest["items"], rest["terms"]) == (1, "flexem")


async def test_part_of_an_order_is_renewed_from_a_file(gateway: Gateway) -> None:
    """RN-7: only cards of that order; what the file names beside it is refused."""
    rows = [{"expires_on": "2026-12-31", "order": "SO-1"} for _ in range(3)]
    first, second, _, other = await priced(gateway, *rows, {"expires_on": "2026-12-31", "order": "SO-2"})
    text = "iccid\n" + "\n".join((first, second, other, iccid(999)))
    file = await gateway.api.post("/v1/files", content=text.encode(), headers={"Content-Type": "text/csv"})
    body = {"kind": "renew", "months": 12, "selector": {"file_id": file.json()["id"]}, "order": "SO-1"}
    cart = (await gateway.api.post("/v1/carts", json={"items": [body]})).json()
    codes = {refusal["iccid"]: refusal["rule"] or refusal["code"] for refusal in cart["items"][0]["refusals"]}
    assert (cart["entries"], codes) == (4, {other: "RN-7", iccid(999): "NOT_FOUND"})
    entries = (await gateway.api.get(f"/v1/carts/{cart['id']}/entries?refused=false")).json()["items"]
    assert [entry["iccid"] for entry in entries] == [first, second]
    whole = {"kind": "renew", "months": 12, "selector": {"filter": {"order": "SO-1"}}}
    assert (await placed(gateway, whole))["cards"] == 3


async def test_renewals_beyond_the_plans_number_are_refused(gateway: Gateway) -> None:
    """RN-6: one renewal is left, then none."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12, "price_fen": 2400}
    await gateway.api.post("/v1/plans", json=plan | {"renewals_max": 1})
    order = await placed(gateway, renewal(card))
    await pay(gateway, order)
    await drain(gateway.ctx)
    await complete_desk(gateway)
    refused = await gateway.api.post("/v1/orders", json={"items": [renewal(card)]})
    assert (refused.status_code, refused.json()["rule"]) == (422, "RN-6")


async def test_what_has_no_price_cannot_be_ordered(gateway: Gateway) -> None:
    (card,) = await gateway.fleet({"expires_on": "2026-12-31"})
    await gateway.api.patch("/v1/account", json=PROFILE)
    refused = await gateway.api.post("/v1/orders", json={"items": [renewal(card)]})
    assert (refused.status_code, refused.json()["code"]) == (422, "NOT_PRICED")


async def test_a_failed_item_is_tried_again_and_nothing_is_refunded(gateway: Gateway) -> None:
    """OR-2: it tells why; the order is failed, and done once the retry has succeeded."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))
    early = await gateway.api.post(f"/v1/orders/{order['id']}/items/1/retry")
    assert early.status_code == 409
    await pay(gateway, order)
    await drain(gateway.ctx)
    await complete_desk(gateway, "failed")
    assert (await order_now(gateway, order))["status"] == "failed"
    [item] = await items_of(gateway, order)
    assert (item["error"]["code"], item["error"]["detail"]) == ("DESK_FAILED", "by hand")
    again = await gateway.api.post(f"/v1/orders/{order['id']}/items/1/retry")
    assert (again.status_code, again.json()["status"]) == (200, "fulfilling")
    assert (await gateway.api.post(f"/v1/orders/{order['id']}/items/1/retry")).status_code == 409
    await drain(gateway.ctx)
    await complete_desk(gateway)
    done = await order_now(gateway, order)
    assert (done["status"], done["amount_fen"], done["payment"]["amount_fen"]) == ("done", 2400, 2400)
    assert [line["status"] for line in done["history"]][-3:] == ["failed", "fulfilling", "done"]


async def test_paid_too_late_is_tried_again_in_the_next_window(gateway: Gateway) -> None:
    """RN-2: paid on the 23rd it fails; tried again on the 1st it is judged then."""
    (card,) = await priced(gateway, {"expires_on": "2027-05-31"})
    order = await placed(gateway, renewal(card))
    await move_to(gateway, at("2026-11-23T00:00:00"))
    await pay(gateway, order)
    await drain(gateway.ctx)
    [item] = await items_of(gateway, order)
    assert (item["status"], item["error"]["rule"]) == ("failed", "RN-2")
    assert datetime.fromisoformat(item["error"]["earliest_retry_at"]) == at("2026-12-01T00:00:00")
    await gateway.api.post(f"/v1/orders/{order['id']}/items/1/retry")
    await drain(gateway.ctx)
    assert (await items_of(gateway, order))[0]["status"] == "failed"
    await move_to(gateway, at("2026-12-01T00:00:00"))
    await gateway.api.post(f"/v1/orders/{order['id']}/items/1/retry")
    await drain(gateway.ctx)
    assert (await items_of(gateway, order))[0]["status"] == "open"


async def test_an_order_is_cancelled_before_it_is_paid_and_not_after(gateway: Gateway) -> None:
    """OR-1."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))
    gone = await gateway.api.post(f"/v1/orders/{order['id']}/cancel")
    assert (gone.json()["status"], gone.json()["summary"]["cancelled"]) == ("cancelled", 1)
    assert (await pay(gateway, order)).status_code == 409
    other = await placed(gateway, renewal(card))
    await pay(gateway, other)
    assert (await gateway.api.post(f"/v1/orders/{other['id']}/cancel")).status_code == 409


async def test_a_paid_renewal_waits_for_the_open_operation_of_its_card(gateway: Gateway) -> None:
    """OP-4: it is neither refused nor lost."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))
    desk = await gateway.api.post(f"/v1/sims/{card}/renew", json={"months": 1})
    assert desk.status_code == 202
    await pay(gateway, order)
    await drain(gateway.ctx)
    assert (await items_of(gateway, order))[0]["status"] == "pending"
    await gateway.api.post(f"/v1/operations/{desk.json()['id']}/cancel")
    await drain(gateway.ctx)
    assert (await items_of(gateway, order))[0]["status"] == "open"


async def test_the_supplier_moves_an_order_on(gateway: Gateway) -> None:
    """OR-1: reviewing and reviewed; what is applied is not shipped, and its items end it."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))

    async def move(status: str, **more: str) -> Any:
        return await gateway.api.post(f"/v1/orders/{order['id']}/status", json={"status": status, **more})

    assert (await move("reviewed")).status_code == 409
    assert (await move("reviewing", batch="B-1")).json()["batch"] == "B-1"
    assert (await move("reviewed")).json()["status"] == "reviewed"
    assert (await move("shipped")).status_code == 409
    await pay(gateway, order)
    for status in ("shipped", "done"):
        assert (await move(status)).status_code == 409
    other = await placed(gateway, renewal(card))
    order = other
    assert (await move("failed")).status_code == 422
    assert (await move("failed", failure_reason="no stock")).json()["failure_reason"] == "no stock"


async def test_another_tenants_carts_and_orders_do_not_exist(gateway: Gateway) -> None:
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))
    cart = (await gateway.api.post("/v1/carts", json={"items": [renewal(card)]})).json()
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    other = {"X-Tenant": "other"}
    for method, path in (
        ("GET", f"/v1/orders/{order['id']}"),
        ("GET", f"/v1/orders/{order['id']}/items"),
        ("POST", f"/v1/orders/{order['id']}/cancel"),
        ("GET", f"/v1/carts/{cart['id']}"),
        ("DELETE", f"/v1/carts/{cart['id']}/items/1"),
        ("GET", "/v1/orders/nonsense"),
    ):
        assert (await gateway.api.request(method, path, headers=other)).status_code == 404
    assert (await gateway.api.get("/v1/orders", headers=other)).json()["items"] == []
    unknown = await gateway.api.post("/v1/carts", json={"items": [renewal(card)]}, headers=other)
    assert unknown.json()["items"][0]["refusals"][0]["code"] == "NOT_FOUND"


async def test_a_buyer_without_a_complete_profile_orders_nothing_at_flexem(gateway: Gateway) -> None:
    """RN-9: company, contact and phone; told in the cart, refused with the order; the operation alone needs none."""
    own, other = await priced(gateway, {"expires_on": "2026-12-31"}, {"terms": "standard", "expires_on": "2026-12-31"})
    cart: dict[str, Any] = {}
    for name in PROFILE:
        await gateway.api.patch("/v1/account", json=PROFILE | {name: None})
        cart = (await gateway.api.post("/v1/carts", json={"items": [renewal(own)]})).json()
        assert [(one["rule"], one["code"]) for one in cart["refusals"]] == [("RN-9", "RULE_VIOLATION")]
        refused = await gateway.api.post("/v1/orders", json={"cart": cart["id"]})
        assert (refused.status_code, refused.json()["code"], refused.json()["rule"]) == (422, "RULE_VIOLATION", "RN-9")
    assert (await placed(gateway, renewal(other)))["terms"] == "standard", "no other supplier publishes it"
    dry = await gateway.api.post(f"/v1/sims/{own}/renew?dry_run=true", json={"months": 12})
    assert dry.json()["allowed"]
    await gateway.api.patch("/v1/account", json=PROFILE)
    assert (await gateway.api.post("/v1/orders", json={"cart": cart["id"]})).status_code == 201


async def test_a_paid_renewal_keeps_its_card_until_it_has_ended(gateway: Gateway) -> None:
    """RN-11: the sweep of the 23rd cancels what nobody paid for; a renewal that fails leaves it to the next sweep."""
    rows = ({"carrier": "cucc", "expires_on": "2026-11-30", "state": "expired"} for _ in range(3))
    paid_for, unpaid, failing = await priced(gateway, *rows)
    set_clock(gateway, at("2026-12-22T12:00:00"))
    first, _, third = [await placed(gateway, renewal(one)) for one in (paid_for, unpaid, failing)]
    for order in (first, third):
        assert (await pay(gateway, order, at("2026-12-22T12:00:00"))).is_success

    async def swept() -> list[str]:
        await expire_zone(gateway.ctx, HOME)
        return [(await gateway.api.get(f"/v1/sims/{one}")).json()["state"] for one in (paid_for, unpaid, failing)]

    set_clock(gateway, at("2026-12-23T00:05:00"))
    assert await swept() == ["expired", "cancelled", "expired"], "paid, and not begun yet"
    await drain(gateway.ctx)
    assert await swept() == ["expired", "cancelled", "expired"], "its operation is open"
    [item] = await items_of(gateway, third)
    body = {"outcome": "failed", "note": "the carrier is away"}
    assert (await gateway.api.post(f"/v1/operations/{item['operation']}/complete", json=body)).is_success
    assert await swept() == ["expired", "cancelled", "cancelled"]
    await complete_desk(gateway)
    assert (await gateway.api.get(f"/v1/sims/{paid_for}")).json()["state"] == "active"
    gone = await gateway.api.post(f"/v1/orders/{third['id']}/items/1/retry")
    assert gone.is_success
    await drain(gateway.ctx)
    [item] = await items_of(gateway, third)
    assert (item["status"], item["error"]["code"]) == ("failed", "INCOMPATIBLE_STATE")


async def test_a_renewed_card_tells_when_it_is_back_counted_from_the_payment(gateway: Gateway) -> None:
    """SL-4: `flexem` 2 to 4 hours, in the first three days of a month 2 to 8; also where the notice comes later."""
    (card,) = await priced(gateway, {"carrier": "cucc", "expires_on": "2026-11-30", "state": "expired"})
    set_clock(gateway, at("2026-12-04T12:00:00"))
    order = await placed(gateway, renewal(card))
    paid_at = gateway.ctx.now()
    set_clock(gateway, at("2026-12-04T13:00:00"))
    assert (await pay(gateway, order, paid_at)).is_success
    await drain(gateway.ctx)
    [item] = await items_of(gateway, order)
    assert item["due_rule"] == "SL-4"
    assert datetime.fromisoformat(item["due_at"]) == paid_at + timedelta(hours=4)


async def test_a_payment_of_the_future_is_none(gateway: Gateway) -> None:
    """Ten minutes of another clock are forgiven, eleven are not."""
    (card,) = await priced(gateway, {"expires_on": "2026-12-31"})
    order = await placed(gateway, renewal(card))
    late = await pay(gateway, order, gateway.ctx.now() + timedelta(minutes=11))
    assert (late.status_code, late.json()["errors"][0]["code"]) == (422, "PAID_AT_TOO_FAR_AHEAD")
    assert (await pay(gateway, order, gateway.ctx.now() + timedelta(minutes=9))).is_success
