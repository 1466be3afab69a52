"""Dry runs say what a request would meet: refusals by reason, price, budgets, calls, and what cannot be undone."""

from __future__ import annotations

from typing import Any

from app.usecases.bulk.advance import advance_bulk
from tests.gateway import Gateway, iccid

PLAN = {"id": "cucc-100m", "carrier": "cucc", "allowance": 100 << 20, "months": 12}


async def preflight(gateway: Gateway, kind: str, selector: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """The pre-flight of a bulk operation, evaluated two items at a time."""
    body = {"kind": kind, "selector": selector, "arguments": arguments, "options": {"dry_run": True}}
    asked = await gateway.api.post("/v1/bulk-operations", json=body)
    assert asked.status_code == 202, asked.text
    while await advance_bulk(gateway.ctx, chunk=2):
        pass
    return (await gateway.api.get(asked.headers["location"], headers={"Accept-Language": "zh"})).json()


async def test_refusals_are_grouped_by_reason_with_samples(gateway: Gateway) -> None:
    names = await gateway.fleet(*[{"state": "silent"} for _ in range(7)], {}, {})
    found = await preflight(gateway, "suspend", {"iccids": [*names, iccid(71), iccid(72)]})
    shown = found["preflight"]
    assert (found["summary"]["allowed"], found["summary"]["refused"], shown["allowed"]) == (2, 9, 2)
    assert [(group["code"], group["rule"], group["count"]) for group in shown["refused"]] == [
        ("INCOMPATIBLE_STATE", "OP-6", 7),
        ("NOT_FOUND", None, 2),
    ]
    assert shown["refused"][0]["iccids"] == names[:5]
    assert shown["refused"][1]["iccids"] == [iccid(71), iccid(72)]
    assert shown["price"] == {"cost_fen": 0, "priced": 0, "not_priced": 0}
    assert shown["irreversible"] == []
    assert [(one["account"], one["at_least"]) for one in shown["calls"]] == [("cmcc-main", 2)]


async def test_the_price_says_which_part_is_not_known(gateway: Gateway) -> None:
    names = await gateway.fleet(*[{"carrier": "cucc"} for _ in range(3)], {"carrier": "cucc", "plan": "cucc-30m"})
    await gateway.api.post("/v1/plans", json=PLAN | {"price_fen": 2400, "renewals_max": 1})
    shown = (await preflight(gateway, "renew", {"iccids": names}, months=6))["preflight"]
    assert shown["price"] == {"cost_fen": 3600, "priced": 3, "not_priced": 1}
    assert shown["consumes"] == {"renewals": 4}
    assert shown["budgets"] == [{"budget": "renewals", "takes": 4, "exhausted": 3}]
    assert shown["desk"] == 4
    assert [one["rule"] for one in shown["irreversible"]] == ["RN-8", "RN-6"]
    assert "续费次数" in shown["irreversible"][1]["text"]


async def test_a_termination_is_tried_without_its_confirmation_and_says_it_is_for_good(gateway: Gateway) -> None:
    """LC-11."""
    names = await gateway.fleet({"carrier": "cucc"}, {"carrier": "cucc"})
    shown = (await preflight(gateway, "terminate", {"iccids": names}))["preflight"]
    assert shown["allowed"] == 2
    assert [one["what"] for one in shown["irreversible"]] == ["cancelled_for_good"]
    body = {"kind": "terminate", "selector": {"iccids": names}}
    assert (await gateway.api.post("/v1/bulk-operations", json=body)).status_code == 422


async def test_only_a_dry_run_has_a_pre_flight(gateway: Gateway) -> None:
    names = await gateway.fleet({})
    asked = await gateway.api.post("/v1/bulk-operations", json={"kind": "suspend", "selector": {"iccids": names}})
    assert asked.json()["preflight"] is None


async def test_an_action_tells_its_budget_and_what_it_cannot_undo(gateway: Gateway) -> None:
    """DV-3."""
    (name,) = await gateway.fleet({"carrier": "ctcc", "terms": "gsl"})
    answer = await gateway.api.post(f"/v1/sims/{name}/rebind", params={"dry_run": "true"}, json={})
    shown = answer.json()
    assert shown["allowed"], shown
    assert shown["consumes"] == {"rebinds_this_month": 1}
    assert shown["budgets"] == [{"budget": "rebinds_this_month", "takes": 1, "used": 0, "limit": 2, "left": 1}]
    assert [(one["what"], one["rule"]) for one in shown["irreversible"]] == [("rebind_counts", "DV-3")]
    plain = (await gateway.api.post(f"/v1/sims/{name}/suspend", params={"dry_run": "true"})).json()
    assert (plain["irreversible"], plain["consumes"], plain["budgets"]) == ([], None, [])
    refused = (await gateway.api.post(f"/v1/sims/{name}/resume", params={"dry_run": "true"})).json()
    assert (refused["allowed"], refused["irreversible"]) == (False, [])
