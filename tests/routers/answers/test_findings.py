"""Findings through the API: every code on both sides of its edge, suggestions as their dry runs decide, and their life."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.findings.table import FindingCode
from app.domain.identifiers import luhn_digit
from app.domain.units import GB, MB
from app.jobs.runner import run_slot
from app.jobs.schedule import jobs_for
from app.usecases.findings.look import look_at_fleet
from tests.gateway import Gateway, iccid

CODES = {code.value for code in FindingCode}
PATHS = {
    "suspend": "suspend",
    "change_plan": "change-plan",
    "order_addon": "order-addon",
    "refresh": "refresh",
    "verify_real_name": "verify-real-name",
}
VERIFIED = {"real_name": "verified", "terms": "standard"}
IMEI = "86000000000000" + luhn_digit("86000000000000")


async def sql(gateway: Gateway, statement: str, *values: Any) -> None:
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(statement, *values)


async def catalogue(gateway: Gateway) -> None:
    """Plans and a pack with prices."""
    for name, allowance, price, more in (
        ("small", 30 * MB, 1200, {}),
        ("usual", 100 * MB, 3600, {"auto_stop": True}),
        ("large", GB, 12_000, {}),
        ("directed", GB, None, {"directed": True}),
    ):
        plan = {"id": name, "carrier": "cmcc", "allowance": allowance, "months": 12, "price_fen": price} | more
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pack = {"id": "pack", "carrier": "cmcc", "scope": "card", "bytes": 100 * MB, "price_fen": 500}
    assert (await gateway.api.post("/v1/addons", json=pack)).is_success


async def known_cards(gateway: Gateway, *rows: dict[str, Any]) -> list[str]:
    """Cards that the gateway has known since the spring; the test's clock begins in November."""
    given = [{**VERIFIED, "plan": "usual", "expires_on": "2027-05-31"} | row for row in rows]
    cards = await gateway.fleet(*({**row, "iccid": iccid(n + 3_000_000)} for n, row in enumerate(given)))
    await sql(gateway, "UPDATE sims SET created_at = '2026-05-01T00:00:00Z'")
    return cards


async def used(gateway: Gateway, card: str, *megabytes: float) -> None:
    """What the carrier counted of this cycle and of those before it."""
    cycles = ("2026-11", "2026-10", "2026-09", "2026-08")
    rows = [
        {"iccid": card, "cycle": cycle, "bytes": int(amount * MB)}
        for cycle, amount in zip(cycles, megabytes, strict=False)
    ]
    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": rows})
    assert answer.is_success, answer.text


async def moved(gateway: Gateway, card: str, kind: str, times: int = 1, **arguments: Any) -> None:
    """Operations that succeeded, as the worker leaves them."""
    for _ in range(times):
        await sql(
            gateway,
            """INSERT INTO operations (id, tenant, sim_id, iccid, carrier, account, kind, status, channel, source,
                                       arguments, run_after, created_at, settled_at)
               SELECT gen_random_uuid(), tenant, id, iccid, carrier, account, $2, 'succeeded', 'desk', 'api', $3::jsonb,
                      $4, $4, $4 FROM sims WHERE iccid = $1""",
            card,
            kind,
            arguments,
            gateway.ctx.now() - timedelta(days=1),
        )


