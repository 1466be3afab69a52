"""Rules of terms, periods and times, each put to a running gateway: what the API answers is what the rule says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway import Gateway
from tests.usecases.limits.limiting import sim_of, use
from tests.usecases.operations.following import at_the_carrier, sweep

MB = 1 << 20


async def values(gateway: Gateway, supplier: str, carrier: str, on: str) -> dict[str, Any]:
    lines = (await gateway.api.get(f"/v1/terms/{supplier}/{carrier}", params={"on": on})).json()["terms"]
    assert all(line["source"] for line in lines if line["value"] is not None)
    return {line["name"]: line["value"] for line in lines}


async def due(gateway: Gateway, **query: str) -> dict[str, Any]:
    answer = await gateway.api.get("/v1/calendar/due", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_card_has_the_terms_of_its_supplier_in_their_version_of_the_day_with_sources(gateway: Gateway) -> None:
    """TM-1, TM-3: test traffic came with the version of 2022-02-07."""
    [iccid] = await gateway.fleet({"terms": "flexem"})
    terms = (await sim_of(gateway, iccid))["terms"]
    before, after = [await values(gateway, terms, "cmcc", day) for day in ("2022-02-06", "2022-02-07")]
    assert (before["test_bytes"], after["test_bytes"]) == (None, 30 * MB)


async def test_what_one_supplier_publishes_is_null_with_the_others(gateway: Gateway) -> None:
    """TM-4, DV-3: how long a rebind takes is not published under the standard terms."""
    pause = [
        (await values(gateway, supplier, "cmcc", "2026-11-21"))["renewal_pause_from_day"]
        for supplier in ("flexem", "gsl", "standard")
    ]
    unpublished = await due(gateway, terms="standard", carrier="cmcc", kind="rebind", at="2026-11-20T10:00:00+08:00")
    assert pause == [23, None, None]
    assert (unpublished["due_on"], unpublished["due_at"], unpublished["earliest"]) == (None, None, None)


@pytest.mark.parametrize(
    ("at", "due_on"),
    [
        ("2026-11-20T14:30:00+08:00", "2026-11-23"),
        ("2026-11-20T14:30:01+08:00", "2026-11-24"),
        ("2026-11-21T10:00:00+08:00", "2026-11-24"),
        ("2026-09-30T10:00:00+08:00", "2026-10-08"),
    ],
)
async def test_the_desk_is_done_by_the_end_of_the_next_desk_day(gateway: Gateway, at: str, due_on: str) -> None:
    """SL-1: handed in by 14:30:00 on a Friday, after it, on a Saturday, and before a week of holidays."""
    answer = await due(gateway, terms="flexem", carrier="cmcc", kind="rebind", at=at)
    assert (answer["due_on"], answer["rule"]) == (due_on, "SL-1")
    assert answer["because"]


async def test_after_a_renewal_a_card_is_back_within_hours_longer_in_the_first_days_of_a_month(
    gateway: Gateway,
) -> None:
    """SL-4."""
    usual = await due(gateway, terms="flexem", carrier="cmcc", kind="restore", at="2026-11-10T10:00:00+08:00")
    early = await due(gateway, terms="flexem", carrier="cmcc", kind="restore", at="2026-11-02T10:00:00+08:00")
    assert (usual["earliest"], usual["due_at"]) == ("2026-11-10T12:00:00+08:00", "2026-11-10T14:00:00+08:00")
    assert (early["earliest"], early["due_at"]) == ("2026-11-02T12:00:00+08:00", "2026-11-02T18:00:00+08:00")
    assert {usual["rule"], early["rule"]} == {"SL-4"}


async def test_an_operation_tells_when_it_is_due_by_which_rule_and_that_it_is_overdue(gateway: Gateway) -> None:
    """SL-7, OP-1: null where nothing is published."""
    desk, nothing = await gateway.fleet({"terms": "flexem"}, {"terms": "standard"})
    body = {"imei": "356789012345672"}
    rebind = (await gateway.api.post(f"/v1/sims/{desk}/rebind", json=body)).json()
    assert (rebind["due_at"], rebind["due_rule"]) == ("2026-11-25T00:00:00+08:00", "SL-1")
    suspend = (await gateway.api.post(f"/v1/sims/{nothing}/suspend")).json()
    assert (suspend["due_at"], suspend["due_rule"]) == (None, "SL-7")
    await gateway.advance(days=5)
    late = (await gateway.api.get("/v1/operations", params={"overdue": "true"})).json()["items"]
    assert [(one["id"], one["overdue"], one["status"]) for one in late] == [(rebind["id"], True, "waiting_carrier")]


async def test_test_traffic_is_shown_only_where_it_was_reported(gateway: Gateway) -> None:
    """LC-7, US-4: nothing is used of a plan before the activation."""
    reported, silent = await gateway.fleet(*({"terms": "flexem", "state": "testing", "opened_on": "2026-11-01"},) * 2)
    await use(gateway, reported, 5 * MB)
    shown = [(await sim_of(gateway, card))["usage"] for card in (reported, silent)]
    assert [(usage["used"], usage["reported"]) for usage in shown] == [(None, 5 * MB), (None, 0)]


async def test_the_number_of_an_expired_card_is_kept_on_request(gateway: Gateway) -> None:
    """LC-10: under the standard terms, and it buys no time beyond the cancellation."""
    row = {"state": "expired", "activated_on": "2025-11-01", "expires_on": "2026-10-31", "holds": "plan_expired"}
    kept, other = await gateway.fleet(row | {"terms": "standard"}, row | {"terms": "gsl"})
    dry = (await gateway.api.post(f"/v1/sims/{kept}/retain-number?dry_run=true", json={})).json()
    refused = (await gateway.api.post(f"/v1/sims/{other}/retain-number?dry_run=true", json={})).json()
    assert (dry["allowed"], refused["allowed"], refused["refusal"]["rule"]) == (True, False, "LC-10")
    assert any("buys no time" in note for note in dry["notes"])
    answer = await gateway.api.post(f"/v1/sims/{kept}/retain-number", json={})
    done = {"outcome": "succeeded", "note": "kept"}
    assert (await gateway.api.post(f"/v1/operations/{answer.json()['id']}/complete", json=done)).is_success
    days = (await gateway.api.get(f"/v1/sims/{kept}/deadlines")).json()["items"]
    ahead = {day["kind"]: (day["on"], day["rule"]) for day in days}
    assert ahead["number_retention_end"] == ("2027-01-31", "LC-10")
    assert ahead["cancellation"][0] < ahead["number_retention_end"][0]


async def test_after_its_cancellation_no_operation_applies(gateway: Gateway) -> None:
    """LC-11, LC-9: cancelled by the sweep on the day its terms name."""
    row = {"terms": "flexem", "state": "expired", "activated_on": "2025-11-01", "expires_on": "2026-09-30"}
    [iccid] = await gateway.fleet(row | {"holds": "plan_expired"})
    await sweep(gateway)
    assert (await sim_of(gateway, iccid))["state"] == "cancelled"
    bodies: dict[str, dict[str, Any]] = {
        "activate": {},
        "suspend": {},
        "resume": {},
        "rebind": {"imei": "356789012345672"},
        "renew": {"months": 12},
        "refresh": {},
        "terminate": {"confirm": iccid},
    }
    for action, body in bodies.items():
        dry = (await gateway.api.post(f"/v1/sims/{iccid}/{action}?dry_run=true", json=body)).json()
        assert (dry["refusal"]["code"], dry["refusal"]["rule"]) == ("INCOMPATIBLE_STATE", "LC-11"), action


async def test_every_change_is_recorded_with_cause_rule_actor_and_both_times(gateway: Gateway) -> None:
    """LC-12."""
    [iccid] = await gateway.fleet({"terms": "gsl"})
    done = await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))
    lines = (await gateway.api.get(f"/v1/sims/{iccid}/timeline")).json()["items"]
    [change] = [line for line in lines if line["operation_id"] == done["id"] and line["what"] == "hold"]
    assert (change["before"], change["after"]) == (None, "manual")
    assert change["cause"]
    assert change["rule"]
    assert change["actor"]
    assert change["took_effect_at"] <= change["known_at"]


@pytest.mark.parametrize(
    ("carrier", "state", "code"),
    [
        ("cmcc", "silent", "1"),
        ("cmcc", "active", "2"),
        ("cmcc", "suspended", "4"),
        ("cucc", "silent", "ACTIVATION_READY"),
        ("cucc", "active", "ACTIVATED"),
        ("cucc", "suspended", "DEACTIVATED"),
        ("ctcc", "silent", "1"),
        ("ctcc", "active", "4"),
        ("ctcc", "suspended", "5"),
    ],
)
async def test_a_carriers_word_is_translated_and_its_code_kept(
    gateway: Gateway, carrier: str, state: str, code: str
) -> None:
    """LC-13."""
    [iccid] = await gateway.fleet({"terms": "standard", "carrier": carrier, "state": "active"})
    held = {"holds": "manual"} if state == "suspended" else {}
    await at_the_carrier(gateway, 0, terms="standard", carrier=carrier, state=state, **held)
    await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/refresh"))
    view = (await sim_of(gateway, iccid))["carrier_view"]
    assert (view["state"], view["code"]) == (state, code)


async def test_the_end_date_moves_only_once_the_new_plan_is_in_force(gateway: Gateway) -> None:
    """RN-8, VD-5: not when the renewal is accepted."""
    [iccid] = await gateway.fleet({"terms": "gsl", "activated_on": "2025-12-02"})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/renew", json={"months": 12})
    assert (answer.status_code, answer.json()["status"] in ("queued", "waiting_carrier")) == (202, True)
    assert (await sim_of(gateway, iccid))["expires_on"] == "2026-12-01"
    await gateway.advance(minutes=1)
    done = {"outcome": "succeeded", "note": "in force"}
    assert (await gateway.api.post(f"/v1/operations/{answer.json()['id']}/complete", json=done)).is_success
    assert (await sim_of(gateway, iccid))["expires_on"] == "2027-12-01"
