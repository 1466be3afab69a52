"""Rules of limits, holds and operations, each put to a running gateway through its API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.questions.questions import checks, explained, refusal
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import holds_of, sim_of, use

MB, GB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("row", "free", "more", "hold", "rule"),
    [
        ({"terms": "flexem"}, 3 * GB - 1, 1, "policy_cutoff", "ST-15"),
        ({"terms": "gsl"}, 100 * MB, 1, "over_quota", "ST-2"),
        ({"terms": "standard", "auto_stop": True}, 100 * MB - 1, 1, "over_quota", "ST-2"),
    ],
)
async def test_a_limit_is_reached_or_passed_as_its_terms_say(
    gateway: Gateway, row: dict[str, Any], free: int, more: int, hold: str, rule: str
) -> None:
    """QT-1, QT-2, QT-3, QT-8, ST-15, ST-2: to the byte."""
    [card] = await gateway.fleet(row)
    await use(gateway, card, free)
    assert await holds_of(gateway, card) == []
    await use(gateway, card, more)
    [found] = (await sim_of(gateway, card))["holds"]
    assert (found["code"], found["rule"], found["source"]) == (hold, rule, "gateway")


async def test_without_the_option_the_standard_terms_stop_nothing_at_the_allowance(gateway: Gateway) -> None:
    """QT-3: the option is chosen at opening, for the card or by its plan."""
    [card] = await gateway.fleet({"terms": "standard", "auto_stop": False})
    await use(gateway, card, 500 * MB)
    assert await holds_of(gateway, card) == []


async def test_a_threshold_stops_a_card_and_a_higher_one_frees_it(gateway: Gateway) -> None:
    """ST-3, QT-4, QT-8, ST-24: one suspend when it is passed, one resume when the threshold is raised."""
    [card] = await gateway.fleet({"terms": "standard"})
    await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/set-threshold", json={"bytes": 50 * MB}))
    await use(gateway, card, 50 * MB)
    assert await holds_of(gateway, card) == ["over_threshold"]
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1}
    await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/set-threshold", json={"bytes": 80 * MB}))
    await gateway.settle()
    assert await holds_of(gateway, card) == []
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1, "resume": 1}


async def test_the_network_of_a_telecom_card_is_cut_and_restored_while_it_reads_active(gateway: Gateway) -> None:
    """ST-16, QT-5."""
    [card] = await gateway.fleet({"terms": "gsl", "carrier": "ctcc"})
    assert (await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/cut-network")))["status"] == "succeeded"
    cut = await sim_of(gateway, card)
    assert (cut["state"], cut["network_allowed"], [one["rule"] for one in cut["holds"]]) == ("active", False, ["ST-16"])
    await gateway.advance(minutes=30)
    done = await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/restore-network"))
    free = await sim_of(gateway, card)
    assert (done["status"], free["network_allowed"], free["holds"]) == ("succeeded", True, [])


@pytest.mark.parametrize(
    ("row", "action", "body"),
    [
        ({"state": "silent"}, "rebind", {}),
        ({"state": "silent"}, "cut-network", {}),
        ({"state": "silent"}, "reset-network", {}),
        ({"state": "active"}, "restore-network", {}),
        ({"state": "silent"}, "order-addon", {"bytes": MB}),
        ({"state": "silent"}, "renew", {"months": 12}),
        ({"state": "suspended", "holds": "manual"}, "set-threshold", {"bytes": MB}),
        ({"state": "active"}, "verify-real-name", {}),
        ({"state": "expired", "expires_on": "2026-11-01"}, "change-plan", {"plan": "ctcc-1g"}),
        ({"state": "active"}, "retain-number", {}),
    ],
)
async def test_an_operation_has_states_in_which_it_may_be_requested(
    gateway: Gateway, row: dict[str, str], action: str, body: dict[str, Any]
) -> None:
    """OP-5: otherwise it is refused with the state and the holds."""
    [card] = await gateway.fleet({"terms": "standard", "carrier": "ctcc"} | row)
    refused = await refusal(gateway, card, action, body)
    assert (refused["code"], refused["rule"]) == ("INCOMPATIBLE_STATE", "OP-5")


async def test_numbers_are_checked_where_they_come_in(gateway: Gateway) -> None:
    """DV-5: an IMEI by its check digit; an ICCID's wrong check digit is no reason to refuse the card."""
    good = iccid(77)
    odd = good[:19] + str((int(good[19]) + 1) % 10)
    cards = await gateway.fleet({"terms": "gsl", "iccid": odd}, {"terms": "gsl", "iccid": good[:19]})
    assert [(await sim_of(gateway, card))["iccid"] for card in cards] == [odd, good[:19]]
    for imei in ("356789012345671", "35678901234567", "not an imei"):
        answer = await gateway.api.post(f"/v1/sims/{odd}/rebind", json={"imei": imei})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/imei")
        assert imei not in answer.text


async def test_of_a_file_only_the_iccid_column_counts(gateway: Gateway) -> None:
    """AC-3, AC-1: a column of states is for reading."""
    one, two = await gateway.fleet({"terms": "gsl"}, {"terms": "gsl"})
    text = f"SIM卡状态,ICCID\n在用,{one}\n已停用,{two}\n"
    kept = await gateway.api.post("/v1/files", content=text.encode(), headers={"Content-Type": "text/csv"})
    assert kept.status_code == 201, kept.text
    body = {"kind": "suspend", "selector": {"file_id": kept.json()["id"]}, "arguments": {}}
    assert (await gateway.api.post("/v1/bulk-operations", json=body)).status_code == 202
    await gateway.settle()
    await gateway.settle()
    assert [(await sim_of(gateway, card))["state"] for card in (one, two)] == ["suspended", "suspended"]


async def test_which_cards_are_directed_follows_from_the_terms(gateway: Gateway) -> None:
    """DR-4, DR-1: Unicom and Telecom cards are directed, China Mobile's are public; an incomplete list is a fault."""
    cards = await gateway.fleet(*({"terms": "flexem", "carrier": carrier} for carrier in ("cmcc", "cucc", "ctcc")))
    told = [checks(await explained(gateway, card, directed_complete="false"), "drops_often") for card in cards]
    assert [one["directed"] for one in told] == [
        ("ok", "DR-1", None),
        ("fault", "DR-1", "complete_directed_list"),
        ("fault", "DR-1", "complete_directed_list"),
    ]


async def test_a_large_plan_or_a_pool_may_be_directed_where_only_small_plans_are_general(gateway: Gateway) -> None:
    """DR-3: GSL's plans up to 100 MB outside pools are general by default; of others it is not known."""
    small, large = await gateway.fleet({"terms": "gsl"}, {"terms": "gsl", "plan": "cmcc-1g"})
    unasked = [checks(await explained(gateway, card), "drops_often")["directed"] for card in (small, large)]
    incomplete = checks(await explained(gateway, large, directed_complete="false"), "drops_often")["directed"]
    assert [one[0] for one in (*unasked, incomplete)] == ["ok", "unknown", "fault"]
