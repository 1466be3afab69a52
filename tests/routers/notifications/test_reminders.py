"""Reminders through the API: a tenant's defaults, thresholds of many SIMs, both sides of every edge (RM-1, RM-2)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.jobs.cycle_rollover import roll_over_day
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import MB, NOON, correct, events_of, set_clock, turn_at, use

HOME = ZoneInfo("Asia/Shanghai")
LARGE = {"plan": "cmcc-1g"}
POOL_PLAN = {"id": "cmcc-forward", "carrier": "cmcc", "allowance": 10 * MB, "months": 12, "kind": "pool_forward"}

MEANINGLESS: list[tuple[dict[str, Any], str]] = [
    ({"usage_mb": [1, 2, 3]}, "/usage_mb"),
    ({"usage_mb": [-1]}, "/usage_mb/0"),
    ({"expiry_days": [3_661]}, "/expiry_days/0"),
    ({"pool_percent": [1_001]}, "/pool_percent/0"),
    ({"quiet_hours": {"from": "22:00"}}, "/quiet_hours/to"),
    ({"quiet_hours": {"from": "24:00", "to": "08:00"}}, "/quiet_hours/from"),
    ({"quiet_hours": {"from": "8:00", "to": "08:00"}}, "/quiet_hours/from"),
    ({"quiet_hours": {"from": "08:00", "to": "08:00"}}, "/quiet_hours/to"),
    ({"language": "fr"}, "/language"),
    ({"colour": "red"}, "/colour"),
]
ONE = {"usage_mb": [1]}
NOT_APPLIED: list[tuple[dict[str, Any], str]] = [
    ({"selector": {"iccids": [iccid(1)]}, "reminders": ONE}, "EMPTY_SELECTION"),
    ({"selector": {"all": True}, "reminders": {}}, "REQUIRED"),
    ({"selector": {"range": {"start": iccid(1), "end": iccid(2)}}, "reminders": ONE}, "UNSUPPORTED"),
    ({"selector": {"filter": {}}, "reminders": ONE}, "REQUIRED"),
    ({"selector": {"file_id": "019ab3f0-0000-7000-8000-000000000000"}, "reminders": ONE}, "UNKNOWN_FILE"),
]


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def put(gateway: Gateway, **settings: Any) -> dict[str, Any]:
    answer = await gateway.api.put("/v1/reminders", json=settings)
    assert answer.status_code == 200, answer.text
    await gateway.settle()
    return answer.json()


async def apply(gateway: Gateway, selector: dict[str, Any], **reminders: Any) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/reminders/apply", json={"selector": selector, "reminders": reminders})
    assert answer.status_code == 200, answer.text
    await gateway.settle()
    return answer.json()


async def told_mb(gateway: Gateway, card: str | None = None) -> list[int]:
    crossed = await events_of(gateway, "usage.threshold_crossed")
    return [one["data"]["threshold_mb"] for one in crossed if card in (None, one["subject"])]


async def told_days(gateway: Gateway, card: str | None = None) -> list[tuple[int, int, bool]]:
    due = await events_of(gateway, "reminder.due")
    facts = [one["data"] for one in due if card in (None, one["subject"])]
    return [(one["threshold_days"], one["days_left"], one["late"]) for one in facts]


async def test_settings_are_empty_until_set_and_replaced_as_a_whole(gateway: Gateway) -> None:
    nothing = {"usage_mb": None, "expiry_days": None, "pool_percent": None, "quiet_hours": None, "language": "en"}
    assert (await gateway.api.get("/v1/reminders")).json() == nothing | {"updated_at": None}

    given = {
        "usage_mb": [80, 100],
        "expiry_days": [30, 15],
        "pool_percent": [80],
        "quiet_hours": {"from": "22:00", "to": "08:00"},
        "language": "zh",
    }
    saved = await put(gateway, **given)
    assert {name: value for name, value in saved.items() if name != "updated_at"} == given
    assert (await gateway.api.get("/v1/reminders")).json() == saved

    emptied = await put(gateway)
    assert {name: value for name, value in emptied.items() if name != "updated_at"} == nothing
    trail = (await gateway.api.get("/v1/admin/audit")).json()["items"]
    changed = [row for row in trail if row["action"] == "reminders.changed"]
    assert len(changed) == 2


async def test_settings_that_mean_nothing_are_refused(gateway: Gateway) -> None:
    for settings, pointer in MEANINGLESS:
        answer = await gateway.api.put("/v1/reminders", json=settings)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    assert (await gateway.api.get("/v1/reminders")).json()["updated_at"] is None


async def test_a_usage_reminder_fires_at_its_threshold_and_not_a_byte_before(gateway: Gateway) -> None:
    """RM-1: used ≥ the threshold, by the tenant's defaults, once a cycle, and again in the next."""
    [card] = await gateway.fleet(LARGE)
    await put(gateway, usage_mb=[80, 100])

    await use(gateway, card, 80 * MB - 1)
    before = await told_mb(gateway)
    await use(gateway, card, 1)
    reached = await told_mb(gateway)
    await use(gateway, card, 19 * MB)
    await use(gateway, card, MB)
    both = await told_mb(gateway)
    await turn_at(gateway, "2027-01-01T00:01:00+08:00")
    await use(gateway, card, 80 * MB, at=gateway.ctx.now())

    assert (before, reached, both) == ([], [80], [80, 100])
    assert await told_mb(gateway) == [80, 100, 80]


