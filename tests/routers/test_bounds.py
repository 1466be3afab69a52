"""Bounds at the door: what the schemas accept, every later job can hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.jobs.cycle_rollover import roll_over_day
from app.routers.schemas.base import MAX_AMOUNT
from app.routers.schemas.sims.requests import MAX_REMINDER_DAYS
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway
from tests.usecases.usage.reporting import report, send

HOME = ZoneInfo("Asia/Shanghai")


def _unbounded(node: Any, path: str) -> Iterator[str]:
    """The places in a schema of integers without a maximum, texts without a length, objects without both."""
    if isinstance(node, list):
        for place, each in enumerate(node):
            yield from _unbounded(each, f"{path}/{place}")
    if not isinstance(node, dict):
        return
    if node.get("type") == "integer" and not {"maximum", "exclusiveMaximum", "const", "enum"} & node.keys():
        yield f"{path}: integer"
    if node.get("type") == "string" and not {"maxLength", "enum", "const", "format", "pattern"} & node.keys():
        yield f"{path}: string"
    if node.get("additionalProperties") and not {"maxProperties", "propertyNames"} <= node.keys():
        yield f"{path}: object"
    for name, each in node.items():
        if name not in ("examples", "default"):
            yield from _unbounded(each, f"{path}/{name}")


def _bodies(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every schema that a JSON request body refers to, directly or through another."""
    schemas, seen = document["components"]["schemas"], set[str]()
    waiting = [
        (f"{verb} {path}", content["schema"])
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        if kind == "application/json"
    ]
    while waiting:
        name, schema = waiting.pop()
        yield name, schema
        for reference in _references(schema):
            if reference not in seen:
                seen.add(reference)
                waiting.append((reference, schemas[reference]))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rsplit("/", 1)[1]
        for each in node.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


async def test_every_number_and_text_a_json_body_takes_is_bounded(gateway: Gateway) -> None:
    document = (await gateway.api.get("/openapi.json")).json()

    assert [place for name, schema in _bodies(document) for place in _unbounded(schema, name)] == []


async def test_the_largest_reminders_and_packs_survive_limits_turn_sweep_and_reminders(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl", "activated_on": "2026-01-05", "expires_on": "2099-12-31"})
    largest = {"usage_mb": [MAX_AMOUNT >> 20, 1], "expiry_days": [MAX_REMINDER_DAYS, 1]}
    assert (await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": largest})).is_success
    beyond = {"usage_mb": [8_796_093_022_208]}
    refused = await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": beyond})
    async with gateway.ctx.pool.acquire() as connection:
        sim_id = await connection.fetchval("SELECT id FROM sims WHERE iccid = $1", card)
        from app.db.usage.counters import add_pack

        cycle = int(gateway.ctx.now().astimezone(HOME).strftime("%Y%m"))
        for _ in range(3):
            await add_pack(connection, sim_id, cycle, 1 << 60, gateway.ctx.now())

    await send(gateway.api, [report(card, gateway.ctx.now() - timedelta(minutes=1), 1 << 20, number="one")])
    await gateway.settle()
    await roll_over_day(gateway.ctx, HOME)
    await expire_zone(gateway.ctx, HOME)

    assert refused.status_code == 422
    assert (await gateway.api.get("/v1/admin/quarantine")).json()["items"] == []
    assert (await gateway.api.get(f"/v1/sims/{card}")).json()["usage"]["addons"] == 1 << 60
    assert (await gateway.api.get("/v1/sims", params={"usage_pct_gte": "50"})).json()["items"] == []


@pytest.mark.parametrize("name", ["/", "a/b", ".", "..", "a\x01", "\t"])
async def test_a_pools_name_is_one_that_a_path_and_a_file_can_have(gateway: Gateway, name: str) -> None:
    body = {"id": name, "name": "P", "kind": "forward", "carrier": "cmcc", "plan": "p"}

    answer = await gateway.api.post("/v1/pools", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/id")


@pytest.mark.parametrize(("name", "status"), [("a\x01", 422), ("\n", 422), ("a/b", 201), ("每月 1 GB", 201)])
async def test_a_plans_name_is_one_that_a_file_can_have(gateway: Gateway, name: str, status: int) -> None:
    body = {"id": name, "carrier": "cmcc", "allowance": 1, "months": 1}

    assert (await gateway.api.post("/v1/plans", json=body)).status_code == status
