"""Bulk operations: selected whole or refused whole, each item ending on its own, readable while they run (AC)."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.usecases.bulk.advance import advance_bulk
from tests.gateway import Gateway, card, iccid


def cards(count: int, **given: Any) -> list[dict[str, Any]]:
    return [given for _ in range(count)]


async def ask(gateway: Gateway, kind: str, selector: dict[str, Any], **rest: Any) -> httpx.Response:
    body = {"kind": kind, "selector": selector} | rest
    return await gateway.api.post("/v1/bulk-operations", json=body)


async def begun(gateway: Gateway, kind: str, selector: dict[str, Any], **rest: Any) -> str:
    answer = await ask(gateway, kind, selector, **rest)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


async def read(gateway: Gateway, location: str) -> dict[str, Any]:
    return (await gateway.api.get(location)).json()


async def settled(gateway: Gateway, location: str) -> dict[str, Any]:
    for _ in range(60):
        await gateway.settle()
        found = await read(gateway, location)
        if found["finished_at"]:
            return found
        await gateway.advance(seconds=2)
    raise AssertionError(found)


async def items(gateway: Gateway, location: str, **query: Any) -> list[dict[str, Any]]:
    return (await gateway.api.get(f"{location}/items", params={"limit": 500} | query)).json()["items"]


async def test_a_list_is_worked_and_every_item_tells_its_end(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(5), {"state": "silent"})
    location = await begun(gateway, "suspend", {"iccids": [*names, iccid(77)]})
    done = await settled(gateway, location)
    assert done["status"] == "completed"
    assert done["summary"] == {
        "total": 7, "pending": 0, "open": 0, "succeeded": 5, "failed": 2, "cancelled": 0,
    }  # fmt: skip
    assert done["progress"] == {"done": 7, "total": 7}
    found = await items(gateway, location)
    assert [item["iccid"] for item in found] == [*names, iccid(77)]
    assert [item["status"] for item in found] == ["succeeded"] * 5 + ["failed"] * 2
    assert found[5]["error"]["code"] == "INCOMPATIBLE_STATE"
    assert found[6]["error"]["code"] == "NOT_FOUND"
    for name in names[:5]:
        assert (await gateway.carrier(name))["effects"] == {"suspend": 1}


async def test_the_end_is_told_once(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(3))
    location = await begun(gateway, "suspend", {"iccids": names})
    await settled(gateway, location)
    await gateway.advance(minutes=5)
    told = (await gateway.api.get("/v1/events", params={"type": "bulk_operation.completed"})).json()["items"]
    assert [e["source"] for e in told] == [location]
    assert told[0]["data"]["bulk_operation"]["summary"]["succeeded"] == 3


async def test_a_dry_run_changes_nothing_and_tells_each_answer(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(2), {"state": "silent"})
    location = await begun(gateway, "suspend", {"iccids": names}, options={"dry_run": True})
    done = await settled(gateway, location)
    assert done["summary"] == {"total": 3, "pending": 0, "allowed": 2, "refused": 1}
    assert (await gateway.api.get("/v1/operations")).json()["items"] == []
    assert [item["error"]["rule"] for item in await items(gateway, location, status="refused")] == ["OP-6"]


async def test_a_file_counts_by_its_iccid_column_alone(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(3))
    text = "name,ICCID,status\n" + "".join(f"x,{name},cancelled\n" for name in [*names, names[0]])
    kept = await gateway.api.post("/v1/files", content=text.encode("gb18030"), headers={"Content-Type": "text/csv"})
    assert kept.status_code == 201, kept.text
    assert kept.json()["rows"] == 4
    location = await begun(gateway, "suspend", {"file_id": kept.json()["id"]})
    done = await settled(gateway, location)
    assert done["summary"]["total"] == done["summary"]["succeeded"] == 3


async def test_a_bad_file_is_refused_with_its_lines(gateway: Gateway) -> None:
    text = "iccid\n8.98604E+19\n\nhello\n"
    refused = await gateway.api.post("/v1/files", content=text.encode(), headers={"Content-Type": "text/csv"})
    assert refused.status_code == 422
    assert [(e["line"], e["code"]) for e in refused.json()["errors"]] == [(2, "EXPONENT"), (4, "ICCID_MALFORMED")]


async def test_a_range_is_taken_whole(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(4, state="silent"))
    location = await begun(gateway, "activate", {"range": {"start": names[0], "end": names[3]}})
    assert (await settled(gateway, location))["summary"]["succeeded"] == 4


async def test_a_range_with_a_card_in_the_way_is_refused_whole(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(2, state="silent"), {"state": "active"})
    refused = await ask(gateway, "activate", {"range": {"start": names[0], "end": iccid(1_000_003)}})
    assert refused.status_code == 422
    problem = refused.json()
    assert (problem["code"], problem["rule"], problem["count"]) == ("RULE_VIOLATION", "AC-2", 2)
    assert [e["code"] for e in problem["errors"]] == ["CARD_ACTIVE", "CARD_MISSING"]
    assert (await gateway.api.get("/v1/bulk-operations")).json()["items"] == []


async def test_a_typed_list_takes_digits_only(gateway: Gateway) -> None:
    refused = await ask(gateway, "suspend", {"iccids": [iccid(1), "898604A1234567890123"]})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"pointer": "/selector/iccids/1", "code": "USE_A_FILE", "detail": refused.json()["errors"][0]["detail"]}
    ]


async def test_a_filter_selects_what_the_list_shows(gateway: Gateway) -> None:
    await gateway.fleet(*cards(2, tags="line=7;site=a"), *cards(2, tags="line=8"), {"carrier": "cucc"})
    chosen = {"carrier": "cmcc", "tag": ["line=7"], "state": "active"}
    location = await begun(gateway, "suspend", {"filter": chosen})
    done = await settled(gateway, location)
    assert done["summary"]["succeeded"] == done["summary"]["total"] == 2
    assert done["selector"] == {"filter": chosen}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "fly", "selector": {"iccids": []}}, "/kind"),
        ({"kind": "suspend", "selector": {}}, "/selector"),
        ({"kind": "suspend", "selector": {"iccids": []}}, "/selector"),
        ({"kind": "suspend", "selector": {"pool": "nobody"}}, "/selector"),
        ({"kind": "suspend", "selector": {"filter": {"stat": "active"}}}, "/selector/filter/stat"),
        ({"kind": "suspend", "selector": {"filter": {"state": "asleep"}}}, "/selector/filter/state"),
        ({"kind": "suspend", "selector": {"filter": {}}}, "/selector/filter"),
        ({"kind": "suspend", "selector": {"all": False}}, "/selector/all"),
        ({"kind": "suspend", "selector": {"all": True, "pool": "p"}}, "/selector"),
        ({"kind": "suspend", "selector": {"iccids": [1]}}, "/selector/iccids/0"),
        ({"kind": "suspend", "selector": {"file_id": "x"}}, "/selector/file_id"),
        ({"kind": "renew", "selector": {"pool": "p"}}, "/arguments/months"),
        ({"kind": "suspend", "selector": {"pool": "p"}, "options": {"max_items": 0}}, "/options/max_items"),
        ({"kind": "suspend", "selector": {"pool": "p"}, "options": {"haste": 1}}, "/options/haste"),
        ({"kind": "suspend", "selector": {"pool": "p"}, "options": {"execute_at": "soon"}}, "/options/execute_at"),
    ],
)
async def test_a_wrong_request_is_told_where(gateway: Gateway, body: dict[str, Any], pointer: str) -> None:
    refused = await gateway.api.post("/v1/bulk-operations", json=body)
    assert refused.status_code == 422, refused.text
    assert pointer in [error["pointer"] for error in refused.json()["errors"]]


async def test_more_cards_than_allowed_refuse_the_request(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(3))
    refused = await ask(gateway, "suspend", {"iccids": names}, options={"max_items": 2})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "TOO_MANY_ITEMS"


async def test_terminating_in_bulk_must_name_the_number_of_cards(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(2, carrier="cucc"))
    refused = await ask(gateway, "terminate", {"iccids": names}, arguments={"confirm": "3"})
    assert refused.json()["errors"][0]["code"] == "NOT_CONFIRMED"
    location = await begun(gateway, "terminate", {"iccids": names}, arguments={"confirm": "2"})
    assert (await settled(gateway, location))["summary"]["succeeded"] == 2


async def test_it_stops_after_too_many_failures(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(4, state="silent"), *cards(6))
    location = await begun(gateway, "suspend", {"iccids": names}, options={"max_failures": 2})
    done = await settled(gateway, location)
    assert done["status"] == "stopped"
    assert done["summary"]["failed"] == 3
    assert done["summary"]["cancelled"] == 7


async def test_what_was_not_sent_is_cancelled(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(9))
    location = await begun(gateway, "suspend", {"iccids": names})
    assert await advance_bulk(gateway.ctx, chunk=3) == 3
    cancelled = await gateway.api.post(f"{location}/cancel")
    assert cancelled.status_code == 202
    assert cancelled.json()["status"] == "cancelling"
    while await advance_bulk(gateway.ctx):
        pass
    done = await settled(gateway, location)
    assert done["status"] == "cancelled"
    assert done["summary"]["cancelled"] == 9
    assert [(await gateway.carrier(name))["requests"] for name in names] == [0] * 9
    again = await gateway.api.post(f"{location}/cancel")
    assert again.status_code == 409


async def test_only_what_failed_is_tried_again(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(3), *cards(2, state="silent"))
    first = await begun(gateway, "suspend", {"iccids": names})
    early = await gateway.api.post(f"{first}/retry", json={"only": "failed"})
    assert early.status_code == 409
    await settled(gateway, first)
    for name in names[3:]:
        await gateway.api.post(f"/v1/sims/{name}/activate")
    await gateway.settle()
    again = await gateway.api.post(f"{first}/retry", json={"only": "failed"})
    assert again.status_code == 202, again.text
    done = await settled(gateway, again.headers["location"])
    assert done["summary"]["total"] == done["summary"]["succeeded"] == 2
    assert f"/v1/bulk-operations/{done['retry_of']}" == first
    assert [(await gateway.carrier(name))["effects"].get("suspend") for name in names] == [1] * 5


async def test_it_begins_when_it_is_to(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(2))
    at = gateway.ctx.now() + timedelta(hours=2)
    location = await begun(gateway, "suspend", {"iccids": names}, options={"execute_at": at.isoformat()})
    await gateway.advance(hours=1)
    assert (await read(gateway, location))["status"] == "scheduled"
    await gateway.advance(hours=1, seconds=1)
    assert (await settled(gateway, location))["summary"]["succeeded"] == 2


async def test_a_scheduled_one_can_be_cancelled_before(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(2))
    at = gateway.ctx.now() + timedelta(days=2)
    location = await begun(gateway, "suspend", {"iccids": names}, options={"execute_at": at.isoformat()})
    await gateway.api.post(f"{location}/cancel")
    assert (await settled(gateway, location))["status"] == "cancelled"


async def test_results_are_read_as_files_while_it_runs(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(3))
    location = await begun(gateway, "suspend", {"iccids": names})
    await advance_bulk(gateway.ctx)
    rows = list(csv.DictReader(io.StringIO((await gateway.api.get(f"{location}/results.csv")).text)))
    assert [(row["iccid"], row["status"]) for row in rows] == [(name, "open") for name in names]
    lines = (await gateway.api.get(f"{location}/results.ndjson")).text.splitlines()
    assert [json.loads(line)["operation_status"] for line in lines] == ["queued"] * 3


async def test_a_person_who_waits_for_one_card_goes_first(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(30))
    await begun(gateway, "suspend", {"iccids": names[:29]})
    await advance_bulk(gateway.ctx)
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(seconds=1))
    await gateway.api.post(f"/v1/sims/{names[29]}/suspend")
    async with gateway.ctx.work() as work:
        (first,) = await work.operations.claim(now=gateway.ctx.now(), lease=timedelta(seconds=5), limit=1)
    assert first.iccid == names[29]


async def test_the_same_key_begins_it_once(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(2))
    body = {"kind": "suspend", "selector": {"iccids": names}}
    headers = {"Idempotency-Key": "once"}
    first, second = [await gateway.api.post("/v1/bulk-operations", json=body, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len((await gateway.api.get("/v1/bulk-operations")).json()["items"]) == 1


async def test_another_tenant_sees_none_of_it(gateway: Gateway) -> None:
    names = await gateway.fleet(*cards(1))
    location = await begun(gateway, "suspend", {"iccids": names})
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    other = {"X-Tenant": "other"}
    for path in (location, f"{location}/items", f"{location}/results.csv"):
        assert (await gateway.api.get(path, headers=other)).status_code == 404
    foreign = await gateway.api.post(
        "/v1/bulk-operations", json={"kind": "suspend", "selector": {"iccids": names}}, headers=other
    )
    assert foreign.json()["summary"]["failed"] == 1


def test_the_cards_of_these_tests_follow_each_other() -> None:
    assert int(card(1)["iccid"][:-1]) - int(card(0)["iccid"][:-1]) == 1
