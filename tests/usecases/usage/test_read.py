"""The details of a day (US-1): all its reports, in pages where they are many."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, report, send

MIDNIGHT = datetime(2026, 11, 20, tzinfo=HOME)


async def _page(gateway: Gateway, card: str, **query: Any) -> dict[str, Any]:
    params = {"granularity": "report", "from": "2026-11-20"} | query
    answer = await gateway.api.get(f"/v1/sims/{card}/usage", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _all(gateway: Gateway, card: str, **query: Any) -> list[str]:
    page = await _page(gateway, card, **query)
    found = [item["id"] for item in page["items"]]
    while page["next_cursor"]:
        page = await _page(gateway, card, cursor=page["next_cursor"], **query)
        found += [item["id"] for item in page["items"]]
    return found


async def test_a_report_a_minute_shows_whole(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, MIDNIGHT + timedelta(minutes=n), 1, number=n) for n in range(-1, 1441)])

    expected = [str(n) for n in range(1440)]
    assert await _all(gateway, card) == expected
    assert await _all(gateway, card, limit=500) == expected
    assert [len((await _page(gateway, card, **query))["items"]) for query in ({}, {"limit": 7})] == [1000, 7]


async def test_reports_of_one_instant_are_neither_lost_nor_shown_twice(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    told = [report(card, MIDNIGHT, 1, number=f"r {n}", gateway=f"gw-{n % 2}") for n in range(6)]
    await send(gateway.api, told)

    found = await _all(gateway, card, limit=1)

    assert sorted(found) == [one["id"] for one in told]


async def test_a_short_day_is_one_page(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, MIDNIGHT, 5, number="a", gateway="gw-17")])

    page = await _page(gateway, card)

    item = {"gateway": "gw-17", "id": "a", "at": "2026-11-19T16:00:00+00:00", "bytes": 5}
    assert page == {"iccid": card, "granularity": "report", "items": [item], "next_cursor": None}


@pytest.mark.parametrize(
    "place",
    [7, "", "2026-11-20 1 a", "x y z", "2026-11-20T00:00:00+00:00 -1 a", "2026-11-20T00:00:00+00:00 1 \x00"],
)
async def test_a_cursor_of_another_list_is_refused(gateway: Gateway, place: Any) -> None:
    [card] = await gateway.fleet({})
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")

    answer = await gateway.api.get(f"/v1/sims/{card}/usage", params={"granularity": "report", "cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "UNREADABLE")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
async def test_a_cursor_out_of_time_shows_no_more_than_the_day(gateway: Gateway, at: str) -> None:
    [card] = await gateway.fleet({})
    cursor = base64.urlsafe_b64encode(json.dumps(f"{at} 1 a").encode()).decode().rstrip("=")

    assert (await _page(gateway, card, cursor=cursor))["items"] == []
