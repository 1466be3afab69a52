"""The catalogue and what a SIM may buy of it, through the API (RN-10, QT-7, RN-4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.units import GB, MB
from tests.gateway import Gateway
from tests.usecases.limits.limiting import sim_of

CSV = {"Content-Type": "text/csv"}


async def put(gateway: Gateway, path: str, **given: Any) -> None:
    answer = await gateway.api.post(path, json=given)
    assert answer.status_code == 201, answer.text


async def plan(gateway: Gateway, name: str, carrier: str = "cmcc", **given: Any) -> None:
    entry = {"id": name, "carrier": carrier, "allowance": 100 * MB, "months": 12} | given
    await put(gateway, "/v1/plans", **entry)


async def pack(gateway: Gateway, name: str, carrier: str = "cmcc", **given: Any) -> None:
    entry = {"id": name, "carrier": carrier, "scope": "card", "bytes": GB} | given
    await put(gateway, "/v1/addons", **entry)


async def offers(gateway: Gateway, card: str) -> dict[str, Any]:
    answer = await gateway.api.get(f"/v1/sims/{card}/offers")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def dry_run(gateway: Gateway, card: str, action: str, **body: Any) -> dict[str, Any]:
    answer = await gateway.api.post(f"/v1/sims/{card}/{action}?dry_run=true", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def at(gateway: Gateway, *day: int) -> None:
    """Move the clock to noon in Shanghai of a day; nothing that falls due on the way is run."""
    clock = gateway.ctx.clock
    clock.adopt(clock.offset + (datetime(*day, 4, tzinfo=UTC) - clock.now()))  # type: ignore[misc]


async def test_packs_come_as_json_and_as_csv_and_the_same_id_replaces(gateway: Gateway) -> None:
    """QT-7: which packs a SIM may buy is data."""
    await pack(gateway, "cmcc-1g", price_fen=1500, product_code="P1")
    rows = "id,carrier,terms,scope,bytes,price_fen,product_code\ncmcc-1g,cmcc,flexem,card,1073741824,1600,\nb,cucc,,pool,1,,\n"

    stored = await gateway.api.post("/v1/addons", content=rows, headers=CSV)
    listed = (await gateway.api.get("/v1/addons")).json()

    assert (stored.status_code, len(stored.json()["items"])) == (201, 2)
    assert listed == {
        "items": [
            {"id": "b", "carrier": "cucc", "terms": None, "scope": "pool", "bytes": 1, "price_fen": None}
            | {"product_code": None},
            {"id": "cmcc-1g", "carrier": "cmcc", "terms": "flexem", "scope": "card", "bytes": GB, "price_fen": 1600}
            | {"product_code": None},
        ],
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("bytes", 0), ("bytes", 1.5), ("price_fen", -1), ("price_fen", 10**11 + 1), ("scope", "sim"), ("terms", "nobody")],
)
async def test_a_bad_pack_is_refused_where_it_is_wrong(gateway: Gateway, field: str, value: Any) -> None:
    body = {"id": "p", "carrier": "cmcc", "scope": "card", "bytes": 1} | {field: value}
    alone = await gateway.api.post("/v1/addons", json=body)
    rows = ",".join(body) + "\n" + ",".join(map(str, body.values())) + "\n"
    filed = await gateway.api.post("/v1/addons", content=rows, headers=CSV)

    assert (alone.status_code, alone.json()["errors"][0]["pointer"]) == (422, f"/{field}")
    assert (filed.status_code, filed.json()["errors"][0]["column"], filed.json()["errors"][0]["line"]) == (
        422,
        field,
        2,
    )
    assert (await gateway.api.get("/v1/addons")).json()["items"] == []


async def test_a_plan_tells_its_renewal_months_in_csv_and_json(gateway: Gateway) -> None:
    """RN-10: the renewal kinds are data of the card type."""
    rows = "id,carrier,allowance,months,price_fen,renewal_months,plan_change_online,overrun_fen_per_mb\np,cmcc,1,12,100,24;12;12,false,3\n"
    stored = await gateway.api.post("/v1/plans", content=rows, headers=CSV)
    (told,) = (await gateway.api.get("/v1/plans")).json()["items"]
    wrong = await gateway.api.post("/v1/plans", content=rows.replace("24;12;12", "24;0"), headers=CSV)

    assert stored.status_code == 201, stored.text
    assert (told["renewal_months"], told["plan_change_online"], told["overrun_fen_per_mb"]) == ([12, 24], False, 3)
    assert (wrong.status_code, wrong.json()["errors"][0]["column"]) == (422, "renewal_months")


async def test_offers_tell_price_window_and_the_new_end(gateway: Gateway) -> None:
    """RN-10: shown before ordering, by the months that the card type takes; a share is rounded up to the fen."""
    (card,) = await gateway.fleet({"plan": "cmcc-100m", "expires_on": "2026-11-30", "activated_on": "2025-12-05"})
    await plan(gateway, "cmcc-100m", price_fen=1000, renewal_months=[12, 5])

    told = await offers(gateway, card)

    by_months = {offer["months"]: offer for offer in told["renewals"]}
    assert list(by_months) == [12, 5]
    assert (by_months[12]["price_fen"], by_months[5]["price_fen"]) == (1000, 417)
    assert (by_months[12]["last_valid_day"], by_months[5]["last_valid_day"]) == ("2027-11-30", "2027-04-30")
    assert by_months[12]["window"] | {"assumed": []} == {
        "renewable": True,
        "opens_on": "2026-12-01",
        "closes_on": "2026-11-22",
        "rule": "RN-1",
        "assumed": [],
    }
    assert all(offer["allowed"] and offer["refusal"] is None for offer in told["renewals"])
    assert (await dry_run(gateway, card, "renew", months=5))["cost_fen"] == 417


async def test_months_that_the_card_type_does_not_take_are_refused(gateway: Gateway) -> None:
    """RN-10: refused at the door, by number; without data of the type any number is taken."""
    (card,) = await gateway.fleet({"expires_on": "2026-12-31"})
    before = await dry_run(gateway, card, "renew", months=7)
    await plan(gateway, "cmcc-100m", renewal_months=[12, 24])

    seven = await gateway.api.post(f"/v1/sims/{card}/renew", json={"months": 7})
    twelve = await dry_run(gateway, card, "renew", months=12)

    assert (before["allowed"], twelve["allowed"]) == (True, True)
    assert (seven.status_code, seven.json()["code"], seven.json()["rule"]) == (422, "RULE_VIOLATION", "RN-10")


async def test_offers_are_what_the_operations_would_be(gateway: Gateway) -> None:
    """RN-10, QT-7: over the window's edges, terms and carriers, allowed and refused alike, with the same rule and price."""
    cards = await gateway.fleet(
        {"expires_on": "2026-11-30"},
        {"carrier": "cucc", "terms": "gsl", "expires_on": "2026-11-30"},
        {"carrier": "ctcc", "terms": "standard", "state": "expired", "expires_on": "2026-09-30"},
        {"carrier": "overseas", "terms": "gsl", "expires_on": "2027-11-30"},
        {"state": "silent"},
    )
    for carrier in ("cmcc", "cucc", "ctcc", "overseas"):
        await plan(gateway, f"{carrier}-1g", carrier, allowance=GB, price_fen=2400, change_price_fen=600)
        await pack(gateway, f"{carrier}-pack", carrier, price_fen=1500)
        await pack(gateway, f"{carrier}-other", carrier, terms="standard")
    seen = set()
    for day in ((2026, 11, 22), (2026, 11, 23), (2026, 12, 1), (2026, 12, 29), (2026, 12, 30)):
        at(gateway, *day)
        for card in cards:
            told = await offers(gateway, card)
            asked = (
                [("renew", {"months": o["months"]}, o) for o in told["renewals"]]
                + [("order-addon", {"addon": o["addon"]}, o) for o in told["addons"]]
                + [("change-plan", {"plan": o["plan"]}, o) for o in told["plan_changes"]]
            )
            for action, body, offer in asked:
                answer = await dry_run(gateway, card, action, **body)
                assert (offer["allowed"], offer["refusal"]) == (answer["allowed"], answer["refusal"]), (
                    day,
                    card,
                    action,
                )
                if answer["allowed"]:
                    assert offer["price_fen"] == answer["cost_fen"]
                seen.add((action, answer["refusal"]["rule"] if answer["refusal"] else None))

    assert {("renew", None), ("renew", "RN-2"), ("renew", "RN-3"), ("renew", "OP-5")} <= seen
    assert {("order-addon", None), ("order-addon", "QT-7"), ("change-plan", None), ("change-plan", "OR-2")} <= seen