async def test_a_card_in_test_shows_none_and_zero_is_off(gateway: Gateway) -> None:
    """RM-1."""
    testing = {"state": "testing", "opened_on": "2026-12-01", "purchased_on": "2026-12-01", **LARGE}
    tested, off, other = await gateway.fleet(testing, LARGE, LARGE)
    await put(gateway, usage_mb=[5, 10])
    assert (await gateway.api.patch(f"/v1/sims/{off}", json={"reminders": {"usage_mb": [0, 0]}})).is_success

    for card in (tested, off, other):
        await use(gateway, card, 11 * MB)

    assert await told_mb(gateway, tested) == []
    assert await told_mb(gateway, off) == []
    assert await told_mb(gateway, other) == [5, 10]


async def test_a_threshold_changed_within_a_cycle_does_not_fire_twice(gateway: Gateway) -> None:
    """RM-1: once a cycle, whoever changes it: back to one that fired, or below one that fired."""
    [card] = await gateway.fleet(LARGE)
    await put(gateway, usage_mb=[80, 0])
    await use(gateway, card, 85 * MB)
    first = await told_mb(gateway)

    for levels in ([90, 0], [80, 0], [60, 70], [80, 100]):
        await put(gateway, usage_mb=levels)
    again = await told_mb(gateway)
    await put(gateway, usage_mb=[82, 0])

    assert (first, again) == ([80], [80])
    assert await told_mb(gateway) == [80, 82]


async def test_defaults_set_within_a_cycle_speak_of_what_is_reached_and_of_no_other_tenants_cards(
    gateway: Gateway,
) -> None:
    """RM-1."""
    one, small, own = await gateway.fleet(LARGE, LARGE, LARGE)
    assert (await gateway.api.patch(f"/v1/sims/{own}", json={"reminders": {"usage_mb": [200]}})).is_success
    for card in (one, own):
        await use(gateway, card, 85 * MB)
    await use(gateway, small, 79 * MB)
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    elsewhere = await gateway.api.put("/v1/reminders", json={"usage_mb": [1]}, headers={"X-Tenant": "other"})
    await gateway.settle()
    others = await told_mb(gateway)

    await put(gateway, usage_mb=[80, 100])

    assert elsewhere.status_code == 200
    assert others == []
    assert [event["subject"] for event in await events_of(gateway, "usage.threshold_crossed")] == [one]


async def test_an_expiry_reminder_fires_on_the_first_day_near_enough(gateway: Gateway) -> None:
    """RM-1: last valid day − today ≤ the threshold: 31 days left none, 30 left one; once an end date."""
    [card] = await gateway.fleet({"activated_on": "2026-01-05", "expires_on": "2027-01-31"})
    await put(gateway, expiry_days=[30, 15])

    told = []
    for day in ("2026-12-31", "2027-01-01", "2027-01-02", "2027-01-15", "2027-01-16", "2027-01-17"):
        await turn_at(gateway, f"{day}T00:01:00+08:00")
        told.append(len(await told_days(gateway)))

    assert told == [0, 1, 1, 1, 2, 2]
    assert await told_days(gateway, card) == [(30, 30, False), (15, 15, False)]


async def test_a_renewal_arms_the_reminders_again_for_the_new_end_date(gateway: Gateway) -> None:
    """RM-1: once an end date; the renewal moves it by a year."""
    [card] = await gateway.fleet({"terms": "standard", "activated_on": "2026-01-11", "expires_on": "2027-01-10"})
    await put(gateway, expiry_days=[30, 0])
    await turn_at(gateway, "2026-12-16T00:01:00+08:00")
    renewed = await gateway.api.post(f"/v1/sims/{card}/renew", json={"months": 12})
    assert renewed.status_code == 202, renewed.text
    done = await gateway.api.post(
        f"{renewed.headers['location']}/complete", json={"outcome": "succeeded", "note": "ok"}
    )
    assert done.is_success, done.text
    await turn_at(gateway, "2026-12-17T00:01:00+08:00")
    before = await told_days(gateway)
    for day in ("2027-12-10", "2027-12-11", "2027-12-12"):
        set_clock(gateway, datetime.fromisoformat(f"{day}T00:01:00+08:00"))
        await roll_over_day(gateway.ctx, HOME)

    assert before == [(30, 25, True)]
    assert await told_days(gateway) == [(30, 25, True), (30, 30, False)]


