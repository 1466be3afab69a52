"""A fleet explained: groups by cause and remedy, the bulk operation that helps each, its price and its refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.db.sims.search import SimFilter
from app.domain.vocabulary import HoldCode
from app.usecases.bulk.explain import explain_fleet
from app.usecases.bulk.selectors import MatchingSims
from tests.e2e.recovery.stopped_cards import Holds, both, stopped
from tests.gateway import Gateway

MANUAL, QUOTA, PHONE = (HoldCode.MANUAL,), (HoldCode.OVER_QUOTA,), (HoldCode.PHONE_MISUSE,)
BOTH = (HoldCode.MANUAL, HoldCode.OVER_QUOTA)
SINCE = "2026-11-20T08:00:00+08:00"


def _fleet(**counts: int) -> list[tuple[dict[str, Any], Holds]]:
    """So many cards of each kind, under the terms of GSL."""
    holds = {"manual": MANUAL, "quota": QUOTA, "phone": PHONE, "both": BOTH, "running": ()}
    return [({"terms": "gsl"}, holds[name]) for name, count in counts.items() for _ in range(count)]


async def _explained(gateway: Gateway, selector: dict[str, Any]) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/explanations", json={"selector": selector})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _groups(answer: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    return {tuple(cause["code"] for cause in group["causes"]): group for group in answer["groups"]}


async def _run(gateway: Gateway, fleet: list[tuple[dict[str, Any], Holds]]) -> list[str]:
    """The fleet, its free cards running."""
    cards = await stopped(gateway, fleet, SINCE)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET state = 'active' WHERE holds = '[]'")
    return cards


async def test_a_fleet_is_told_by_cause_and_remedy_with_what_helps_each_group(gateway: Gateway) -> None:
    """DG-2, AC-1, QT-7, ST-7: counts, samples, plans, prices and bodies of bulk operations."""
    pack = {"id": "pack-1g", "carrier": "cmcc", "terms": "gsl", "scope": "card", "bytes": 1 << 30, "price_fen": 500}
    assert (await gateway.api.post("/v1/addons", json=pack)).is_success
    cards = await _run(gateway, _fleet(manual=4, quota=3, both=2, phone=1, running=5))

    told = await _explained(gateway, {"all": True})

    groups = _groups(told)
    assert (told["selected"], told["stopped"], told["complete"], told["other_groups"]) == (15, 10, True, 0)
    assert {causes: (group["count"], both(group)) for causes, group in groups.items()} == {
        ("manual",): (4, "R"),
        ("over_quota",): (3, "A/N"),
        ("manual", "over_quota"): (2, "A>R/N>R"),
        ("phone_misuse",): (1, "x"),
    }
    quota = groups["over_quota",]["bulk_operation"]
    assert quota["request"] == {
        "kind": "order_addon",
        "selector": {"iccids": cards[4:7]},
        "arguments": {"addon": "pack-1g"},
    }
    assert (quota["covers"], quota["accepted"], quota["cost_fen"], quota["refused"]) == (3, 3, 1500, [])
    assert groups["manual",]["bulk_operation"]["cost_fen"] == 0
    assert groups["phone_misuse",]["bulk_operation"] is None
    assert [lost["rule"] for lost in groups["phone_misuse",]["not_lifted"]] == ["ST-7"]
    assert groups["manual",]["samples"] == cards[:4]


async def test_the_body_of_a_group_is_taken_by_a_bulk_operation_and_ends_as_told(gateway: Gateway) -> None:
    """AC-1, OP-4: those with an open operation are told as refused beforehand."""
    cards = await _run(gateway, _fleet(manual=5))
    busy = await gateway.api.post(f"/v1/sims/{cards[0]}/refresh")
    assert busy.status_code == 202

    [group] = (await _explained(gateway, {"iccids": cards}))["groups"]

    operation = group["bulk_operation"]
    [refused] = operation["refused"]
    assert (operation["accepted"], refused["count"], refused["code"]) == (4, 1, "OPERATION_IN_PROGRESS")
    dry = await gateway.api.post("/v1/bulk-operations", json=operation["request"] | {"options": {"dry_run": True}})
    assert dry.status_code == 202, dry.text
    await gateway.advance(seconds=1)
    items = (await gateway.api.get(dry.headers["location"] + "/items")).json()["items"]
    assert sorted(item["status"] for item in items) == ["allowed"] * 4 + ["refused"]


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_a_sim_that_cannot_be_read_keeps_no_other_from_its_group(gateway: Gateway, index: int) -> None:
    """Its hold's source is one that nobody knows, as an older replica finds it; a hold of no known kind is alone."""
    cards = await _run(gateway, _fleet(manual=3, quota=1))
    async with gateway.ctx.pool.acquire() as connection:
        change = "UPDATE sims SET holds = jsonb_set(holds, '{0,%s}', '\"unheard-of\"') WHERE iccid = $1"
        await connection.execute(change % "source", cards[index])
        await connection.execute(change % "code", cards[3])

    told = await _explained(gateway, {"all": True})

    assert {causes: group["count"] for causes, group in _groups(told).items()} == {("manual",): 3}
    assert (told["stopped"], told["unreadable"]) == (4, 1)


