"""Every figure says what it is as of, and only a card once activated shows any (US-4, US-5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, cycles, report, send, usage

NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


def _at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 12, day, hour, tzinfo=HOME)


async def _correct(gateway: Gateway, **figure: Any) -> None:
    answer = await gateway.api.post("/v1/usage/corrections", json=[figure])
    assert answer.json()["applied"] == 1, answer.text


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


async def test_a_figure_of_a_day_alone_says_its_end(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await _correct(gateway, iccid=card, day="2026-12-12", bytes=5)

    for shown in (await usage(gateway.api, card), (await cycles(gateway.api, card))["2026-12"]):
        assert (shown["used"], shown["source"], _instant(shown["as_of"])) == (5, "carrier", _at(13))
        assert (shown["carrier"]["bytes"], _instant(shown["carrier"]["as_of"])) == (5, _at(13))


async def test_a_later_day_beside_a_cycles_figure_moves_what_it_is_as_of(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, _at(14, 9), 1, number="after both")])
    await _correct(gateway, iccid=card, cycle="2026-12", bytes=1000, as_of=_at(10).isoformat())
    await _correct(gateway, iccid=card, day="2026-12-12", bytes=50)

    shown = await usage(gateway.api, card)

    assert (shown["used"], shown["source"], _instant(shown["as_of"])) == (1051, "gateway", _at(14, 9))
    assert (shown["carrier"]["bytes"], _instant(shown["carrier"]["as_of"])) == (1050, _at(13))
    assert shown["carrier"]["bytes"] + shown["reported_since"] == shown["used"]


async def test_a_day_made_of_reports_is_as_of_the_last_of_them(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    times = (_at(14, 9), _at(14, 23), _at(14, 10))
    await send(gateway.api, [report(card, at, 1, number=n) for n, at in enumerate(times)])

    params = {"granularity": "day", "from": "2026-12-13", "to": "2026-12-14"}
    empty, full = (await gateway.api.get(f"/v1/sims/{card}/usage", params=params)).json()["items"]

    assert (full["used"], full["source"], _instant(full["as_of"])) == (3, "gateway_report", _at(14, 23))
    assert (empty["used"], empty["as_of"]) == (0, None)


async def test_a_pool_is_as_of_the_days_that_stand_in_it(gateway: Gateway) -> None:
    await gateway.fleet({"carrier": "ctcc"})
    plan = {"id": "shared", "carrier": "ctcc", "allowance": 1000, "months": 12, "kind": "pool_forward"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": "p", "name": "P", "kind": "forward", "carrier": "ctcc", "plan": "shared"}
    assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    [card] = await gateway.fleet({"carrier": "ctcc", "iccid": "8986110000000000001", "plan": "shared", "pool": "p"})
    await _correct(gateway, iccid=card, day="2026-12-12", bytes=5)

    cycle = (await gateway.api.get("/v1/pools/p")).json()["cycle"]
    [member] = (await gateway.api.get("/v1/pools/p/members")).json()["items"]

    assert [(one["used"], _instant(one["as_of"])) for one in (cycle, member)] == [(5, _at(13))] * 2


async def test_a_card_cancelled_before_activation_shows_no_use(gateway: Gateway) -> None:
    never, once = await gateway.fleet({"state": "cancelled"}, {"state": "cancelled", "activated_on": "2026-06-10"})
    await send(gateway.api, [report(card, _at(14), 5, number=card) for card in (never, once)])

    for card, used in ((never, None), (once, 5)):
        shown = [await usage(gateway.api, card), (await cycles(gateway.api, card))["2026-12"]]
        params = {"granularity": "day", "from": "2026-12-14", "to": "2026-12-14"}
        shown += (await gateway.api.get(f"/v1/sims/{card}/usage", params=params)).json()["items"]
        assert [(one["used"], one["reported"]) for one in shown] == [(used, 5)] * 3
        assert (shown[0]["remaining"] is None) == (used is None)