async def test_a_pack_is_for_its_carrier_and_terms(gateway: Gateway) -> None:
    """QT-7: packs of other cards are not offered, and refused by name; one for pools is no card's."""
    (card,) = await gateway.fleet({})
    await pack(gateway, "mine", terms="flexem")
    for name, more in (("theirs", {"terms": "gsl"}), ("pools", {"scope": "pool"}), ("unicom", {"carrier": "cucc"})):
        await pack(gateway, name, **more)

    told = await offers(gateway, card)
    refused = [await dry_run(gateway, card, "order-addon", addon=name) for name in ("theirs", "pools", "unicom")]

    assert [offer["addon"] for offer in told["addons"]] == ["mine"]
    assert {(answer["allowed"], answer["refusal"]["rule"]) for answer in refused} == {(False, "QT-7")}
    assert (await dry_run(gateway, card, "order-addon", addon="mine"))["allowed"]


async def test_a_pack_of_the_catalogue_adds_its_own_bytes(gateway: Gateway) -> None:
    """QT-7: to the running cycle, once the operation has succeeded; the price stands in the dry run and the remedy."""
    (card,) = await gateway.fleet({"state": "suspended", "holds": "over_quota", "terms": "standard", "auto_stop": True})
    await pack(gateway, "big", bytes=3 * GB, price_fen=900, product_code="0:2")
    await pack(gateway, "small", bytes=GB, price_fen=400)
    told = (await gateway.api.get(f"/v1/sims/{card}/explanation")).json()["holds"][0]["remedies"]

    cost = (await dry_run(gateway, card, "order-addon", addon="big"))["cost_fen"]
    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/order-addon", json={"addon": "big"}))

    assert {remedy["action"]: remedy["cost_fen"] for remedy in told}["order_addon"] == 400
    assert cost == 900
    assert operation["arguments"] == {"addon": "big", "bytes": 3 * GB, "product_code": "0:2"}
    assert (await sim_of(gateway, card))["usage"]["addons"] == 3 * GB


