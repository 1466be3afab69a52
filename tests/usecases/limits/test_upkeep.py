"""Unmatched reports are deleted in time, and not while they are counted; what cannot wait is refused."""

from __future__ import annotations

import asyncio

from app.db.usage import unmatched
from app.usecases.limits.upkeep import delete_unmatched
from app.usecases.usage.ingest.sim_cache import canonical_iccid
from tests.gateway import Gateway, iccid
from tests.locks import until_waiting
from tests.usecases.usage.reporting import NDJSON, body_of, cycles, hours_ago, report, send


async def test_a_report_kept_aside_is_forgotten_after_ninety_days_and_may_come_again(gateway: Gateway) -> None:
    await gateway.fleet({})
    stranger = iccid(77)
    one = report(stranger, hours_ago(gateway.ctx.now(), 1), 5, number="a")
    await send(gateway.api, [one])
    await gateway.advance(days=89)
    early = await delete_unmatched(gateway.ctx)
    await gateway.advance(days=2)

    late = await delete_unmatched(gateway.ctx)
    told = await send(gateway.api, [one])

    assert (early, late, len(told["unknown"])) == (0, 1, 1)


async def test_a_report_is_not_deleted_while_it_is_counted_for_its_sim(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    one = report(iccid(77), hours_ago(gateway.ctx.now(), 1), 5, number="a")
    await send(gateway.api, [one])
    await gateway.advance(days=91)

    async with gateway.ctx.work() as work:  # what an import does once its card is there
        connection = await work.driver()
        sim_id = await connection.fetchval("SELECT id FROM sims WHERE iccid = $1", card)
        found = await unmatched.lock_reports_of(connection, "default", {canonical_iccid(iccid(77)): sim_id})
        deleting = asyncio.create_task(delete_unmatched(gateway.ctx))
        await until_waiting(gateway)
        await unmatched.assign_sims(connection, found)
        await work.commit()
    deleted = await deleting

    async with gateway.ctx.pool.acquire() as connection:
        kept = await connection.fetchval("SELECT count(*) FROM usage_reports WHERE sim_id = $1", sim_id)
    assert (len(found), deleted, kept) == (1, 0, 1)


async def test_more_than_can_wait_is_refused_whole_and_told_to_come_back(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 1)
    body = body_of([report(card, at, 1, number=n) for n in range(10_000)], NDJSON)

    answers = await asyncio.gather(
        *(gateway.api.post("/v1/usage/reports", content=body, headers={"Content-Type": NDJSON}) for _ in range(9))
    )

    refused = [answer for answer in answers if answer.status_code == 503]
    counted = [answer.json() for answer in answers if answer.status_code == 200]
    assert (len(refused) + len(counted), bool(refused)) == (9, True)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert refused[0].json()["code"] == "UNAVAILABLE"
    assert sum(one["accepted"] for one in counted) == 10_000
    assert sum(item["reported"] for item in (await cycles(gateway.api, card)).values()) == 10_000