async def test_after_days_of_downtime_a_reminder_fires_once_and_says_that_it_is_late(gateway: Gateway) -> None:
    """RM-1: five days down over the day it was due, and over the turn of a cycle."""
    ending, used = await gateway.fleet({"activated_on": "2026-01-05", "expires_on": "2027-01-20"}, LARGE)
    await put(gateway, usage_mb=[80, 0], expiry_days=[20, 0])
    at = datetime.fromisoformat("2026-12-31T12:00:00+08:00")
    set_clock(gateway, at + timedelta(minutes=1))
    await use(gateway, used, 85 * MB, at=at, settle=False)

    set_clock(gateway, datetime.fromisoformat("2027-01-05T09:00:00+08:00"))
    for _ in range(2):
        await roll_over_day(gateway.ctx, HOME)
        await gateway.settle()

    [crossed] = await events_of(gateway, "usage.threshold_crossed")
    assert (crossed["subject"], crossed["data"]["cycle"], crossed["data"]["late"]) == (used, 202612, True)
    [due] = await events_of(gateway, "reminder.due")
    assert (due["subject"], due["data"]["due_on"], due["data"]["late"]) == (ending, "2026-12-31", True)
    assert due["data"]["days_left"] == 15


async def test_a_pool_without_rules_of_its_own_follows_the_tenants_percents(gateway: Gateway) -> None:
    """RM-2: 79 % none, 80 % one, once; a pool with rules of its own follows them."""
    await gateway.fleet()
    assert (await gateway.api.post("/v1/plans", json=POOL_PLAN)).is_success
    for name in ("p1", "p2"):
        pool = {"id": name, "name": name, "kind": "forward", "carrier": "cmcc", "plan": POOL_PLAN["id"]}
        assert (await gateway.api.post("/v1/pools", json=pool)).status_code == 201
    member = {"terms": "gsl", "plan": POOL_PLAN["id"]}
    one, other = await gateway.fleet(member | {"pool": "p1"}, member | {"pool": "p2"})
    assert (await gateway.api.put("/v1/pools/p2/rules", json={"levels_pct": [10]})).is_success
    await put(gateway, pool_percent=[80, 0])

    told = []
    for used in (8 * MB - MB // 10, 8 * MB, 9 * MB):
        await gateway.advance(minutes=1)
        for card in (one, other):
            await correct(gateway, card, used)
        crossed = await events_of(gateway, "pool.threshold_crossed")
        told.append([one["data"]["threshold_pct"] for one in crossed if one["data"]["pool"] == "p1"])

    assert told == [[], [80], [80]]
    crossed = await events_of(gateway, "pool.threshold_crossed")
    assert [event["data"]["threshold_pct"] for event in crossed if event["data"]["pool"] == "p2"] == [10]


async def test_reminders_are_set_in_bulk_by_list_filter_file_and_pool(gateway: Gateway) -> None:
    """RM-1: in bulk too; what is absent stays, null goes back to the tenant's."""
    one, two, three = await gateway.fleet(LARGE | {"tags": {"site": "hz"}}, LARGE, LARGE)
    await put(gateway, usage_mb=[80, 0])
    for card in (one, two, three):
        await use(gateway, card, 50 * MB)

    by_list = await apply(gateway, {"iccids": [one, iccid(7)]}, usage_mb=[40], expiry_days=[9])
    again = await apply(gateway, {"filter": {"tag": "site:hz"}}, usage_mb=[40])
    uploaded = await gateway.api.post("/v1/files", content=f"iccid\n{two}\n", headers={"Content-Type": "text/csv"})
    by_file = await apply(gateway, {"file_id": uploaded.json()["id"]}, usage_mb=[45])
    everyone = await apply(gateway, {"all": True}, usage_mb=None)

    counts = [(done["selected"], done["changed"]) for done in (by_list, again, by_file, everyone)]
    assert counts == [(1, 1), (1, 0), (1, 1), (3, 2)]
    assert [await told_mb(gateway, card) for card in (one, two, three)] == [[40], [45], []]
    async with gateway.ctx.pool.acquire() as connection:
        kept = await connection.fetchval("SELECT reminders::text FROM sims WHERE iccid = $1", one)
    assert json.loads(kept) == {"expiry_days": [9]}


async def test_a_bulk_setting_is_audited_once_and_answered_again_under_its_key(gateway: Gateway) -> None:
    cards = await gateway.fleet({}, {})
    body = {"selector": {"all": True}, "reminders": {"usage_mb": [40, 80]}}
    first, again = [
        await gateway.api.post("/v1/reminders/apply", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert first.json() == again.json() == {"selected": 2, "changed": 2}
    assert again.headers["idempotency-replayed"] == "true"
    trail = (await gateway.api.get("/v1/admin/audit")).json()["items"]
    [row] = [row for row in trail if row["action"] == "reminders.applied"]
    assert row["after"] == {"selector": {"all": True}, "reminders": {"usage_mb": [40, 80]}, "sims": len(cards)}


async def test_what_cannot_be_set_in_bulk_is_refused(gateway: Gateway) -> None:
    await gateway.fleet({})
    for body, code in NOT_APPLIED:
        answer = await gateway.api.post("/v1/reminders/apply", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code), answer.text


async def test_another_tenants_cards_are_not_selected(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    body = {"selector": {"iccids": [card]}, "reminders": {"usage_mb": [1]}}
    answer = await gateway.api.post("/v1/reminders/apply", json=body, headers={"X-Tenant": "other"})
    assert answer.json()["errors"][0]["code"] == "EMPTY_SELECTION"
