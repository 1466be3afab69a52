"""Exports through the API: what a file holds, who may read it and how long, and how often one is made (EX-2)."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import datetime, timedelta
from typing import Any
from zipfile import ZipFile

import pytest

from app.db.sims.search import SimFilter
from app.jobs.housekeeping import run_housekeeping
from app.jobs.loops import drain
from app.usecases.bulk.selectors import IccidList, MatchingSims
from app.usecases.errors import OperationRefused
from app.usecases.exports.request import RequestExport, request_export
from app.usecases.exports.write import write_next_export
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import set_clock
from tests.usecases.usage.reporting import report, send


async def requested(gateway: Gateway, body: dict[str, Any]) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/exports", json=body)
    assert answer.status_code == 202, answer.text
    await drain(gateway.ctx)
    return (await gateway.api.get(answer.headers["location"])).json()


async def file_of(gateway: Gateway, export: dict[str, Any]) -> bytes:
    answer = await gateway.api.get(export["download"]["url"], headers={"Authorization": ""})
    assert answer.status_code == 200, answer.text
    return answer.content


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


async def test_an_exported_file_is_imported_again_without_a_change(gateway: Gateway) -> None:
    """EX-2: every column that an import takes, text as text: nothing runs, nothing is rounded."""
    evil = ("=1+1", "+86", "-x", "@SUM(A1)", "＝cmd", "plain")
    cards = await gateway.fleet(*({"alias": text, "tags": {"site": "杭州"}} for text in evil))
    before = [(await gateway.api.get(f"/v1/sims/{card}")).json() for card in cards]

    content = await file_of(gateway, await requested(gateway, {"what": "sims", "selector": {"all": True}}))

    assert [row["alias"] for row in rows(content)] == [*(f"'{text}" for text in evil[:-1]), "plain"]
    assert [row["iccid"] for row in rows(content)] == [f'="{card}"' for card in cards]
    again = await gateway.api.post("/v1/sims/import", content=content, headers={"Content-Type": "text/csv"})
    assert again.status_code == 200, again.text
    assert (again.json()["created"], again.json()["rejected_rows"]) == (0, 0)
    after = [(await gateway.api.get(f"/v1/sims/{card}")).json() for card in cards]
    left_out = {"version", "carrier_view"}
    assert [{k: v for k, v in one.items() if k not in left_out} for one in after] == [
        {k: v for k, v in one.items() if k not in left_out} for one in before
    ]


async def test_a_workbook_has_texts_as_text_cells(gateway: Gateway) -> None:
    (card,) = await gateway.fleet({"alias": "=1+1"})
    body = {"what": "sims", "selector": {"iccids": [card]}, "format": "xlsx", "columns": ["iccid", "alias"]}
    content = await file_of(gateway, await requested(gateway, body))
    with ZipFile(io.BytesIO(content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert f"<t>{card}</t>" in sheet
    assert "<t>=1+1</t>" in sheet
    assert "<f>" not in sheet


async def test_usage_of_six_months_is_a_column_each(gateway: Gateway) -> None:
    """EX-2: on 2026-11-21 June to November."""
    (card,) = await gateway.fleet({})
    await send(gateway.api, [report(card, gateway.ctx.now(), 5_000_000, number="1")])
    export = await requested(gateway, {"what": "usage_by_cycle", "selector": {"filter": {"carrier": "cmcc"}}})
    months = [f"2026-{month:02d}" for month in range(6, 12)]
    assert export["columns"] == ["iccid", "carrier", "plan", *months]
    (row,) = rows(await file_of(gateway, export))
    assert [row[month] for month in months] == ["0"] * 5 + ["5000000"]


async def test_the_operations_of_selected_sims(gateway: Gateway) -> None:
    one, other = await gateway.fleet({}, {})
    for card in (one, other):
        await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/suspend"))
    export = await requested(gateway, {"what": "operations", "selector": {"iccids": [one]}})
    assert [(row["kind"], row["status"]) for row in rows(await file_of(gateway, export))] == [("suspend", "succeeded")]


async def test_a_second_export_within_five_minutes_is_refused_with_the_earliest_time(gateway: Gateway) -> None:
    """EX-2."""
    await gateway.fleet({})
    body = {"what": "sims", "selector": {"all": True}}
    answers = await asyncio.gather(*(gateway.api.post("/v1/exports", json=body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 422, 422, 422, 422]
    refused = next(answer.json() for answer in answers if answer.status_code == 422)
    assert (refused["code"], refused["rule"]) == ("RULE_VIOLATION", "EX-2")
    assert refused["earliest_retry_at"] is not None
    earliest = datetime.fromisoformat(refused["earliest_retry_at"])
    set_clock(gateway, earliest - timedelta(seconds=5))
    assert (await gateway.api.post("/v1/exports", json=body)).status_code == 422
    set_clock(gateway, earliest)
    assert (await gateway.api.post("/v1/exports", json=body)).status_code == 202


@pytest.mark.parametrize("listed", [False, True])
async def test_an_export_holds_as_many_cards_as_the_rule_says_and_not_one_more(gateway: Gateway, listed: bool) -> None:
    """EX-2: 500,000 and the 500,001st, the number as an argument, by a list and by a filter."""
    cards = await gateway.fleet({}, {}, {})
    selector: Any = IccidList(iccids=tuple(cards)) if listed else MatchingSims(wanted=SimFilter(), query={})
    command = RequestExport(tenant="default", what="sims", format="csv", selector=selector)
    async with gateway.ctx.work() as work:
        with pytest.raises(OperationRefused) as refused:
            await request_export(gateway.ctx, work, command, most=2)
    assert (refused.value.refused.rule, refused.value.refused.detail) == ("EX-2", "export_too_many")
    async with gateway.ctx.work() as work:
        assert (await request_export(gateway.ctx, work, command, most=3)).total == 3


async def test_a_link_needs_no_key_and_ends(gateway: Gateway) -> None:
    await gateway.fleet({})
    export = await requested(gateway, {"what": "sims", "selector": {"all": True}})
    url = export["download"]["url"]
    assert (await gateway.api.get(f"{url}0")).status_code == 404
    assert (await gateway.api.get(url.replace("expires=1", "expires=2"))).status_code == 404
    await gateway.advance(minutes=16)
    assert (await gateway.api.get(url)).status_code == 404
    again = (await gateway.api.get(f"/v1/exports/{export['id']}")).json()
    assert len(rows(await file_of(gateway, again))) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"what": "sims", "selector": {"iccids": [iccid(1)]}}, "EMPTY_SELECTION"),
        ({"what": "sims", "selector": {"all": True}, "columns": ["iccid", "secret"]}, "UNKNOWN_COLUMN"),
        ({"what": "sims", "selector": {"all": True}, "columns": ["iccid", "iccid"]}, "UNKNOWN_COLUMN"),
        ({"what": "sims", "selector": {"range": {"start": iccid(1), "end": iccid(2)}}}, "UNSUPPORTED"),
    ],
)
async def test_what_cannot_be_exported_is_refused_and_stored_nowhere(
    gateway: Gateway, body: dict[str, Any], code: str
) -> None:
    await gateway.fleet({})
    answer = await gateway.api.post("/v1/exports", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["code"] == code
    assert (await gateway.api.get("/v1/exports")).json()["items"] == []


async def test_another_tenant_sees_no_export(gateway: Gateway) -> None:
    await gateway.fleet({})
    export = await requested(gateway, {"what": "sims", "selector": {"all": True}})
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    made = await gateway.api.post("/v1/admin/keys", json={"tenant": "other", "scopes": ["sims:read"]})
    assert made.is_success, made.text
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await gateway.api.get(f"/v1/exports/{export['id']}", headers=headers)).status_code == 404
    assert (await gateway.api.get("/v1/exports", headers=headers)).json()["items"] == []


async def test_files_are_deleted_after_a_day(gateway: Gateway) -> None:
    await gateway.fleet({})
    await requested(gateway, {"what": "sims", "selector": {"all": True}})
    await gateway.advance(hours=25)
    assert (await run_housekeeping(gateway.ctx))["exports"] == 1
    async with gateway.ctx.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM export_parts") == 0


async def test_what_a_worker_left_behind_is_written_again_once(gateway: Gateway) -> None:
    """A worker that went away past its lease finds another claim, and adds nothing to the other's file."""
    await gateway.fleet(*({} for _ in range(3)))
    answer = await gateway.api.post("/v1/exports", json={"what": "sims", "selector": {"all": True}})
    async with gateway.ctx.work() as work:
        stale = await work.exports.claim(lease=timedelta(0))
        await work.commit()
    assert stale is not None
    assert await write_next_export(gateway.ctx) == 1
    async with gateway.ctx.work() as work:
        assert not await work.exports.keep(stale, timedelta(minutes=1), done=0)
    export = (await gateway.api.get(answer.headers["location"])).json()
    assert (export["status"], export["done"]) == ("ready", 3)
    assert len(rows(await file_of(gateway, export))) == 3