@pytest.mark.parametrize("way", ["iccids", "range", "filter", "file_id", "pool"])
async def test_every_selector_of_a_bulk_operation_selects(gateway: Gateway, way: str) -> None:
    """AC-1 to AC-3."""
    cards = await _run(gateway, _fleet(manual=3, running=1))
    upload = await gateway.api.post(
        "/v1/files", content="iccid\n" + "\n".join(cards), headers={"Content-Type": "text/csv"}
    )
    selector = {
        "iccids": cards,
        "range": {"start": min(cards), "end": max(cards)},
        "filter": {"hold": "manual"},
        "file_id": upload.json()["id"],
        "pool": "nobody",
    }
    told = await _explained(gateway, {way: selector[way]})
    expected = {"filter": (3, 3), "pool": (0, 0)}.get(way, (4, 3))
    assert (told["selected"], told["stopped"]) == expected


async def test_another_tenants_cards_are_not_counted_and_a_wrong_selector_is_refused(gateway: Gateway) -> None:
    await _run(gateway, _fleet(manual=2))
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    other = {"X-Tenant": "other"}
    told = await gateway.api.post("/v1/explanations", json={"selector": {"all": True}}, headers=other)
    assert (told.json()["selected"], told.json()["groups"]) == (0, [])
    wrong = await gateway.api.post("/v1/explanations", json={"selector": {"filter": {}}})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/selector/filter")


async def test_the_same_key_answers_again_though_the_cards_have_changed(gateway: Gateway) -> None:
    cards = await _run(gateway, _fleet(manual=1))
    body, headers = {"selector": {"iccids": cards}}, {"Idempotency-Key": "fleet-1"}
    first = await gateway.api.post("/v1/explanations", json=body, headers=headers)
    await gateway.operation(await gateway.api.post(f"/v1/sims/{cards[0]}/resume"))
    again = await gateway.api.post("/v1/explanations", json=body, headers=headers)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")


async def test_reading_a_fleet_lets_others_have_their_turn_and_ends_when_its_time_is_up(gateway: Gateway) -> None:
    """Chunk by chunk, in no transaction; what was read by then is told as not complete."""
    await _run(gateway, _fleet(manual=40))
    selector, turns = MatchingSims(wanted=SimFilter(), query={}), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    whole = await explain_fleet(gateway.ctx, "default", selector, chunk=8)
    beside.cancel()
    part = await explain_fleet(gateway.ctx, "default", selector, chunk=8, seconds=0)
    assert (whole.stopped, whole.complete, len(whole.groups)) == (40, True, 1)
    assert (part.stopped, part.complete) == (8, False)
    assert turns > 5