async def listed(gateway: Gateway, **query: Any) -> list[dict[str, Any]]:
    answer = await gateway.api.get("/v1/findings", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def codes_by_card(gateway: Gateway) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in await listed(gateway, limit=500):
        found.setdefault(one["subject"]["iccid"] or one["subject"]["carrier"], set()).add(one["code"])
    return found


async def assert_suggestions_are_accepted(gateway: Gateway, items: list[dict[str, Any]]) -> None:
    """Whatever action is named, its dry run accepts now (ST-26)."""
    named = [one for one in items if one["suggestion"]["action"]]
    for one in named:
        path = f"/v1/sims/{one['subject']['iccid']}/{PATHS[one['suggestion']['action']]}"
        answer = await gateway.api.post(path, json=one["suggestion"]["arguments"], params={"dry_run": "true"})
        assert answer.json()["allowed"], (one, answer.text)
    assert {one["suggestion"]["action"] for one in named} == set(PATHS)


@pytest.mark.timeout(180)
async def test_every_code_is_found_on_one_side_of_its_edge_and_not_on_the_other(gateway: Gateway) -> None:
    await catalogue(gateway)
    cases: list[tuple[dict[str, Any], tuple[float, ...], set[str]]] = [
        ({"plan": "small"}, (0, 0, 0, 1), {"no_traffic"}),
        ({}, (0, 0, 30, 30), set()),
        ({}, (10, 20, 24, 20), {"plan_too_large"}),
        ({}, (10, 20, 24.5, 20), set()),
        ({}, (10, 101, 101, 50), {"plan_too_small"}),
        ({}, (10, 101, 100, 50), set()),
        ({}, (80, 90, 90, 90), {"near_limit"}),
        ({}, (45, 90, 90, 90), set()),
        ({"plan": "large"}, (271, 90, 90, 90), {"unusual_usage"}),
        ({"plan": "large"}, (270, 90, 90, 90), set()),
        ({"plan": "large", "real_name": "individual"}, (400, 900, 900, 900), {"general_without_real_name"}),
        ({"plan": "directed", "real_name": "enterprise"}, (400, 900, 900, 900), set()),
        ({"terms": "flexem", "province": "湖北"}, (50, 90, 90, 90), {"high_risk_region"}),
        ({"terms": "flexem", "province": "湖北"}, (50, 90, 90, 90), {"border_region"}),
        ({"terms": "flexem", "province": "湖北"}, (50, 90, 90, 90), set()),
        ({"imei": IMEI}, (50, 50, 50, 50), {"device_changes"}),
        ({"imei": IMEI}, (50, 50, 50, 50), set()),
    ]
    cards = await known_cards(gateway, *(row for row, _, _ in cases))
    for card, (_, amounts, _) in zip(cards, cases, strict=True):
        await used(gateway, card, *amounts)
    for card, (province, city) in zip(
        cards[12:15], (("内蒙古", None), ("广西", "柳州"), ("福建", "福州")), strict=True
    ):
        await moved(gateway, card, "change_region", province=province, city=city)
    await moved(gateway, cards[15], "rebind", times=3)
    await moved(gateway, cards[16], "rebind", times=2)

    told = await look_at_fleet(gateway.ctx, chunk=5)
    found = await codes_by_card(gateway)

    wanted = {card: codes for card, (_, _, codes) in zip(cards, cases, strict=True) if codes}
    # All but one of the seventeen are under personal real-name, which is more than ten.
    assert found == wanted | {"cmcc": {"cards_per_person"}}
    assert set().union(*found.values()) == CODES
    assert (told["sims"], told["unreadable"], sum(told["findings"].values())) == (17, 0, sum(map(len, found.values())))
    items = await listed(gateway, limit=500)
    await assert_suggestions_are_accepted(gateway, items)
    assert {one["code"]: one["saves_fen"] for one in items if one["saves_fen"]} == {
        "no_traffic": 1200,
        "plan_too_large": 200,
    }


@pytest.mark.parametrize(("cards", "found"), [(10, []), (11, ["cards_per_person"])])
async def test_more_than_ten_personal_cards_are_counted_though_their_documents_are_not_known(
    gateway: Gateway, cards: int, found: list[str]
) -> None:
    await gateway.fleet(*({"real_name": "individual", "terms": "gsl", "state": "silent"} for _ in range(cards)))

    await look_at_fleet(gateway.ctx)
    items = await listed(gateway, kind="compliance")

    assert [one["code"] for one in items] == found
    for one in items:
        assert one["subject"] == {"iccid": None, "carrier": "cmcc"}
        assert one["evidence"] == {"cards": 11, "documents_known": False, "documents_at_least": 2}


async def test_a_finding_keeps_its_since_ends_when_it_is_found_no_more_and_begins_anew(gateway: Gateway) -> None:
    await catalogue(gateway)
    [card] = await known_cards(gateway, {"plan": "small"})
    await used(gateway, card, 0, 0, 0)
    await look_at_fleet(gateway.ctx)
    [first] = await listed(gateway)

    await gateway.advance(days=1)
    await look_at_fleet(gateway.ctx)
    [second] = await listed(gateway)
    assert (second["id"], second["since"]) == (first["id"], first["since"])
    assert datetime.fromisoformat(second["as_of"]) > datetime.fromisoformat(first["as_of"])

    await used(gateway, card, 5)
    await look_at_fleet(gateway.ctx)
    assert await listed(gateway) == []
    [ended] = await listed(gateway, state="ended")
    assert (ended["id"], ended["suggestion"]["action"]) == (first["id"], None)
    assert ended["ended_at"] is not None

    await used(gateway, card, 0)
    await look_at_fleet(gateway.ctx)
    [again] = await listed(gateway)
    assert again["id"] != first["id"]


async def test_what_would_be_refused_is_not_suggested_but_its_refusal_is_told(gateway: Gateway) -> None:
    """OR-2: under `gsl` no plan is changed; the finding remains, for the next purchase."""
    await catalogue(gateway)
    [card] = await known_cards(gateway, {"terms": "gsl"})
    await used(gateway, card, 10, 20, 20, 20)
    await look_at_fleet(gateway.ctx)

    [one] = await listed(gateway, code="plan_too_large")

    assert (one["suggestion"]["action"], one["suggestion"]["arguments"]) == (None, {})
    assert one["suggestion"]["refusal"]["rule"] == "OR-2"
    assert one["saves_fen"] == 200


async def test_findings_are_paged_filtered_and_seen_by_their_tenant_alone(gateway: Gateway) -> None:
    await catalogue(gateway)
    cards = await known_cards(gateway, {}, {}, {})
    for card in cards:
        await used(gateway, card, 0, 0, 0)
    await look_at_fleet(gateway.ctx)

    first = (await gateway.api.get("/v1/findings", params={"limit": 2})).json()
    rest = (await gateway.api.get("/v1/findings", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [one["subject"]["iccid"] for one in first["items"] + rest["items"]] == cards
    assert rest["next_cursor"] is None
    assert [one["subject"]["iccid"] for one in await listed(gateway, sim=cards[1])] == [cards[1]]
    assert await listed(gateway, sim=iccid(1)) == await listed(gateway, kind="risk") == []
    assert len(await listed(gateway, kind="waste", code="no_traffic")) == 3

    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    answer = await gateway.api.get("/v1/findings", headers={"X-Tenant": "other"})
    assert answer.json() == {"items": [], "next_cursor": None}
    wrong = await gateway.api.get("/v1/findings", params={"kind": "money"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "query:kind")


async def test_a_sim_that_cannot_be_read_keeps_its_findings_and_keeps_no_other_from_being_looked_at(
    gateway: Gateway,
) -> None:
    await catalogue(gateway)
    cards = await known_cards(gateway, *[{"plan": "small"}] * 3)
    for card in cards:
        await used(gateway, card, 0, 0, 0)
    await look_at_fleet(gateway.ctx)
    holds = json.dumps([{"code": "no_such_hold", "since": "2026-11-01T00:00:00+08:00", "source": "gateway"}])
    await sql(gateway, "UPDATE sims SET holds = $2::text::jsonb WHERE iccid = $1", cards[1], holds)
    await used(gateway, cards[2], 5)

    told = await look_at_fleet(gateway.ctx)

    assert (told["sims"], told["unreadable"]) == (3, 1)
    async with gateway.ctx.pool.acquire() as connection:
        lasting = await connection.fetch(
            "SELECT s.iccid FROM findings f JOIN sims s ON s.id = f.sim_id WHERE ended_at IS NULL ORDER BY s.id"
        )
    assert [row["iccid"] for row in lasting] == cards[:2]
    shown = await listed(gateway)
    assert [(one["subject"]["iccid"], one["suggestion"]["action"]) for one in shown] == [
        (cards[0], "suspend"),
        (cards[1], None),
    ]


async def test_findings_of_a_sim_that_was_deleted_are_gone(gateway: Gateway) -> None:
    await catalogue(gateway)
    [card] = await known_cards(gateway, {})
    await used(gateway, card, 0, 0, 0)
    await look_at_fleet(gateway.ctx)

    assert (await gateway.api.delete(f"/v1/sims/{card}")).is_success

    assert await listed(gateway) == []
    await look_at_fleet(gateway.ctx)
    assert await listed(gateway, state="ended") == []


async def test_the_fleet_is_looked_at_once_a_day_and_the_run_is_measured(gateway: Gateway) -> None:
    [job] = [job for job in jobs_for(gateway.ctx) if job.name == "findings"]
    slot = job.latest_until(gateway.ctx.now() - timedelta(days=1), gateway.ctx.now())
    assert slot is not None

    await run_slot(gateway.ctx, job, slot)

    registry = gateway.ctx.telemetry.registry
    at = registry.get_sample_value("simgate_job_last_success_timestamp_seconds", {"job": "findings"})
    assert at == slot.timestamp()
