"""Null where a value cannot be empty counts as absent: nothing changes, and nothing fails."""

from __future__ import annotations

from tests.gateway import Gateway


async def test_null_leaves_a_webhooks_address_types_and_state_as_they_are(gateway: Gateway) -> None:
    made = (await gateway.api.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "types": ["sim.*"]})).json()

    answer = await gateway.api.patch(
        f"/v1/webhooks/{made['id']}", json={"url": None, "types": None, "enabled": None, "description": "ERP"}
    )

    assert (answer.status_code, answer.json()["description"]) == (200, "ERP")
    assert {name: answer.json()[name] for name in ("url", "types", "enabled")} == {
        name: made[name] for name in ("url", "types", "enabled")
    }


async def test_null_leaves_a_sims_tags_and_reminders_as_they_are_and_clears_its_texts(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    await gateway.api.patch(f"/v1/sims/{iccid}", json={"tags": {"site": "a"}, "alias": "pump"})

    answer = await gateway.api.patch(
        f"/v1/sims/{iccid}", json={"tags": None, "reminders": {"usage_mb": None}, "alias": None}
    )

    assert answer.status_code == 200, answer.text
    assert (answer.json()["tags"], answer.json()["alias"]) == ({"site": "a"}, None)


async def test_null_leaves_out_a_rule_of_a_pool(gateway: Gateway) -> None:
    plan = {"id": "p", "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "kind": "pool_backward"}
    pool = {"id": "pool", "name": "Pumps", "kind": "backward", "carrier": "cmcc", "plan": "p"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    assert (await gateway.api.post("/v1/pools", json=pool)).is_success

    answer = await gateway.api.put("/v1/pools/pool/rules", json={"levels": None, "stop_at": 1 << 40})

    assert (answer.status_code, answer.json()) == (200, {"stop_at": 1 << 40})
