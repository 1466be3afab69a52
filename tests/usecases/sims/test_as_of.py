"""A SIM as it was, and as it was known (LC-12): late reports, corrections, late transitions, and where records begin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.calendar.days import start_of_day
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, report, send

MB = 1 << 20


async def _at(gateway: Gateway, card: str, as_of: datetime, known_at: datetime | None = None) -> dict[str, Any]:
    params = {"as_of": as_of.isoformat()} | ({"known_at": known_at.isoformat()} if known_at else {})
    answer = await gateway.api.get(f"/v1/sims/{card}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _read(gateway: Gateway, card: str) -> tuple[datetime, dict[str, Any]]:
    at = gateway.ctx.now()
    return at, (await gateway.api.get(f"/v1/sims/{card}")).json()


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "read_as_of"}


async def test_a_late_report_is_in_the_past_as_it_was_and_not_as_it_was_known(gateway: Gateway) -> None:
    """LC-12, US-3."""
    [card] = await gateway.fleet({})
    noon = gateway.ctx.now()
    await gateway.advance(hours=6)
    evening, before = await _read(gateway, card)
    await gateway.advance(hours=6)

    await send(gateway.api, [report(card, noon, 7 * MB, number=1)])
    learned = gateway.ctx.now()

    assert _plain(await _at(gateway, card, evening, evening)) == before
    assert (await _at(gateway, card, evening, learned - timedelta(minutes=1)))["usage"]["used"] == 0
    shown = await _at(gateway, card, evening)
    assert (shown["usage"]["used"], shown["usage"]["as_of"]) == (7 * MB, noon.isoformat())
    assert shown["read_as_of"]["as_of"] == evening.isoformat()
    assert shown["read_as_of"]["not_kept"] == []


async def test_a_report_of_later_traffic_is_not_in_the_past(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, gateway.ctx.now(), 1 * MB, number=1)])
    await gateway.advance(hours=1)
    between = gateway.ctx.now()
    await gateway.advance(hours=1)
    await send(gateway.api, [report(card, gateway.ctx.now(), 2 * MB, number=2)])

    assert (await _at(gateway, card, between))["usage"]["used"] == 1 * MB
    assert (await _at(gateway, card, gateway.ctx.now()))["usage"]["used"] == 3 * MB


async def test_a_correction_replaces_what_was_used_and_not_what_was_known(gateway: Gateway) -> None:
    """LC-12, US-5."""
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, gateway.ctx.now(), 5 * MB, number=1)])
    await gateway.advance(hours=2)
    covered, before = await _read(gateway, card)
    await gateway.advance(hours=2)
    later, _ = await _read(gateway, card)
    figure = {"iccid": card, "cycle": "2026-11", "bytes": 9 * MB, "as_of": covered.isoformat()}
    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": [figure]})
    assert answer.json()["applied"] == 1
    await gateway.advance(hours=2)

    assert _plain(await _at(gateway, card, covered, covered)) == before
    assert (await _at(gateway, card, covered, later))["usage"]["used"] == 5 * MB
    assert (await _at(gateway, card, covered))["usage"]["used"] == 9 * MB
    assert (await _at(gateway, card, covered - timedelta(minutes=1)))["usage"]["used"] == 5 * MB


async def test_a_day_corrected_twice_is_as_each_time_it_was_known(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await gateway.advance(days=2)
    days = {"granularity": "day", "from": "2026-11-22", "to": "2026-11-22"}
    known = []
    for amount in (3, 4):
        covered = start_of_day(datetime(2026, 11, 23).date(), HOME)
        figure = {"iccid": card, "day": "2026-11-22", "bytes": amount * MB, "as_of": covered.isoformat()}
        assert (await gateway.api.post("/v1/usage/corrections", json={"corrections": [figure]})).json()["applied"] == 1
        known.append(gateway.ctx.now())
        await gateway.advance(hours=1)

    found = []
    for at in (known[0] - timedelta(seconds=30), known[0], known[1]):
        times = {"as_of": (known[0] - timedelta(seconds=30)).isoformat(), "known_at": at.isoformat()}
        answer = await gateway.api.get(f"/v1/sims/{card}/usage", params=days | times)
        found.append(answer.json()["items"][0]["used"])
    assert found == [0, 3 * MB, 4 * MB]


async def test_an_expiry_learned_at_the_sweep_was_there_from_midnight_on(gateway: Gateway) -> None:
    """LC-8, LC-12: as of 00:01 the SIM was expired, though at 00:01 nobody knew."""
    [card] = await gateway.fleet({"expires_on": "2026-11-30"})
    midnight = datetime(2026, 12, 1, tzinfo=HOME)
    await gateway.advance(seconds=(midnight - gateway.ctx.now()).total_seconds() + 60)
    early, before = await _read(gateway, card)
    await gateway.advance(minutes=4)
    await expire_zone(gateway.ctx, HOME)
    await gateway.settle()

    assert before["state"] == "active"
    assert _plain(await _at(gateway, card, early, early)) == before
    as_it_was = await _at(gateway, card, early)
    assert (as_it_was["state"], [hold["code"] for hold in as_it_was["holds"]]) == ("expired", ["plan_expired"])
    assert (await _at(gateway, card, midnight - timedelta(seconds=1)))["state"] == "active"
    entries = (await gateway.api.get(f"/v1/sims/{card}/timeline", params={"known_at": early.isoformat()})).json()
    assert [entry["cause"] for entry in entries["items"]] == ["import"]


async def test_an_operation_is_open_as_of_the_instants_between_its_beginning_and_its_end(gateway: Gateway) -> None:
    """OP-4."""
    [card] = await gateway.fleet({})
    await gateway.advance(minutes=1)
    before = gateway.ctx.now()
    await gateway.advance(seconds=1)
    begun = await gateway.api.post(f"/v1/sims/{card}/suspend", json={})
    during = gateway.ctx.now()
    await gateway.settle()
    await gateway.advance(minutes=1)
    after = gateway.ctx.now()
    later = await gateway.api.post(
        f"/v1/sims/{card}/resume", json={"execute_at": (after + timedelta(days=1)).isoformat()}
    )
    assert later.status_code == 202, later.text
    await gateway.advance(hours=1)

    found = [(await _at(gateway, card, at)) for at in (before, during, after, gateway.ctx.now())]

    assert [one["open_operation"] for one in found] == [None, begun.json()["id"], None, None]
    assert [one["state"] for one in found] == ["active", "active", "suspended", "suspended"]


async def test_more_changes_than_lie_between_two_whole_records_are_walked(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    made = []
    for number in range(75):
        await gateway.advance(seconds=1)
        assert (await gateway.api.patch(f"/v1/sims/{card}", json={"alias": f"name {number}"})).is_success
        made.append(gateway.ctx.now())

    for number in (0, 1, 28, 29, 30, 31, 32, 40, 62, 63, 74):
        assert (await _at(gateway, card, made[number]))["alias"] == f"name {number}"


async def test_records_begin_with_the_import(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    async with gateway.ctx.pool.acquire() as connection:
        imported = await connection.fetchval("SELECT created_at FROM sims")

    early = await gateway.api.get(
        f"/v1/sims/{card}", params={"as_of": (imported - timedelta(microseconds=1)).isoformat()}
    )
    assert (early.status_code, early.json()["code"]) == (422, "BEFORE_RECORDS")
    assert early.json()["since"] == imported.isoformat()
    assert (await _at(gateway, card, imported))["state"] == "active"


@pytest.mark.parametrize("part", ["", "/usage", "/usage?granularity=report", "/timeline", "/deadlines"])
async def test_an_instant_ahead_and_knowledge_from_before_are_refused(gateway: Gateway, part: str) -> None:
    [card] = await gateway.fleet({})
    now = gateway.ctx.now()
    path = f"/v1/sims/{card}{part}{'&' if '?' in part else '?'}"
    hour = timedelta(hours=1)
    codes = []
    for times in (
        {"as_of": now + hour},
        {"known_at": now + hour},
        {"as_of": now, "known_at": now - hour},
    ):
        query = "&".join(f"{name}={at.isoformat().replace('+00:00', 'Z')}" for name, at in times.items())
        answer = await gateway.api.get(path + query)
        assert answer.status_code == 422, answer.text
        codes.append(answer.json()["errors"][0]["code"])
    assert codes == ["AHEAD_OF_NOW", "AHEAD_OF_NOW", "KNOWN_TOO_EARLY"]


async def test_usage_of_cycles_whose_reports_are_deleted_is_null_with_the_reason(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"expires_on": "2029-01-31"})
    await send(gateway.api, [report(card, gateway.ctx.now(), 5 * MB, number=1)])
    await gateway.advance(minutes=1)
    at, before = await _read(gateway, card)
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(days=200))

    shown = await _at(gateway, card, at)

    assert shown["usage"]["used"] is None
    assert shown["usage"]["reported"] is None
    [missing] = shown["read_as_of"]["not_kept"]
    assert (missing["part"], missing["reason"]) == ("usage", "reports_deleted")
    assert missing["since"] == "2027-01-01T00:00:00+08:00"
    assert _plain(shown) | {"usage": before["usage"]} == before
    days = await gateway.api.get(f"/v1/sims/{card}/usage", params={"as_of": at.isoformat()})
    assert (days.status_code, days.json()["since"]) == (422, missing["since"])


async def test_another_tenants_sim_is_not_found_as_of_any_instant(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).status_code == 201
    answer = await gateway.api.get(
        f"/v1/sims/{card}", params={"as_of": gateway.ctx.now().isoformat()}, headers={"X-Tenant": "other"}
    )
    assert answer.status_code == 404
