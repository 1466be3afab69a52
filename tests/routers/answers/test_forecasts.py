"""Forecasts through the API: what a SIM and a pool use by the cycle's end, and options as a dry run decides them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.units import MB
from tests.gateway import Gateway
from tests.usecases.pools.pooling import a_pool
from tests.usecases.usage.reporting import report, send

HOME = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=HOME)
"""Six hours before every test begins, on the 21st of a cycle of thirty days."""

PATHS = {"order_addon": "order-addon", "change_plan": "change-plan", "join_pool": "join-pool"}


async def used_daily(gateway: Gateway, card: str, amount: int, days: int = 30) -> None:
    """The same traffic at noon of every day up to yesterday, and none today."""
    at = [NOON - timedelta(days=ago) for ago in range(1, days + 1)]
    await send(gateway.api, [report(card, day, amount, number=f"{card}-{day:%m%d}") for day in at])


async def plans(gateway: Gateway, **more: dict[str, Any]) -> None:
    for name, given in more.items():
        plan = {"id": name, "carrier": "cmcc", "allowance": 100 * MB, "months": 12} | given
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success


async def packs(gateway: Gateway, **sizes: tuple[int, int | None]) -> None:
    for name, (size, price) in sizes.items():
        pack = {"id": name, "carrier": "cmcc", "scope": "card", "bytes": size, "price_fen": price}
        assert (await gateway.api.post("/v1/addons", json=pack)).is_success


def about(megabytes: int) -> Any:
    """So many bytes, but for the seconds that pass while a test runs."""
    return pytest.approx(megabytes * MB, abs=MB // 20)


async def forecast(gateway: Gateway, path: str, **headers: str) -> dict[str, Any]:
    answer = await gateway.api.get(f"{path}/forecast", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def of_sim(gateway: Gateway, card: str) -> dict[str, Any]:
    return await forecast(gateway, f"/v1/sims/{card}")


async def assert_as_dry_run(gateway: Gateway, card: str, options: list[dict[str, Any]]) -> None:
    """Every option that names an operation is allowed, or refused, as its dry run is (ST-26)."""
    for option in options:
        if option["action"] not in PATHS or not option["arguments"]:
            continue
        path = f"/v1/sims/{card}/{PATHS[option['action']]}"
        dry = (await gateway.api.post(path, json=option["arguments"], params={"dry_run": "true"})).json()
        assert dry["allowed"] == option["allowed"], option
        assert (dry["refusal"] and dry["refusal"]["rule"]) == (option["refusal"] and option["refusal"]["rule"])


async def test_even_traffic_goes_on_to_the_cycles_end(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await used_daily(gateway, card, 2 * MB)

    found = await of_sim(gateway, card)

    assert (found["used"], found["quota"], found["cycle"]["id"]) == (40 * MB, 100 * MB, "2026-11")
    # Nothing is used yet on the 21st, of which six hours are left, and nine days follow it.
    assert found["used_by_end"]["expected"] - MB // 2 == about(58)
    assert found["used_by_end"]["low"] <= found["used_by_end"]["expected"] <= found["used_by_end"]["high"] < 100 * MB
    assert (found["exhausted_on"], found["stop"]) == (None, None)
    assert [reason["code"] for reason in found["because"]] == ["days"]
    assert [(option["action"], option["cost_fen"]) for option in found["options"]] == [("none", 0)]
    assert found["options"][0]["effect"]["code"] == "enough"


async def test_a_quota_that_runs_out_is_dated_and_packs_and_plans_are_compared_by_cost(gateway: Gateway) -> None:
    await plans(
        gateway,
        standing={"auto_stop": True, "price_fen": 1200},
        larger={"allowance": 200 * MB, "price_fen": 2400, "change_price_fen": 500},
        smaller={"allowance": 50 * MB, "price_fen": 600},
    )
    await packs(gateway, ten=(10 * MB, 100), fifty=(50 * MB, 300), unpriced=(500 * MB, None))
    [card] = await gateway.fleet({"terms": "standard", "plan": "standing", "msisdn": None})
    await used_daily(gateway, card, 4 * MB)

    found = await of_sim(gateway, card)

    # 80 MB are used, 1 MB is left of today's, and 4 MB a day follow: 100 MB are reached on the 26th.
    assert found["used_by_end"]["expected"] == about(117)
    assert found["exhausted_on"] == "2026-11-26"
    assert found["stop"] == {"hold": "over_quota", "rule": "QT-3", "at": 100 * MB, "on": "2026-11-26"}
    shown = [(o["action"], o["arguments"], o["times"], o["cost_fen"], o["monthly_fen"]) for o in found["options"]]
    assert shown == [
        ("order_addon", {"addon": "ten"}, 2, 200, 0),
        ("order_addon", {"addon": "fifty"}, 1, 300, 0),
        ("change_plan", {"plan": "larger"}, 1, 500, 100),
        ("order_addon", {"addon": "unpriced"}, 1, None, 0),
        ("change_plan", {"plan": "cmcc-1g"}, 1, None, None),
        ("none", {}, 1, 0, 0),
        ("join_pool", {}, 1, None, None),
    ]
    assert [o["effect"]["code"] for o in found["options"]] == ["enough"] * 5 + ["stops", "no_quota"]
    assert [o["allowed"] for o in found["options"]] == [True] * 6 + [False]
    await assert_as_dry_run(gateway, card, found["options"])


async def counted(gateway: Gateway, card: str, amount: int) -> None:
    """What the carrier has counted of the cycle up to yesterday, and nothing by day."""
    body = [{"iccid": card, "cycle": "2026-11", "bytes": amount, "as_of": "2026-11-21T00:00:00+08:00"}]
    assert (await gateway.api.post("/v1/usage/corrections", json=body)).is_success


async def test_the_last_byte_of_the_quota_decides_whether_it_runs_out(gateway: Gateway) -> None:
    """Both sides of the edge: 60 MB are expected of 60 MB, and of one byte more."""
    await plans(gateway, just={"allowance": 60 * MB}, above={"allowance": 60 * MB + 1})
    rows = [{"terms": "standard", "plan": plan, "activated_on": "2026-11-01"} for plan in ("just", "above")]
    cards = await gateway.fleet(*rows)
    for card in cards:
        await counted(gateway, card, 40 * MB)

    found = [await of_sim(gateway, card) for card in cards]

    assert [one["used_by_end"]["expected"] for one in found] == [60 * MB] * 2
    assert [one["exhausted_on"] for one in found] == ["2026-11-30", None]


async def test_doing_nothing_costs_the_overrun_that_is_still_to_be_charged(gateway: Gateway) -> None:
    """QT-3: by the begun megabyte beyond the allowance; what is charged already is not counted again."""
    await plans(gateway, open={"allowance": 70 * MB, "overrun_fen_per_mb": 10})
    await packs(gateway, fifty=(50 * MB, 300))
    [card] = await gateway.fleet({"terms": "standard", "plan": "open"})
    await used_daily(gateway, card, 4 * MB)

    options = (await of_sim(gateway, card))["options"]

    nothing = next(option for option in options if option["action"] == "none")
    pack = next(option for option in options if option["action"] == "order_addon")
    # 47 MB beyond in all, of which 10 MB are charged already.
    assert (nothing["effect"]["code"], nothing["effect"]["overrun_mb"], nothing["cost_fen"]) == ("overrun", 47, 370)
    assert (pack["cost_fen"], pack["effect"]["charged_fen"]) == (300, 0)
    assert options[0] == pack


async def test_terms_that_change_no_plan_say_so(gateway: Gateway) -> None:
    """OR-2: under `gsl` an option is shown with the refusal that its dry run gives."""
    await plans(gateway, small={"allowance": 60 * MB}, large={"allowance": 500 * MB, "change_price_fen": 1})
    [card] = await gateway.fleet({"terms": "gsl", "plan": "small"})
    await used_daily(gateway, card, 4 * MB)

    options = (await of_sim(gateway, card))["options"]

    change = next(option for option in options if option["action"] == "change_plan")
    assert (change["allowed"], change["refusal"]["rule"]) == (False, "OR-2")
    await assert_as_dry_run(gateway, card, options)


async def test_a_pool_of_the_cards_plan_is_an_option(gateway: Gateway) -> None:
    [member] = await a_pool(gateway, "forward", {"terms": "standard"})
    [card] = await gateway.fleet({"terms": "standard", "plan": "cmcc-forward", "iccid": "89860000000000005555"})
    await used_daily(gateway, card, MB)

    options = (await of_sim(gateway, card))["options"]

    assert [(o["action"], o["arguments"], o["allowed"]) for o in options] == [
        ("none", {}, True),
        ("join_pool", {"pool": "p1"}, True),
    ]
    await assert_as_dry_run(gateway, card, options)
    assert (await of_sim(gateway, member))["quota"] is None


async def test_a_stopped_card_uses_nothing_more_and_its_options_are_for_when_it_runs(gateway: Gateway) -> None:
    await packs(gateway, fifty=(50 * MB, 300))
    await plans(gateway, standing={"auto_stop": True})
    since = "2026-11-16T08:00:00+08:00"
    [card] = await gateway.fleet({"terms": "standard", "plan": "standing", "state": "suspended", "holds": "manual"})
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET holds = jsonb_set(holds, '{0,since}', to_jsonb($1::text))", since)
    at = [NOON - timedelta(days=ago) for ago in range(6, 36)]
    await send(gateway.api, [report(card, day, 6 * MB, number=f"{day:%m%d}") for day in at])

    found = await of_sim(gateway, card)

    assert found["used_by_end"] == {"low": 90 * MB, "expected": 90 * MB, "high": 90 * MB}
    assert found["because"][0]["code"] == "stopped"
    assert {o["action"] for o in found["options"]} == {"none", "order_addon", "change_plan", "join_pool"}


async def test_a_card_that_its_quota_stopped_ran_out_on_that_day(gateway: Gateway) -> None:
    """The days since it was stopped say nothing of its habit, and the day it ran out is no later for them."""
    await plans(gateway, standing={"allowance": 80 * MB, "auto_stop": True})
    [card] = await gateway.fleet({"terms": "standard", "plan": "standing"})
    at = [NOON - timedelta(days=ago) for ago in range(5, 35)]
    await send(gateway.api, [report(card, day, 5 * MB, number=f"{day:%m%d}") for day in at])
    await gateway.settle()
    since = "2026-11-16T13:00:00+08:00"
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET holds = jsonb_set(holds, '{0,since}', to_jsonb($1::text))", since)

    found = await of_sim(gateway, card)

    assert (found["used"], found["exhausted_on"]) == (80 * MB, "2026-11-16")
    assert found["used_by_end"]["high"] == 80 * MB
    assert [why["code"] for why in found["because"]] == ["stopped", "days"]
    assert found["stop"] == {"hold": "over_quota", "rule": "QT-3", "at": 80 * MB, "on": "2026-11-16"}


async def test_a_pool_that_lasts_for_some_days_yet_is_dated(gateway: Gateway) -> None:
    one, two, _ = await a_pool(gateway, "forward", *[{"terms": "standard"}] * 3)
    for card in (one, two):
        await used_daily(gateway, card, 3 * MB // 5)

    found = await forecast(gateway, "/v1/pools/p1")

    # 24 MB of 30 MB are used; 0.3 MB are left of today's, and 1.2 MB a day follow.
    assert found["used"] == pytest.approx(24 * MB, abs=100)
    assert (found["exhausted_on"], found["stop"]["hold"]) == ("2026-11-26", "pool_exhausted")
    assert [(why["code"]) for why in found["because"]] == ["days"]


async def test_a_card_that_is_not_activated_has_no_forecast_of_use(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"state": "silent", "terms": "gsl"})

    found = await of_sim(gateway, card)

    assert (found["used"], found["used_by_end"]["high"], found["exhausted_on"]) == (0, 0, None)
    assert [reason["code"] for reason in found["because"]] == ["not_activated"]


async def test_a_card_uses_nothing_after_its_last_valid_day(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"expires_on": "2026-11-24"})
    await used_daily(gateway, card, 2 * MB)

    found = await of_sim(gateway, card)

    assert found["used_by_end"]["expected"] - MB // 2 == about(46)
    assert found["because"][-1] == {
        "code": "expires",
        "text": "It is valid to 2026-11-24, and uses nothing afterwards.",
        "facts": {"on": "2026-11-24"},
    }


async def test_a_carriers_figure_alone_is_forecast_too(gateway: Gateway) -> None:
    """US-5: nobody told the days, so they are even, and today is as unknown as the days to come."""
    [card] = await gateway.fleet({"activated_on": "2026-11-01"})
    await counted(gateway, card, 40 * MB)

    found = await of_sim(gateway, card)

    assert (found["used"], found["used_by_end"]["expected"]) == (40 * MB, 60 * MB)


async def test_a_pool_is_forecast_by_its_members_days_and_what_helps_it_is_compared(gateway: Gateway) -> None:
    rows = [{"terms": "standard"}, {"terms": "standard"}, {"terms": "standard", "state": "silent"}]
    one, other, _ = await a_pool(gateway, "forward", *rows)
    for card in (one, other):
        await used_daily(gateway, card, MB // 2)
    pack = {"id": "pool-10", "carrier": "cmcc", "scope": "pool", "bytes": 10 * MB, "price_fen": 900}
    assert (await gateway.api.post("/v1/addons", json=pack)).is_success

    found = await forecast(gateway, "/v1/pools/p1")

    assert (found["total"], found["used"]) == (20 * MB, 20 * MB)
    assert found["exhausted_on"] == "2026-11-20"
    assert found["used_by_end"]["expected"] == 20 * MB
    shown = [(o["action"], o["times"], o["cost_fen"], o["allowed"], o["effect"]["code"]) for o in found["options"]]
    assert shown == [
        ("activate_members", 1, 0, True, "enough"),
        ("pool_addon", 1, 900, True, "enough"),
        ("none", 1, 0, True, "stops"),
    ]


async def test_a_postpaid_pool_has_no_ceiling_but_its_own_threshold(gateway: Gateway) -> None:
    [card] = await a_pool(gateway, "backward", {"terms": "standard"})
    await used_daily(gateway, card, MB)
    assert (await gateway.api.put("/v1/pools/p1/rules", json={"stop_at": 25 * MB})).is_success

    found = await forecast(gateway, "/v1/pools/p1")

    assert (found["total"], found["exhausted_on"]) == (None, None)
    assert found["stop"] == {"hold": "pool_threshold", "rule": "PL-4", "at": 25 * MB, "on": "2026-11-26"}


async def test_what_does_not_exist_is_not_found_and_texts_follow_the_language(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await used_daily(gateway, card, 2 * MB)

    for path in ("/v1/sims/89860099999999999999", "/v1/pools/none"):
        assert (await gateway.api.get(f"{path}/forecast")).status_code == 404
    found = await forecast(gateway, f"/v1/sims/{card}", **{"Accept-Language": "zh"})
    assert found["because"][0]["text"] == "依据30个完整日，近期日均2.0MB。"