async def test_a_plan_changes_online_only_where_its_type_is_flagged(gateway: Gateway) -> None:
    """RN-4: a card type told not to change is refused; pools' cards are the desk's, and nothing told is taken as before."""
    (card,) = await gateway.fleet({})
    taken = await dry_run(gateway, card, "change-plan", plan="cmcc-1g")
    await plan(gateway, "cmcc-100m", plan_change_online=False)
    refused = await dry_run(gateway, card, "change-plan", plan="cmcc-1g")
    await plan(gateway, "cmcc-100m", plan_change_online=True)
    flagged = await dry_run(gateway, card, "change-plan", plan="cmcc-1g")
    await plan(gateway, "cmcc-100m", plan_change_online=False, kind="pool_forward")
    pooled = await dry_run(gateway, card, "change-plan", plan="cmcc-1g")

    assert [answer["allowed"] for answer in (taken, refused, flagged, pooled)] == [True, False, True, True]
    assert refused["refusal"]["rule"] == "RN-4"


async def test_offers_of_another_tenants_card_do_not_exist(gateway: Gateway) -> None:
    (card,) = await gateway.fleet({})
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    await pack(gateway, "mine")
    as_other = {"X-Tenant": "other"}

    there = await gateway.api.get(f"/v1/sims/{card}/offers", headers=as_other)
    packs = await gateway.api.get("/v1/addons", headers=as_other)

    assert (there.status_code, there.json()["code"], packs.json()["items"]) == (404, "NOT_FOUND", [])
