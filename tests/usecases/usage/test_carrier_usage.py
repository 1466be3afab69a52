"""One figure from two (US-5): carriers' figures replace, reports after them add, whatever came first."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, cycles, report, send, usage

NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


async def _correct(gateway: Gateway, **figure: Any) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": [figure]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _on(day: int, hour: int = 10) -> datetime:
    return datetime(2026, 12, day, hour, tzinfo=HOME)


async def _day(gateway: Gateway, card: str, day: int) -> dict[str, Any]:
    params = {"granularity": "day", "from": f"2026-12-{day:02d}", "to": f"2026-12-{day:02d}"}
    [item] = (await gateway.api.get(f"/v1/sims/{card}/usage", params=params)).json()["items"]
    return item


async def test_reports_and_a_figure_in_any_order_give_the_same(gateway: Gateway) -> None:
    orders = list(itertools.permutations(range(4)))
    cards = await gateway.fleet(*({} for _ in orders))
    for place in range(4):
        told: list[dict[str, Any]] = []
        figures: list[dict[str, Any]] = []
        for card, order in zip(cards, orders, strict=True):
            steps = [
                report(card, _on(5), 100, number=f"{card} before"),
                report(card, _on(10), 10, number=f"{card} at the very instant"),
                report(card, _on(10, 11), 1, number=f"{card} after"),
                {"iccid": card, "cycle": "2026-12", "bytes": 1000, "as_of": _on(10).isoformat()},
            ]
            (figures if order[place] == 3 else told).append(steps[order[place]])
        await send(gateway.api, told)
        assert (await gateway.api.post("/v1/usage/corrections", json=figures)).json()["applied"] == len(figures)

    for card in cards:
        shown = await usage(gateway.api, card)
        assert (shown["used"], shown["reported_since"], shown["reported"]) == (1001, 1, 111)
        assert (shown["source"], shown["carrier"]["bytes"]) == ("gateway", 1000)


async def test_an_older_figure_changes_nothing_and_the_same_instant_replaces(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await _correct(gateway, iccid=card, cycle="2026-12", bytes=1000, as_of=_on(10).isoformat())

    older = await _correct(gateway, iccid=card, cycle="2026-12", bytes=1, as_of=_on(9).isoformat())
    same = await _correct(gateway, iccid=card, cycle="2026-12", bytes=900, as_of=_on(10).isoformat())

    assert (older["unchanged"], same["applied"]) == (1, 1)
    shown = await usage(gateway.api, card)
    assert (shown["used"], shown["source"]) == (900, "carrier")
    assert datetime.fromisoformat(shown["as_of"]) == _on(10)


@pytest.mark.parametrize("late_first", [True, False])
async def test_a_correction_of_a_day_and_a_late_report_in_either_order(gateway: Gateway, late_first: bool) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, _on(3), 7, number="a"), report(card, _on(4), 50, number="b")])
    late = report(card, _on(4, 11), 70, number="late")
    if late_first:
        await send(gateway.api, [late])
    await _correct(gateway, iccid=card, day="2026-12-04", bytes=100)
    if not late_first:
        await send(gateway.api, [late])

    day, shown = await _day(gateway, card, 4), await usage(gateway.api, card)

    assert (day["used"], day["source"], day["reported"]) == (100, "carrier", 120)
    assert (shown["used"], shown["reported"]) == (107, 127)


async def test_a_later_day_stands_beside_an_earlier_cycle_figure(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(
        gateway.api,
        [
            report(card, _on(9), 5, number="in the figure"),
            report(card, _on(11), 20, number="in the day"),
            report(card, _on(12), 3, number="after both"),
        ],
    )
    await _correct(
        gateway, iccid=card, cycle="2026-12", bytes=1000, as_of=datetime(2026, 12, 11, tzinfo=HOME).isoformat()
    )
    await _correct(gateway, iccid=card, day="2026-12-11", bytes=400)
    used = (await usage(gateway.api, card))["used"]

    await _correct(
        gateway, iccid=card, cycle="2026-12", bytes=1500, as_of=datetime(2026, 12, 13, tzinfo=HOME).isoformat()
    )

    assert used == 1000 + 400 + 3
    assert (await usage(gateway.api, card))["used"] == 1500


async def test_a_closed_cycle_is_corrected_with_an_event_and_without_a_stop(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})

    await _correct(gateway, iccid=card, cycle="2026-11", bytes=1 << 40)
    await gateway.settle()

    sim = (await gateway.api.get(f"/v1/sims/{card}")).json()
    events = (await gateway.api.get("/v1/events", params={"limit": 500})).json()["items"]
    assert (await cycles(gateway.api, card))["2026-11"]["used"] == 1 << 40
    assert (sim["state"], sim["holds"]) == ("active", [])
    assert [event["data"]["after"] for event in events if event["type"] == "usage.adjusted"] == [{"used": 1 << 40}]


async def test_a_card_not_yet_activated_shows_no_use(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "cucc", "state": "silent", "opened_on": "2026-12-01"})
    await send(gateway.api, [report(card, _on(14), 5, number="a")])

    shown = await usage(gateway.api, card)

    assert (shown["used"], shown["remaining"], shown["reported"]) == (None, None, 5)


async def test_reconciliation_tells_the_drift_over_what_the_figure_covers(gateway: Gateway) -> None:
    one, two = await gateway.fleet({}, {})
    await send(
        gateway.api,
        [
            report(one, _on(5), 100_000, number="a"),
            report(one, _on(14), 9_000, number="b"),
            report(two, _on(5), 50_000, number="c"),
        ],
    )
    for card in (one, two):
        await _correct(gateway, iccid=card, cycle="2026-12", bytes=60_000, as_of=_on(10).isoformat())

    found = (await gateway.api.get("/v1/usage/reconciliation", params={"carrier": "cmcc", "cycle": "2026-12"})).json()

    drifts = [(item["iccid"], item["ours"], item["drift"]) for item in found["items"]]
    assert drifts == [(one, 100_000, 40_000), (two, 50_000, -10_000)]


@pytest.mark.parametrize(
    ("figure", "field"),
    [
        ({"bytes": 1}, ""),
        ({"bytes": -1, "day": "2026-12-01"}, "/bytes"),
        ({"bytes": 1, "day": "2026-12-01", "cycle": "2026-12"}, ""),
        ({"bytes": 1, "day": "yesterday"}, "/day"),
        ({"bytes": 1, "cycle": "2026-12", "as_of": "2026-12-10T00:00:00"}, "/as_of"),
        ({"bytes": True, "cycle": "2026-12"}, "/bytes"),
    ],
)
async def test_a_malformed_correction_is_refused_with_its_place(
    gateway: Gateway, figure: dict[str, Any], field: str
) -> None:
    [card] = await gateway.fleet({})

    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": [{"iccid": card, **figure}]})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/corrections/0{field}")


async def test_a_figure_that_covers_nothing_yet_is_rejected(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    tomorrow = (NOON + timedelta(days=1)).date().isoformat()

    ahead = await _correct(gateway, iccid=card, day=tomorrow, bytes=1)
    old = await _correct(gateway, iccid=card, cycle="2026-01", bytes=1)

    assert [one["rejected"][0]["code"] for one in (ahead, old)] == ["AS_OF_OUT_OF_TIME", "TOO_OLD"]
