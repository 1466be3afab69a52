"""Limits (QT, ST-24, LC-1, RM-1): at the byte, once per cycle, lifted by what lifts them and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.jobs.cycle_rollover import roll_over_day
from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, report, send

MB = 1 << 20
GB = 1 << 30
NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


async def _use(gateway: Gateway, card: str, amount: int, *, settle: bool = True) -> None:
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(card, at, amount, number=f"{card}-{amount}-{at.isoformat()}")])
    if settle:
        await gateway.settle()


async def _sim(gateway: Gateway, card: str) -> dict[str, Any]:
    return (await gateway.api.get(f"/v1/sims/{card}")).json()


async def _holds(gateway: Gateway, card: str) -> list[str]:
    return [hold["code"] for hold in (await _sim(gateway, card))["holds"]]


async def _events(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    items = (await gateway.api.get("/v1/events", params={"limit": 500})).json()["items"]
    return [item for item in items if item["type"] == kind]


async def _to(gateway: Gateway, instant: str) -> None:
    """Move to an instant and turn the day there."""
    target = datetime.fromisoformat(instant)
    await gateway.advance(seconds=(target - gateway.ctx.now()).total_seconds())
    await roll_over_day(gateway.ctx, ZoneInfo("Asia/Shanghai"))
    await gateway.settle()


@pytest.mark.parametrize(
    ("row", "free", "hold"),
    [
        ({"terms": "flexem"}, 3 * GB - 1, "policy_cutoff"),
        ({"terms": "gsl"}, 100 * MB, "over_quota"),
        ({"terms": "standard", "auto_stop": "true"}, 100 * MB - 1, "over_quota"),
    ],
)
async def test_a_card_stops_at_the_byte_and_the_carrier_follows(
    gateway: Gateway, row: dict[str, Any], free: int, hold: str
) -> None:
    [card] = await gateway.fleet(row)

    await _use(gateway, card, free)
    before = await _holds(gateway, card)
    await _use(gateway, card, 1)

    sim = await _sim(gateway, card)
    [operation] = (await gateway.api.get(f"/v1/operations?sim={card}")).json()["items"]
    assert (before, sim["state"], [h["code"] for h in sim["holds"]]) == ([], "suspended", [hold])
    assert (operation["kind"], operation["source"], operation["status"]) == ("suspend", "rule", "succeeded")
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1}
    assert len(await _events(gateway, "sim.hold_added")) + len(await _events(gateway, "sim.suspended")) >= 1


async def test_without_the_option_a_standard_card_goes_on(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "standard"})

    await _use(gateway, card, 500 * MB)

    assert await _holds(gateway, card) == []


async def test_an_addon_lifts_the_stop_and_adds_to_this_cycle_alone(gateway: Gateway) -> None:
    """QT-7."""
    [card] = await gateway.fleet({"terms": "gsl"})
    await _use(gateway, card, 150 * MB)
    held = await _holds(gateway, card)

    answer = await gateway.api.post(f"/v1/sims/{card}/order-addon", json={"bytes": 100 * MB})
    operation = await gateway.operation(answer)
    if operation["channel"] == "desk":
        done = {"outcome": "succeeded", "note": "ordered"}
        assert (await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=done)).is_success
        await gateway.settle()

    sim = await _sim(gateway, card)
    assert (held, sim["holds"], sim["state"]) == (["over_quota"], [], "active")
    assert (sim["usage"]["addons"], sim["usage"]["remaining"]) == (100 * MB, 50 * MB)
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1, "resume": 1}
    await _to(gateway, "2027-01-01T00:01:00+08:00")
    assert (await _sim(gateway, card))["usage"]["addons"] == 0


async def test_the_next_cycle_lifts_what_it_lifts_and_nothing_else(gateway: Gateway) -> None:
    """ST-21, BC-4."""
    cut, both, manual = await gateway.fleet({"terms": "gsl"}, {"terms": "gsl"}, {"terms": "gsl"})
    for card in (cut, both):
        await _use(gateway, card, 101 * MB)
    await gateway.operation(await gateway.api.post(f"/v1/sims/{manual}/suspend"))
    async with gateway.ctx.work() as work:  # a second reason, which no cycle lifts
        record = (await work.sims.by_iccids([both], for_update=True))[both]
        from dataclasses import replace

        from app.domain.sim.model import Hold
        from app.domain.vocabulary import HoldCode, HoldSource

        held = Hold(code=HoldCode.HIGH_RISK_REGION, since=gateway.ctx.now(), source=HoldSource.CARRIER)
        sim = replace(record.sim, holds=(*record.sim.holds, held))
        await work.sims.save([replace(record, sim=sim)], gateway.ctx.now())
        await work.commit()

    await _to(gateway, "2027-01-01T00:01:00+08:00")

    assert [await _holds(gateway, card) for card in (cut, both, manual)] == [[], ["high_risk_region"], ["manual"]]
    assert [(await gateway.carrier(card))["effects"].get("resume", 0) for card in (cut, both, manual)] == [1, 0, 0]


async def test_a_unicom_card_turns_over_on_the_27th(gateway: Gateway) -> None:
    """BC-2, BC-4."""
    [card] = await gateway.fleet({"terms": "gsl", "carrier": "cucc"})
    await _use(gateway, card, 101 * MB)

    await _to(gateway, "2026-12-26T00:01:00+08:00")
    before = await _holds(gateway, card)
    await _to(gateway, "2026-12-27T00:01:00+08:00")

    assert (before, await _holds(gateway, card)) == (["over_quota"], [])


async def test_a_stop_of_the_new_cycle_survives_the_turn(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})
    await gateway.advance(
        seconds=(datetime.fromisoformat("2027-01-01T00:00:30+08:00") - gateway.ctx.now()).total_seconds()
    )
    at = datetime(2027, 1, 1, 0, 0, 10, tzinfo=HOME)
    await send(gateway.api, [report(card, at, 101 * MB, number="at once")])
    await gateway.settle()

    await _to(gateway, "2027-01-01T00:01:00+08:00")

    assert await _holds(gateway, card) == ["over_quota"]


async def test_a_late_report_of_a_closed_cycle_stops_nothing(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})

    await send(gateway.api, [report(card, datetime(2026, 11, 20, tzinfo=HOME), GB, number="late")])
    await gateway.settle()

    assert await _holds(gateway, card) == []


async def test_test_traffic_used_up_by_reports_activates_without_asking_the_carrier(gateway: Gateway) -> None:
    """LC-1."""
    row = {"state": "testing", "opened_on": "2026-11-20", "purchased_on": "2026-11-20"}
    [card] = await gateway.fleet(row)
    await send(gateway.api, [report(card, datetime(2026, 11, 28, tzinfo=HOME), 20 * MB, number="last month")])
    await gateway.settle()

    await _use(gateway, card, 10 * MB - 1)
    before = (await _sim(gateway, card))["state"]
    await _use(gateway, card, 1)

    sim = await _sim(gateway, card)
    assert (before, sim["state"], sim["activated_on"], sim["expires_on"]) == (
        "testing",
        "active",
        "2026-12-15",
        "2027-11-30",
    )
    assert (await gateway.carrier(card))["requests"] == 0


async def test_a_usage_threshold_speaks_once_a_cycle(gateway: Gateway) -> None:
    """RM-1."""
    [card] = await gateway.fleet({})
    assert (await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": {"usage_mb": [80, 100]}})).is_success

    for _ in range(3):
        await _use(gateway, card, 40 * MB)
        await gateway.advance(minutes=5)

    told = [event["data"]["threshold_mb"] for event in await _events(gateway, "usage.threshold_crossed")]
    assert told == [80, 100]


async def test_the_brake_keeps_the_rest_waiting_until_a_person_releases_them(gateway: Gateway) -> None:
    """ST-25."""
    cards = await gateway.fleet(*({"terms": "gsl"} for _ in range(55)))
    at = gateway.ctx.now() - timedelta(minutes=1)

    await send(gateway.api, [report(card, at, 101 * MB, number=card) for card in cards])
    await gateway.settle()
    held = sum([bool(await _holds(gateway, card)) for card in cards])
    await gateway.advance(hours=2)
    later = sum([bool(await _holds(gateway, card)) for card in cards])
    [braked] = await _events(gateway, "rule.braked")
    answer = await gateway.api.post("/v1/admin/accounts/cmcc-main/release-brake")
    assert answer.is_success, answer.text
    await gateway.settle()

    assert (held, later, braked["data"]["waiting"], braked["data"]["rule"]) == (50, 50, 5, "ST-25")
    assert sum([bool(await _holds(gateway, card)) for card in cards]) == 55


async def test_an_expiry_reminder_comes_once_an_end_date(gateway: Gateway) -> None:
    """RM-1."""
    [card] = await gateway.fleet({"activated_on": "2026-01-05", "expires_on": "2026-12-31"})
    assert (await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": {"expiry_days": [15]}})).is_success

    for day in ("2026-12-16", "2026-12-17", "2026-12-18"):
        await _to(gateway, f"{day}T00:01:00+08:00")

    [event] = await _events(gateway, "reminder.due")
    assert (event["subject"], event["data"]["days_left"]) == (card, 15)
