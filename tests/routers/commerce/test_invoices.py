"""Invoices of completed orders, through the API, on both sides of every edge (IV-1)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from app.jobs.loops import drain
from tests.gateway import Gateway
from tests.routers.commerce.test_orders import complete_desk, order_now, pay, placed, priced, renewal
from tests.usecases.limits.limiting import set_clock

TITLE = {
    "title": "杭州水务有限公司",
    "tax_id": "91330100MA27X",
    "address": "杭州市西湖区",
    "phone": "0571-88880000",
    "bank": "工商银行杭州分行",
    "account": "1202020209900000000",
}


async def bought(gateway: Gateway, *prices: int, complete: bool = True, terms: str = "flexem") -> list[str]:
    """Orders of one renewal each, at these prices, paid now and done."""
    profile = {"company": "杭州水务", "contact": "王工", "phone": "0571"}
    assert (await gateway.api.patch("/v1/account", json=profile)).is_success
    cards = await priced(gateway, *({"expires_on": "2026-12-31", "terms": terms} for _ in prices))
    orders = []
    for number, (card, price) in enumerate(zip(cards, prices, strict=True)):
        plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12, "price_fen": price}
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success
        order = await placed(gateway, renewal(card))
        assert (await pay(gateway, order, reference=f"PAY-{number}")).is_success
        orders.append(order)
    await drain(gateway.ctx)
    if complete:
        await complete_desk(gateway)
        assert [(await order_now(gateway, order))["status"] for order in orders] == ["done"] * len(orders)
    return [order["id"] for order in orders]


async def invoiced(gateway: Gateway, orders: list[str], title: Any = None, **headers: str) -> httpx.Response:
    body = {"orders": orders, "title": TITLE if title is None else title}
    return await gateway.api.post("/v1/invoices", json=body, headers=headers)


async def result(gateway: Gateway, invoice: dict[str, Any], **body: Any) -> httpx.Response:
    return await gateway.api.post(f"/v1/invoices/{invoice['id']}/result", json=body)


async def test_several_orders_stand_on_one_invoice_with_its_result(gateway: Gateway) -> None:
    """IV-1: the title is offered again, the result stands in the records and is final."""
    orders = await bought(gateway, 6_000, 4_001)
    asked = await invoiced(gateway, orders)
    invoice = asked.json()
    issued = await result(gateway, invoice, status="issued", number="24332000")
    again = await result(gateway, invoice, status="issued", number="24332000")
    other = await result(gateway, invoice, status="refused", reason="no")

    assert (asked.status_code, invoice["status"], invoice["amount_fen"]) == (201, "requested", 10_001)
    assert (sorted(invoice["orders"]), invoice["title"]) == (sorted(orders), TITLE)
    assert (issued.status_code, issued.json()["number"], again.json()) == (200, "24332000", issued.json())
    assert (other.status_code, other.json()["code"]) == (409, "INCOMPATIBLE_STATE")
    assert (await gateway.api.get("/v1/invoices")).json()["items"] == [issued.json()]
    assert (await gateway.api.get(f"/v1/invoices/{invoice['id']}")).json() == issued.json()
    (title,) = (await gateway.api.get("/v1/invoice-titles")).json()["items"]
    assert {name: title[name] for name in TITLE} == TITLE


@pytest.mark.parametrize(("prices", "accepted"), [((10_000,), False), ((10_001,), True), ((5_000, 5_000), False)])
async def test_the_sum_is_over_a_hundred_yuan(gateway: Gateway, prices: tuple[int, ...], accepted: bool) -> None:
    """IV-1: exactly 10,000 fen is refused, 10,001 accepted."""
    answer = await invoiced(gateway, await bought(gateway, *prices))
    assert answer.status_code == (201 if accepted else 422), answer.text
    if not accepted:
        assert (answer.json()["code"], answer.json()["rule"]) == ("RULE_VIOLATION", "IV-1")


@pytest.mark.parametrize(("day", "accepted"), [("2027-02-20T23:59:59", True), ("2027-02-21T00:00:00", False)])
async def test_an_order_is_invoiced_within_three_months_of_its_payment(
    gateway: Gateway, day: str, accepted: bool
) -> None:
    """IV-1: paid on 2026-11-21, the last day is 2027-02-20, in Shanghai."""
    orders = await bought(gateway, 10_001)
    set_clock(gateway, datetime.fromisoformat(f"{day}+08:00"))
    answer = await invoiced(gateway, orders)
    assert (answer.status_code, answer.json().get("rule")) == ((201, None) if accepted else (422, "IV-1"))


async def test_a_supplier_that_publishes_no_conditions_has_none(gateway: Gateway) -> None:
    """IV-1, TM-4: an order under `gsl` of one fen is invoiced four months later."""
    orders = await bought(gateway, 1, terms="gsl")
    set_clock(gateway, datetime.fromisoformat("2027-03-30T12:00:00+08:00"))
    assert (await invoiced(gateway, orders)).status_code == 201
    shown = (await gateway.api.get("/v1/terms/flexem/cmcc")).json()
    assert "invoice_over_fen" in str(shown)


async def test_each_order_is_invoiced_once_and_a_refused_invoice_frees_it(gateway: Gateway) -> None:
    """IV-1: also of many requests at once one is taken."""
    orders = await bought(gateway, 20_000)
    twice = await invoiced(gateway, orders * 2)
    answers = await asyncio.gather(*(invoiced(gateway, orders) for _ in range(8)))
    taken = [answer for answer in answers if answer.status_code == 201]
    refused = await result(gateway, taken[0].json(), status="refused", reason="the tax id is wrong")
    freed = await invoiced(gateway, orders)

    assert (twice.status_code, twice.json()["rule"]) == (422, "IV-1")
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 7]
    assert {answer.json()["rule"] for answer in answers if answer.status_code == 422} == {"IV-1"}
    assert (refused.json()["status"], freed.status_code) == ("refused", 201)
    async with gateway.ctx.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM invoice_orders WHERE NOT released") == 1


async def test_only_completed_orders_are_invoiced(gateway: Gateway) -> None:
    """IV-1: not one that is being carried out."""
    orders = await bought(gateway, 20_000, complete=False)
    open_ = await invoiced(gateway, orders)
    await complete_desk(gateway)
    done = await invoiced(gateway, orders)
    assert (open_.status_code, open_.json()["rule"], done.status_code) == (422, "IV-1", 201)


@pytest.mark.parametrize("name", TITLE)
async def test_every_detail_of_a_title_is_needed(gateway: Gateway, name: str) -> None:
    """IV-1: absent, empty or blank, it is named."""
    absent = await gateway.api.post("/v1/invoice-titles", json={k: v for k, v in TITLE.items() if k != name})
    blank = await gateway.api.post("/v1/invoice-titles", json=TITLE | {name: " "})
    assert [(a.status_code, a.json()["errors"][0]["pointer"]) for a in (absent, blank)] == [(422, f"/{name}")] * 2
    assert (await gateway.api.get("/v1/invoice-titles")).json()["items"] == []


async def test_an_earlier_title_is_named_by_its_id(gateway: Gateway) -> None:
    """IV-1: earlier ones are offered; the same details are one title."""
    orders = await bought(gateway, 20_000)
    first, again = [await gateway.api.post("/v1/invoice-titles", json=TITLE) for _ in range(2)]
    unknown = await invoiced(gateway, orders, title="019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d")
    asked = await invoiced(gateway, orders, title=first.json()["id"])
    assert (first.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/title")
    assert (asked.status_code, asked.json()["title"]) == (201, TITLE)


async def test_orders_and_invoices_of_another_tenant_do_not_exist(gateway: Gateway) -> None:
    orders = await bought(gateway, 20_000)
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    theirs = {"X-Tenant": "other"}
    there = await invoiced(gateway, orders, **theirs)
    here = (await invoiced(gateway, orders)).json()
    seen = await gateway.api.get(f"/v1/invoices/{here['id']}", headers=theirs)
    titles = await gateway.api.get("/v1/invoice-titles", headers=theirs)
    assert (there.status_code, there.json()["errors"][0]["pointer"]) == (422, "/orders/0")
    assert (seen.status_code, titles.json()["items"]) == (404, [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"status": "issued"}, "/number"), ({"status": "refused"}, "/reason"), ({"status": "lost"}, "/status")],
)
async def test_a_result_says_what_it_must(gateway: Gateway, body: dict[str, str], pointer: str) -> None:
    path = "/v1/invoices/019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d/result"
    wrong = await gateway.api.post(path, json=body)
    unknown = await gateway.api.post(path, json={"status": "issued", "number": "1"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"], unknown.status_code) == (422, pointer, 404)
