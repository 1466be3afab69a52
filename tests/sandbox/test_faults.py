"""Faults, limits and lag: each does exactly what it says, as often as it says."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.sandbox.desk import CMCC, CTCC, CUCC, Desk

DEVICE = f"/devices/{CUCC}"
OFF = {"status": "DEACTIVATED"}


async def test_dropped_before_nothing_was_done(desk: Desk) -> None:
    await desk.fault("drop_before", "jasper", "suspend", count=1)
    with pytest.raises(httpx.ReadError):
        await desk.jasper("PUT", DEVICE, OFF)
    sim = await desk.sim(CUCC)
    assert (sim["state"], sim["effects"], sim["requests"]) == ("active", {}, 0)


async def test_dropped_after_it_was_done_and_nobody_was_told(desk: Desk) -> None:
    await desk.fault("drop_after", "jasper", "suspend", count=1)
    with pytest.raises(httpx.ReadError):
        await desk.jasper("PUT", DEVICE, OFF)
    sim = await desk.sim(CUCC)
    assert (sim["state"], sim["effects"], sim["requests"]) == ("suspended", {"suspend": 1}, 1)


async def test_a_fault_strikes_only_what_it_names_and_as_often_as_it_says(desk: Desk) -> None:
    await desk.fault("status_500", "jasper", "suspend", count=2)
    assert (await desk.jasper("GET", DEVICE)).status_code == 200
    assert [(await desk.jasper("PUT", DEVICE, OFF)).status_code for _ in range(3)] == [500, 500, 200]
    assert (await desk.control("GET", "stats"))["jasper"]["faults"] == {"status_500": 2}


async def test_a_500_may_come_after_the_change(desk: Desk) -> None:
    await desk.fault("status_500", "jasper", count=1, params={"applied": True})
    assert (await desk.jasper("PUT", DEVICE, OFF)).status_code == 500
    assert (await desk.sim(CUCC))["effects"] == {"suspend": 1}


@pytest.mark.parametrize("after", [None, 7])
async def test_429_with_and_without_a_time_to_come_back(desk: Desk, after: int | None) -> None:
    await desk.fault("status_429", "jasper", count=1, params={} if after is None else {"retry_after": after})
    answer = await desk.jasper("PUT", DEVICE, OFF)
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, None if after is None else "7")
    assert (await desk.sim(CUCC))["effects"] == {}


@pytest.mark.parametrize("kind", ["garbage", "html", "wrong_charset"])
async def test_unreadable_answers_come_after_the_change(desk: Desk, kind: str) -> None:
    await desk.fault(kind, "jasper", "suspend", count=1)
    answer = await desk.jasper("PUT", DEVICE, OFF)
    with pytest.raises(ValueError):
        json.loads(answer.content.decode("utf-8"))
    assert (await desk.sim(CUCC))["effects"] == {"suspend": 1}


async def test_chinese_comes_in_another_charset_than_it_says(desk: Desk) -> None:
    await desk.onelink_token()
    await desk.fault("wrong_charset", "onelink", "status", count=1)
    query = {"iccid": CMCC, "token": desk._token}
    answer = await desk.http.get("/onelink/v5/ec/query/sim-status", params=query)
    assert "charset=utf-8" in answer.headers["content-type"]
    assert "正确" in answer.content.decode("gb18030")


async def test_a_revoked_token_is_void_until_a_new_one_is_fetched(desk: Desk) -> None:
    await desk.onelink_token()
    await desk.fault("revoke_token", "onelink", count=1)
    assert (await desk.onelink("query/sim-status", iccid=CMCC))["status"] == "12021"
    assert (await desk.onelink("query/sim-status", iccid=CMCC))["status"] == "12021"
    await desk.onelink_token()
    assert (await desk.onelink("query/sim-status", iccid=CMCC))["status"] == "0"


async def test_a_skewed_clock_shows_in_the_date_and_refuses_fresh_stamps(desk: Desk) -> None:
    await desk.fault("clock_skew", "gsl", count=1, params={"seconds": 3600})
    answer = await desk.gsl("GET", "/sim-cards/0", iccid=CTCC)
    assert answer.json()["error_code"] == "APIGW.0301"
    assert answer.headers["date"] == "Sat, 21 Nov 2026 05:00:00 GMT"
    assert (await desk.gsl("GET", "/sim-cards/0", iccid=CTCC)).headers["date"] == "Sat, 21 Nov 2026 04:00:00 GMT"


async def test_a_slow_answer_keeps_the_caller_waiting(desk: Desk) -> None:
    await desk.fault("slow", "jasper", count=1, params={"seconds": 0.05})
    answer = await desk.jasper("GET", DEVICE)
    assert answer.elapsed.total_seconds() >= 0.05


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "no-such-fault"},
        {"kind": "slow"},
        {"kind": "slow", "params": {"seconds": "long"}},
        {"kind": "html", "params": {"colour": "red"}},
        {"kind": "html", "protocol": "telex"},
        {"kind": "html", "count": 0},
    ],
)
async def test_a_fault_that_cannot_be_is_refused(desk: Desk, body: dict[str, object]) -> None:
    answer = await desk.http.post("/_control/faults", json=body)
    assert answer.status_code == 422
    assert await desk.control("GET", "faults") == []


async def test_faults_can_be_taken_away(desk: Desk) -> None:
    await desk.fault("status_500")
    await desk.control("DELETE", "faults")
    assert (await desk.jasper("GET", DEVICE)).status_code == 200


async def test_calls_a_second_are_counted_in_the_sandbox_clock(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "*", "per_second": 2})
    assert [(await desk.jasper("GET", DEVICE)).status_code for _ in range(3)] == [200, 200, 429]
    desk.clock.wait(seconds=1)
    assert (await desk.jasper("GET", DEVICE)).status_code == 200
    await desk.onelink_token()
    assert [(await desk.onelink("query/sim-status", iccid=CMCC))["status"] for _ in range(3)] == ["0", "0", "73"]
    texts = [(await desk.telecom("queryCardMainStatus", CTCC)).text[:6] for _ in range(3)]
    assert texts[2] == "101004"


async def test_a_lag_shows_the_state_and_the_usage_of_a_while_ago(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "jasper", "lag": 60})
    await desk.jasper("PUT", DEVICE, OFF)
    assert (await desk.jasper("GET", DEVICE)).json()["status"] == "ACTIVATED"
    assert (await desk.sim(CUCC))["state"] == "suspended"
    desk.clock.wait(seconds=61)
    assert (await desk.jasper("GET", DEVICE)).json()["status"] == "DEACTIVATED"


async def test_a_fault_may_be_about_one_card_alone(desk: Desk) -> None:
    number = desk.sandbox.store.cards[CMCC].msisdn
    await desk.fault("unknown_card", "onelink", naming=[CMCC])
    assert (await desk.onelink("query/sim-status", msisdn=number))["status"] == "12008"
    assert (await desk.jasper("GET", DEVICE)).status_code == 200
    assert (await desk.onelink("query/sim-total-num-ec"))["status"] == "0"


async def test_a_bad_record_is_unreadable_in_every_answer_that_has_it(desk: Desk) -> None:
    await desk.fault("bad_record", "jasper", naming=[CUCC], params={"value": ""})
    device = (await desk.jasper("GET", DEVICE)).json()
    assert (device["iccid"], device["status"], device["ratePlan"]) == (CUCC, "", "")
    listed = (await desk.jasper("GET", "/devices?modifiedSince=2000-01-01T00:00:00Z")).json()["devices"]
    assert {row["iccid"]: row["status"] for row in listed}[CUCC] == ""
    assert all(row["status"] for row in listed if row["iccid"] != CUCC)


async def test_a_fault_of_single_cards_must_name_them(desk: Desk) -> None:
    refused = await desk.http.post("/_control/faults", json={"kind": "bad_record"})
    assert (refused.status_code, "naming" in refused.text) == (422, True)
