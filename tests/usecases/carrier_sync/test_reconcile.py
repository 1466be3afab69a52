"""Reconciliation: a difference is explained by lag, then repaired, then told once; 停网不停机 is seen."""

from __future__ import annotations

import json
from typing import Any

from app.usecases.carrier_sync.reconcile import reconcile
from tests.gateway import Gateway, card


async def at_the_carrier(gateway: Gateway, index: int, **given: Any) -> None:
    """The carrier changes its mind about a card of the fleet, behind our back."""
    row = json.dumps(card(index, **given))
    answer = await gateway.control.post("/_control/sims", content=row, headers={"Content-Type": "application/x-ndjson"})
    assert answer.is_success, answer.text


async def drift_events(gateway: Gateway) -> list[dict[str, Any]]:
    query = {"type": "carrier.drift_detected", "limit": 500}
    return (await gateway.api.get("/v1/events", params=query)).json()["items"]


async def suspended(gateway: Gateway, **given: Any) -> str:
    (name,) = await gateway.fleet(given)
    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{name}/suspend"))
    assert operation["status"] == "succeeded"
    return name


async def test_a_fleet_in_agreement_is_seen_and_nothing_is_told(gateway: Gateway) -> None:
    await gateway.fleet({}, {"carrier": "cucc"}, {"carrier": "ctcc"}, {"state": "silent"})
    report = await reconcile(gateway.ctx)
    assert report["seen"] == 4
    assert report["changed"] == report["drift"] == report["unreachable"] == 0
    await gateway.advance(days=3)
    assert (await reconcile(gateway.ctx))["drift"] == 0
    assert await drift_events(gateway) == []


async def test_a_card_that_runs_though_we_hold_it_is_lag_first_and_repaired_then(gateway: Gateway) -> None:
    name = await suspended(gateway)
    await at_the_carrier(gateway, 0)
    assert (await reconcile(gateway.ctx))["lag"] == 1
    assert (await gateway.api.get(f"/v1/sims/{name}")).json()["state"] == "suspended", "never a release of our hold"
    await gateway.advance(hours=25)
    assert (await reconcile(gateway.ctx))["repairing"] == 1
    await gateway.settle()
    assert (await gateway.carrier(name))["state"] == "suspended"
    operations = (await gateway.api.get("/v1/operations", params={"sim": name})).json()["items"]
    assert [(o["kind"], o["source"]) for o in operations] == [("suspend", "job"), ("suspend", "api")]
    sim = (await gateway.api.get(f"/v1/sims/{name}")).json()
    assert [hold["code"] for hold in sim["holds"]] == ["manual"], "the repair adds no hold of its own"
    await reconcile(gateway.ctx)
    await gateway.advance(days=3)
    await reconcile(gateway.ctx)
    assert await drift_events(gateway) == []


async def test_a_repair_that_fails_is_told_once(gateway: Gateway) -> None:
    name = await suspended(gateway, carrier="cucc")
    await at_the_carrier(gateway, 0, carrier="cucc")
    await reconcile(gateway.ctx)
    await gateway.advance(hours=25)
    await reconcile(gateway.ctx)
    (repair,) = (await gateway.api.get("/v1/operations", params={"sim": name, "status": "queued"})).json()["items"]
    assert (await gateway.api.post(f"/v1/operations/{repair['id']}/cancel")).status_code == 200
    for _ in range(4):
        await reconcile(gateway.ctx)
        await gateway.advance(days=1)
    (event,) = await drift_events(gateway)
    assert event["subject"] == name
    assert event["data"]["drift"] == "running_though_held"
    assert (event["data"]["intended"], event["data"]["reported"]["state"]) == ("suspended", "active")
    assert event["data"]["operation_id"] == repair["id"]


async def test_what_nobody_may_repair_is_told_after_the_lag_and_again_when_it_comes_back(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({"carrier": "cucc"})
    for _ in range(2):
        await at_the_carrier(gateway, 0, carrier="cucc", state="silent")
        await reconcile(gateway.ctx)
        await gateway.advance(hours=23)
        assert (await reconcile(gateway.ctx))["lag"] == 1
        await gateway.advance(hours=2)
        for _ in range(3):
            assert (await reconcile(gateway.ctx))["drift"] == 1
        await at_the_carrier(gateway, 0, carrier="cucc")
        await gateway.advance(hours=1)
        assert (await reconcile(gateway.ctx))["drift"] == 0
    events = await drift_events(gateway)
    assert [event["data"]["drift"] for event in events] == ["not_activated_there"] * 2
    assert {event["subject"] for event in events} == {name}


async def test_a_network_cut_by_telecom_under_an_active_state_is_seen(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({"carrier": "ctcc", "terms": "gsl", "imei": "356938035643809"})
    moved = {"iccid": name, "imei": "490154203237518", "province": None}
    assert (await gateway.control.post("/_control/device", json=moved)).is_success
    await gateway.control.post("/_control/traffic", json={"iccid": name, "bytes": 1000})
    await gateway.advance(minutes=20)
    await reconcile(gateway.ctx)
    sim = (await gateway.api.get(f"/v1/sims/{name}")).json()
    assert sim["state"] == "active"
    assert sim["network_allowed"] is False
    assert [(hold["code"], hold["source"]) for hold in sim["holds"]] == [("device_mismatch", "carrier")]


async def test_a_carrier_that_is_away_is_told_in_the_report_and_others_go_on(gateway: Gateway) -> None:
    await gateway.fleet({}, {"carrier": "cucc"})
    body = {"protocol": "jasper", "operation": "*", "kind": "status_500", "count": None, "params": {"applied": False}}
    assert (await gateway.control.post("/_control/faults", json=body)).is_success
    report = await reconcile(gateway.ctx)
    assert report["unreachable"] == 1
    assert report["seen"] == 1


async def test_a_change_list_longer_than_one_look_up_is_read_whole(gateway: Gateway) -> None:
    """The list is stored as seen, so that nothing of it may be left out."""
    names = await gateway.fleet(*[{"carrier": "cucc"}] * 5)
    await reconcile(gateway.ctx)
    await gateway.advance(hours=30)
    for index in range(5):
        await at_the_carrier(gateway, index, carrier="cucc", state="suspended")

    assert (await reconcile(gateway.ctx, chunk=2))["changed"] == 5

    shown = [(await gateway.api.get(f"/v1/sims/{name}")).json()["state"] for name in names]
    assert shown == ["suspended"] * 5
