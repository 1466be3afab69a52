"""SIMs stored while their file is still read: nobody sees it, and no other transaction is in its way."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

from sqlalchemy import text

from app.db.imports.storing import CardsTaken
from app.db.uow import UnitOfWork
from app.usecases.imports.file import import_sims
from app.usecases.imports.formats import csv_rows
from app.usecases.imports.report import ImportReport, Step
from app.usecases.imports.staging import AHEAD_FROM, CHUNK
from app.usecases.imports.tasks import run_next_import
from tests.gateway import Gateway, iccid

HEADER = "iccid,carrier,terms,plan,state,activated_on,order,pool\n"
ROWS = AHEAD_FROM + 2 * CHUNK
NUMBERS = range(10_000, 10_000 + ROWS)


def _row(n: int, plan: str = "cmcc-100m", order: str = "", pool: str = "") -> str:
    return f"{iccid(n)},cmcc,flexem,{plan},active,2026-02-01,{order},{pool}\n"


async def _plans(gateway: Gateway) -> None:
    await gateway.fleet({"iccid": iccid(9)})


async def _read(gateway: Gateway, work: UnitOfWork, body: str, **given: Any) -> ImportReport:
    return await import_sims(gateway.ctx, work, "default", csv_rows(BytesIO(body.encode())), **given)


async def _cards(work: UnitOfWork) -> int:
    return (await work.connection.execute(text("SELECT count(*) FROM sims"))).scalar_one()


async def _begun(gateway: Gateway, body: str, tenant: str = "default", query: str = "") -> str:
    headers = {"Content-Type": "text/csv", "Prefer": "respond-async", "X-Tenant": tenant}
    answer = await gateway.api.post(f"/v1/sims/import{query}", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


async def test_sims_are_stored_while_the_file_is_read_and_nobody_else_sees_any(gateway: Gateway) -> None:
    await _plans(gateway)
    stored, seen = [], []

    async def told(step: Step, _done: int) -> None:
        if step is Step.READING:
            stored.append(await _cards(work) - 1)
            async with gateway.ctx.work() as other:
                seen.append(await _cards(other))

    async with gateway.ctx.work() as work:
        report = await _read(gateway, work, HEADER + "".join(map(_row, NUMBERS)), ahead=True, told=told)
        await work.commit()

    assert stored == [0] * (AHEAD_FROM // CHUNK) + [AHEAD_FROM, AHEAD_FROM + CHUNK]
    assert set(seen) == {1}
    assert (report.rows, report.created, report.rejected) == (ROWS, ROWS, [])
    assert (await gateway.api.get("/v1/sims?include=total")).json()["total"] == ROWS + 1


async def test_stored_ahead_or_at_the_end_the_report_and_the_cards_are_the_same(gateway: Gateway) -> None:
    await _plans(gateway)
    plan = {"id": "pooled", "carrier": "cmcc", "allowance": 30 << 20, "months": 12, "kind": "pool_forward"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": "p", "name": "p", "kind": "forward", "carrier": "cmcc", "plan": "pooled"}
    assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    rows = [_row(n, order=f"o-{n // 100}") for n in NUMBERS]
    rows[3] = _row(NUMBERS[3], "no-such")
    rows[200] = _row(NUMBERS[200], "pooled", "p-1", "p")
    rows[-1] = _row(NUMBERS[0], order="o-100")  # seen far above, and stored by now
    rows[-2] = _row(NUMBERS[7]).replace(iccid(NUMBERS[7]), iccid(NUMBERS[7])[:19])
    rows[-3] = _row(9)  # known from before
    rows[-4] = _row(NUMBERS[-4], order="p-1")  # of an order that is in a pool
    rows[-5] = _row(NUMBERS[-5], "pooled", "o-100", "p")  # and one that is not
    found = []
    for ahead in (True, False):
        async with gateway.ctx.work() as work:
            report = await _read(gateway, work, HEADER + "".join(rows), ahead=ahead)
            kept = "SELECT iccid, plan, state, order_id, pool, activated_on, expires_on FROM sims ORDER BY iccid"
            histories = "SELECT count(*), count(DISTINCT sim_id) FROM sim_history"
            counted = "SELECT plan, pool, state, sum(cards) FROM sim_counts GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            tables = [(await work.connection.execute(text(one))).all() for one in (kept, histories, counted)]
            found.append((report, tables))

    assert found[0] == found[1]
    assert (found[0][0].created, found[0][0].updated, found[0][0].rejected_rows) == (ROWS - 6, 1, 5)


async def test_a_fault_at_the_end_of_a_whole_file_takes_back_what_was_stored(gateway: Gateway) -> None:
    await _plans(gateway)
    stored = []

    async def told(_step: Step, _done: int) -> None:
        stored.append(await _cards(work) - 1)

    rows = [_row(n) for n in NUMBERS]
    rows[-CHUNK] = _row(NUMBERS[-CHUNK], "no-such")
    more = [_row(n) for n in range(90_000, 90_000 + 2 * CHUNK)]
    body = HEADER + "".join(rows + more)
    async with gateway.ctx.work() as work:
        report = await _read(gateway, work, body, whole=True, ahead=True, told=told)

    assert [fault.line for fault in report.rejected] == [ROWS - CHUNK + 2]
    assert stored[-3:] == [AHEAD_FROM + CHUNK] * 3, "nothing more is stored once something is wrong"

    where = await _begun(gateway, body)
    assert await run_next_import(gateway.ctx) == 1
    told_of = (await gateway.api.get(where)).json()
    assert (told_of["status"], told_of["problem"]["errors"][0]["line"]) == ("failed", ROWS - CHUNK + 2)
    assert (await gateway.api.get("/v1/sims?include=total")).json()["total"] == 1


async def test_of_two_files_of_the_same_cards_in_opposite_order_each_card_goes_to_one(gateway: Gateway) -> None:
    await _plans(gateway)
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12}
    assert (await gateway.api.post("/v1/plans", json=plan, headers={"X-Tenant": "other"})).is_success
    ours = await _begun(gateway, HEADER + "".join(map(_row, NUMBERS)), query="?mode=partial")
    theirs = await _begun(gateway, HEADER + "".join(map(_row, reversed(NUMBERS))), "other", "?mode=partial")

    while await _unfinished(gateway):  # one that has waited for 5 s is begun once more when its lease has ended
        await asyncio.gather(run_next_import(gateway.ctx), run_next_import(gateway.ctx), return_exceptions=True)

    one = (await gateway.api.get(ours)).json()["report"]
    two = (await gateway.api.get(theirs, headers={"X-Tenant": "other"})).json()["report"]
    assert one["created"] + two["created"] == ROWS
    assert (one["rejected_rows"], two["rejected_rows"]) == (two["created"], one["created"])


async def _unfinished(gateway: Gateway) -> int:
    async with gateway.ctx.work() as work:
        await work.connection.execute(text("UPDATE imports SET lease_until = now() - interval '1 second'"))
        await work.commit()
        return (
            await work.connection.execute(text("SELECT count(*) FROM imports WHERE finished_at IS NULL"))
        ).scalar_one()


async def test_an_import_gives_way_to_who_adds_one_of_its_cards_and_begins_again(gateway: Gateway) -> None:
    await _plans(gateway)
    body = HEADER + "".join(map(_row, NUMBERS))
    async with gateway.ctx.work() as other:
        await _read(gateway, other, HEADER + _row(NUMBERS[5], "cmcc-30m"))
        async with gateway.ctx.work() as work:
            try:
                await _read(gateway, work, body, ahead=True)
            except CardsTaken:
                gave_way = True
            else:
                gave_way = False
        where = await _begun(gateway, body)
        running = asyncio.ensure_future(run_next_import(gateway.ctx))
        await _waits_twice(gateway)
        await other.commit()

    assert (gave_way, await running) == (True, 1)
    report = (await gateway.api.get(where)).json()["report"]
    assert (report["created"], report["updated"], report["rejected_rows"]) == (ROWS - 1, 1, 0)
    assert (await gateway.api.get(f"/v1/sims/{iccid(NUMBERS[5])}")).json()["plan"] == "cmcc-100m"


async def _waits_twice(gateway: Gateway) -> None:
    """Until an import has waited for a lock, has gone on, and waits again."""
    async with gateway.ctx.pool.acquire() as connection:
        for waits in (True, False, True):
            query = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%import_rows%'"
            while await connection.fetchval(query) is not waits:
                await asyncio.sleep(0.02)


async def test_a_first_report_of_a_card_that_is_stored_but_not_committed_is_counted(gateway: Gateway) -> None:
    await _plans(gateway)
    card = iccid(NUMBERS[0])
    sent = []

    async def told(step: Step, _done: int) -> None:
        if step is Step.READING and await _cards(work) > 1 and not sent:
            report = {"id": "r-1", "iccid": card, "bytes": 12_345, "at": gateway.ctx.now().isoformat()}
            sent.append(await gateway.api.post("/v1/usage/reports", json={"gateway": "g", "reports": [report]}))

    async with gateway.ctx.work() as work:
        await _read(gateway, work, HEADER + "".join(map(_row, NUMBERS)), ahead=True, told=told)
        await work.commit()

    assert [answer.is_success for answer in sent] == [True], sent[0].text
    usage = (await gateway.api.get(f"/v1/sims/{card}")).json()["usage"]
    assert usage["used"] == 12_345, usage
