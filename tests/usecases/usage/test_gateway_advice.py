"""Ingest answers back: which cards of a batch are held or near a limit, and only where asked (US-7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import MB, NOON, set_clock
from tests.usecases.usage.reporting import report

LIMITED = {"terms": "gsl", "plan": "cmcc-100m"}


@pytest.fixture(autouse=True)
def at_noon(gateway: Gateway) -> None:
    set_clock(gateway, NOON)


async def sent(gateway: Gateway, *amounts: tuple[str, int], tenant: str | None = None) -> dict[str, Any]:
    at = NOON - timedelta(minutes=1)
    body = [report(card, at, amount, number=f"{card}{tenant}") for card, amount in amounts]
    headers = {"X-Tenant": tenant} if tenant else {}
    answer = await gateway.api.post("/v1/usage/reports?advice=true", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_only_the_cards_that_need_advice_get_it(gateway: Gateway) -> None:
    """US-7: 90 % of 100 MB and more, and cards that are held; one byte below is none."""
    held = {"state": "suspended", "holds": "manual"}
    fine, near, over, stopped, calm = await gateway.fleet(LIMITED, LIMITED, LIMITED, LIMITED | held, {})

    told = await sent(gateway, (fine, 90 * MB - 1), (near, 90 * MB), (over, 101 * MB), (stopped, 1), (calm, 95 * MB))

    assert {one["iccid"]: (one["remaining"], one["holds"], one["slow_down"]) for one in told["advice"]} == {
        near: (10 * MB, [], True),
        over: (-MB, [], True),
        stopped: (100 * MB - 1, ["manual"], False),
    }
    await gateway.settle()
    assert (await sent(gateway, (over, 101 * MB)))["advice"][0]["holds"] == ["over_quota"]


async def test_unknown_and_rejected_records_give_none(gateway: Gateway) -> None:
    """US-7: nor does a duplicate change what is told of its card."""
    [card] = await gateway.fleet(LIMITED)
    at = gateway.ctx.now() - timedelta(minutes=1)
    records = [
        report(iccid(77), at, 95 * MB, number="unknown"),
        report(card, at + timedelta(hours=1), 95 * MB, number="ahead"),
        report(card, at, -1, number="negative"),
    ]

    first = (await gateway.api.post("/v1/usage/reports?advice=true", json=records)).json()
    known = await sent(gateway, (card, 95 * MB))
    again = await sent(gateway, (card, 95 * MB))

    assert (first["advice"], len(first["unknown"]), len(first["rejected"])) == ([], 1, 2)
    assert again["duplicates"] == 1
    assert known["advice"] == again["advice"] == [{"iccid": card, "remaining": 5 * MB, "holds": [], "slow_down": True}]


async def test_a_card_is_named_as_it_was_reported(gateway: Gateway) -> None:
    """US-7, DV-5: by either form of its ICCID."""
    [card] = await gateway.fleet(LIMITED)

    [one] = (await sent(gateway, (card[:-1], 95 * MB)))["advice"]

    assert one["iccid"] == card[:-1]


async def test_no_other_tenants_card_is_told_of(gateway: Gateway) -> None:
    """US-7: to another tenant the card is unknown."""
    [card] = await gateway.fleet(LIMITED)
    await sent(gateway, (card, 95 * MB))
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).status_code == 201

    told = await sent(gateway, (card, 95 * MB), tenant="other")

    assert (told["advice"], len(told["unknown"])) == ([], 1)


async def test_without_being_asked_the_answer_has_no_advice(gateway: Gateway) -> None:
    [card] = await gateway.fleet(LIMITED)
    at = gateway.ctx.now() - timedelta(minutes=1)

    answer = await gateway.api.post("/v1/usage/reports", json=[report(card, at, 95 * MB, number="1")])

    assert "advice" not in answer.json()
    assert (await gateway.api.post("/v1/usage/reports?advise=true", json=[])).status_code == 422
