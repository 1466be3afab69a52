"""Imports as tasks: kept, done by a worker, all or nothing, and how far they are can be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

from sqlalchemy import text

from app.usecases.csv_files import UnreadableFile
from app.usecases.imports.file import import_sims
from app.usecases.imports.formats import csv_rows
from app.usecases.imports.report import Step
from app.usecases.imports.tasks import KEPT, LEASE, Outdated, _Run, delete_old_imports, run_next_import
from tests.gateway import Gateway, iccid

HEADER = "iccid,carrier,terms,plan,state,activated_on\n"
LATER = {"Content-Type": "text/csv", "Prefer": "wait=5, respond-async"}


async def _plans(gateway: Gateway) -> None:
    await gateway.fleet({"iccid": iccid(9)})


def _row(n: int, plan: str = "cmcc-100m") -> str:
    return f"{iccid(n)},cmcc,flexem,{plan},active,2026-02-01\n"


async def _begun(gateway: Gateway, body: Any, query: str = "") -> str:
    answer = await gateway.api.post(f"/v1/sims/import{query}", content=body, headers=LATER)
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async"), answer.text
    assert answer.json()["status"] == "queued"
    return answer.headers["Location"]


async def _count(gateway: Gateway, table: str) -> int:
    async with gateway.ctx.work() as work:
        return (await work.connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()  # noqa: S608 - ours


async def test_an_import_is_answered_at_once_and_done_by_a_worker(gateway: Gateway) -> None:
    await _plans(gateway)
    where = await _begun(gateway, HEADER + _row(1) + _row(2))
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).status_code == 404

    assert await run_next_import(gateway.ctx) == 1

    told = (await gateway.api.get(where)).json()
    assert (told["status"], told["lines"], told["read"], told["stored"], told["problem"]) == (
        "succeeded",
        3,
        2,
        2,
        None,
    )
    assert (told["report"]["created"], told["report"]["rejected"], told["report"]["dry_run"]) == (2, [], False)
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).status_code == 200
    assert await _count(gateway, "import_parts") == 0
    listed = (await gateway.api.get("/v1/imports")).json()["items"]
    assert [one["id"] for one in listed] == [told["id"]]
    assert await run_next_import(gateway.ctx) == 0


async def test_a_file_with_a_bad_row_fails_with_the_faults_that_the_answer_would_have(gateway: Gateway) -> None:
    await _plans(gateway)
    body = HEADER + _row(1) + _row(2, "no-such")
    where, unreadable = await _begun(gateway, body), await _begun(gateway, "iccid,carrier,terms,plan,colour\n")
    while await run_next_import(gateway.ctx):
        pass

    told = (await gateway.api.get(where)).json()
    answer = await gateway.api.post("/v1/sims/import", content=body, headers={"Content-Type": "text/csv"})
    assert (told["status"], told["report"]) == ("failed", None)
    same = {name: answer.json()[name] for name in ("code", "detail", "errors")}
    assert told["problem"] == same
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).status_code == 404
    refused = (await gateway.api.get(unreadable)).json()["problem"]
    assert (refused["code"], refused["errors"][0]["code"]) == ("UNREADABLE", "UNKNOWN_COLUMN")


async def test_partial_mode_and_dry_run_are_kept_with_the_file(gateway: Gateway) -> None:
    await _plans(gateway)
    body = HEADER + _row(1) + _row(2, "no-such")
    dry = await _begun(gateway, body, "?dry_run=true")
    assert await run_next_import(gateway.ctx) == 1
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).status_code == 404
    partial = await _begun(gateway, body, "?mode=partial")
    assert await run_next_import(gateway.ctx) == 1

    reports = [(await gateway.api.get(where)).json()["report"] for where in (dry, partial)]

    assert [(one["dry_run"], one["created"], one["rejected_rows"]) for one in reports] == [(True, 1, 1), (False, 1, 1)]
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).status_code == 200


async def test_the_same_request_again_is_the_same_import(gateway: Gateway) -> None:
    await _plans(gateway)
    headers = LATER | {"Idempotency-Key": "one"}

    first, again, other = [
        await gateway.api.post("/v1/sims/import", content=body, headers=headers)
        for body in (HEADER + _row(1), HEADER + _row(1), HEADER + _row(2))
    ]

    assert again.headers["Location"] == first.headers["Location"]
    assert (again.status_code, other.status_code) == (202, 422)
    assert await _count(gateway, "imports") == 1


async def test_another_tenants_import_is_not_found(gateway: Gateway) -> None:
    where = await _begun(gateway, HEADER)
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})

    assert (await gateway.api.get(where, headers={"X-Tenant": "other"})).status_code == 404
    assert (await gateway.api.get("/v1/imports/none")).status_code == 404


async def test_a_worker_that_was_away_past_its_lease_stores_nothing(gateway: Gateway) -> None:
    await _plans(gateway)
    where = await _begun(gateway, HEADER + _row(1) + _row(2))
    async with gateway.ctx.work() as work:
        away = await work.imports.claim(LEASE)
        assert away is not None
        await work.connection.execute(text("UPDATE imports SET lease_until = now() - interval '1 second'"))
        taken = await work.imports.claim(LEASE)
        assert taken is not None
        await work.commit()

    late, done = await asyncio.gather(
        _Run(gateway.ctx, away).run(), _Run(gateway.ctx, taken).run(), return_exceptions=True
    )

    assert isinstance(late, Outdated | UnreadableFile), late  # the latter where the other has ended before it began
    assert done is None
    assert (await gateway.api.get(where)).json()["report"]["created"] == 2
    assert await _count(gateway, "sim_history") == 3


async def test_readers_see_all_of_an_import_or_nothing_and_events_do_not_wait_for_it(gateway: Gateway) -> None:
    await _plans(gateway)
    body = (HEADER + "".join(_row(n) for n in range(100, 400))).encode()
    seen: list[tuple[Step, int, int]] = []

    async def told(step: Step, done: int) -> None:
        listed = (await gateway.api.get("/v1/sims?include=total")).json()["total"]
        assert (await gateway.api.post(f"/v1/sims/{iccid(9)}/suspend?dry_run=true")).is_success
        await gateway.api.patch(f"/v1/sims/{iccid(9)}", json={"remark": step.value})
        seen.append((step, done, listed))

    async with gateway.ctx.work() as work:
        report = await import_sims(gateway.ctx, work, "default", csv_rows(BytesIO(body)), told=told)
        await work.commit()

    assert seen == [(Step.READING, 300, 1), (Step.STORING, 300, 1)]
    assert report.created == 300
    assert (await gateway.api.get("/v1/sims?include=total")).json()["total"] == 301


async def test_no_transaction_is_open_while_the_callers_body_is_read(gateway: Gateway) -> None:
    await _plans(gateway)
    open_ones: list[int] = []

    async def slow() -> AsyncIterator[bytes]:
        yield HEADER.encode()
        async with gateway.ctx.pool.acquire() as connection:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
                " AND pid <> pg_backend_pid()"
            )
            open_ones.append(await connection.fetchval(query))
        yield _row(1).encode()

    answer = await gateway.api.post("/v1/sims/import", content=slow(), headers={"Content-Type": "text/csv"})

    assert (answer.status_code, answer.json()["created"], open_ones) == (200, 1, [0])


async def test_a_card_that_comes_again_far_below_is_a_duplicate_in_either_form(gateway: Gateway) -> None:
    await _plans(gateway)
    rows = [_row(n) for n in range(10_000, 15_300)]
    body = HEADER + "".join(rows) + _row(10_000) + _row(15_299).replace(iccid(15_299), iccid(15_299)[:19])

    answer = await gateway.api.post("/v1/sims/import?mode=partial", content=body, headers={"Content-Type": "text/csv"})

    told = answer.json()
    assert (told["created"], told["rejected_rows"]) == (5_300, 2)
    assert [(one["line"], one["code"], one["detail"]) for one in told["rejected"]] == [
        (5_302, "DUPLICATE", "the same card as line 2"),
        (5_303, "DUPLICATE", "the same card as line 5301"),
    ]


async def test_imports_are_forgotten_after_a_week(gateway: Gateway) -> None:
    where = await _begun(gateway, "iccid,carrier,terms,plan\n")
    assert await run_next_import(gateway.ctx) == 1
    assert await delete_old_imports(gateway.ctx) == 0

    gateway.ctx.clock.offset += KEPT + LEASE

    assert await delete_old_imports(gateway.ctx) == 1
    assert (await gateway.api.get(where)).status_code == 404
