"""Automatic renewals from the balance: in time, once, and told where the balance does not suffice (OR-1, D)."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from app.domain.commerce.auto_renewal import auto_renewal_day
from app.domain.vocabulary import Carrier, Supplier
from app.jobs.loops import drain
from app.usecases.orders.auto_renew import auto_renew
from tests.gateway import Gateway
from tests.routers.commerce.test_orders import at, complete_desk, pay, placed, priced, renewal
from tests.usecases.balance.spending import balance
from tests.usecases.balance.spending import pay as top_up
from tests.usecases.limits.limiting import events_of, set_clock, sim_of


@pytest.mark.parametrize(
    ("terms", "carrier", "expires_on", "begins"),
    [
        (Supplier.FLEXEM, Carrier.CMCC, "2027-11-30", "2027-11-20"),
        (Supplier.STANDARD, Carrier.CMCC, "2027-11-30", "2027-11-20"),
        (Supplier.GSL, Carrier.CTCC, "2027-11-30", "2027-10-20"),
    ],
)
def test_a_renewal_is_begun_ahead_of_the_last_valid_and_the_last_safe_day(
    terms: Supplier, carrier: Carrier, expires_on: str, begins: str
) -> None:
    """RN-1 to RN-3, D: `gsl`'s last safe day is a month before the end."""
    assert auto_renewal_day(terms, carrier, date.fromisoformat(expires_on)) == date.fromisoformat(begins)


async def flagged(gateway: Gateway, *rows: dict[str, Any], auto_renew: bool = True) -> list[str]:
    """Cards renewed by an order with the flag: valid to 2027-12-31 now."""
    profile = {"company": "杭州水务", "contact": "王工", "phone": "0571"}
    assert (await gateway.api.patch("/v1/account", json=profile)).is_success
    cards = await priced(gateway, *({"expires_on": "2026-12-31"} | row for row in rows))
    order = await placed(gateway, *(renewal(card) for card in cards), auto_renew=auto_renew)
    assert (await pay(gateway, order)).is_success
    await drain(gateway.ctx)
    await complete_desk(gateway)
    return cards


async def orders(gateway: Gateway) -> list[dict[str, Any]]:
    return (await gateway.api.get("/v1/orders")).json()["items"][:-1]


async def test_a_card_is_renewed_and_paid_from_the_balance_in_time(gateway: Gateway) -> None:
    """OR-1: not a day early; once, however often the job runs; the next year again."""
    (card,) = await flagged(gateway, {})
    await top_up(gateway, 5_000, "p")
    set_clock(gateway, at("2027-12-20T23:59:00"))
    early = await auto_renew(gateway.ctx)
    set_clock(gateway, at("2027-12-21T08:00:00"))
    due = [await auto_renew(gateway.ctx) for _ in range(2)]
    await drain(gateway.ctx)
    again = await auto_renew(gateway.ctx)
    await complete_desk(gateway)

    assert (early["renewed"], [one["renewed"] for one in due], again["renewed"]) == (0, [1, 0], 0)
    assert ((await sim_of(gateway, card))["expires_on"], await balance(gateway)) == ("2028-12-31", 2_600)
    (order,) = await orders(gateway)
    assert (order["auto_renew"], order["amount_fen"], order["status"]) == (True, 2_400, "done")
    entry = (await gateway.api.get("/v1/account/entries")).json()["items"][0]
    assert (entry["kind"], entry["order"], entry["amount_fen"]) == ("order", order["id"], -2_400)
    set_clock(gateway, at("2028-12-21T08:00:00"))
    assert (await auto_renew(gateway.ctx))["renewed"] == 1


async def test_workers_beside_each_other_renew_once(gateway: Gateway) -> None:
    """OR-1, ADR 21."""
    await flagged(gateway, {}, {}, {})
    await top_up(gateway, 100_000, "p")
    set_clock(gateway, at("2027-12-21T08:00:00"))
    reports = await asyncio.gather(*(auto_renew(gateway.ctx) for _ in range(4)))

    assert sum(report["renewed"] for report in reports) == 3
    assert (len(await orders(gateway)), await balance(gateway)) == (1, 100_000 - 3 * 2_400)


async def test_where_the_balance_does_not_suffice_it_is_told_once_and_tried_again(gateway: Gateway) -> None:
    """OR-1: those that the balance suffices for are renewed, to the last fen; the others once it does."""
    cards = await flagged(gateway, {}, {}, {})
    await top_up(gateway, 2 * 2_400, "p")
    set_clock(gateway, at("2027-12-21T08:00:00"))
    reports = [await auto_renew(gateway.ctx) for _ in range(2)]
    told = await events_of(gateway, "renewal.declined")
    await top_up(gateway, 2_399, "p2")
    short = await auto_renew(gateway.ctx)
    await top_up(gateway, 1, "p3")
    enough = await auto_renew(gateway.ctx)

    assert [(one["renewed"], one["declined"]) for one in reports] == [(2, 1), (0, 0)]
    assert [(event["subject"], event["data"]["reason"]) for event in told] == [(cards[2], "balance")]
    assert (short["renewed"], enough["renewed"], await balance(gateway)) == (0, 1, 0)


async def test_a_card_whose_last_order_has_no_flag_is_left_alone(gateway: Gateway) -> None:
    """OR-1."""
    await flagged(gateway, {}, auto_renew=False)
    await top_up(gateway, 100_000, "p")
    set_clock(gateway, at("2027-12-21T08:00:00"))
    assert (await auto_renew(gateway.ctx))["renewed"] == 0
    assert await orders(gateway) == []


async def test_a_card_that_is_refused_keeps_nobody_from_the_balance(gateway: Gateway) -> None:
    """OR-1, RN-6: the first to end has used up its plan's renewals; the balance is the next one's."""
    refused, renewed = await flagged(gateway, {}, {"carrier": "cucc"})
    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12, "price_fen": 2400}
    assert (await gateway.api.post("/v1/plans", json=plan | {"renewals_max": 1})).is_success
    await top_up(gateway, 2_400, "p")
    set_clock(gateway, at("2027-12-21T08:00:00"))
    report = await auto_renew(gateway.ctx)
    told = await events_of(gateway, "renewal.declined")

    assert (report["renewed"], report["declined"], await balance(gateway)) == (1, 1, 0)
    assert [(event["subject"], event["data"]["reason"]) for event in told] == [(refused, "refused")]
    await drain(gateway.ctx)
    await complete_desk(gateway)
    assert (await sim_of(gateway, renewed))["expires_on"] == "2028-12-31"
