"""Old partitions are dropped, none whose reports are still accepted; unmatched reports are deleted in time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from app.db.usage import unmatched
from app.usecases.limits.upkeep import clean_up_usage
from app.usecases.usage.ingest.sim_cache import canonical_iccid
from tests.gateway import Gateway, iccid
from tests.locks import until_waiting
from tests.usecases.usage.reporting import NDJSON, body_of, cycles, hours_ago, report, send, usage


async def _partitions(gateway: Gateway) -> set[str]:
    async with gateway.ctx.pool.acquire() as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'usage_parts'")
    return {row["tablename"] for row in rows}


async def test_partitions_are_made_ahead_and_dropped_when_no_report_of_theirs_is_taken_any_more(
    gateway: Gateway,
) -> None:
    [card] = await gateway.fleet({"expires_on": "2030-12-31"})
    now = gateway.ctx.now()
    old = report(card, hours_ago(now, 24 * 120), 5, number="old")
    await send(gateway.api, [old])
    month = f"reports_{datetime.fromisoformat(old['at']).astimezone(UTC):%Y_%m}"

    for _ in range(7):
        report_ = await clean_up_usage(gateway.ctx)
        kept = month in await _partitions(gateway)
        told = await send(gateway.api, [old])
        assert told["duplicates"] == (1 if not told["rejected"] else 0)
        assert kept or told["rejected"], "a leaf left while its reports could still be sent again"
        await gateway.advance(days=31)

    report_ = await clean_up_usage(gateway.ctx)
    ahead = gateway.ctx.now() + timedelta(days=31)
    assert month not in await _partitions(gateway)
    assert f"reports_{ahead:%Y_%m}" in await _partitions(gateway)
    assert report_["partitions_created"] <= 2


async def test_a_month_nobody_prepared_is_made_by_the_report_that_needs_it(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"expires_on": "2040-12-31"})
    await gateway.advance(days=800)

    told = await send(gateway.api, [report(card, hours_ago(gateway.ctx.now(), 1), 5, number="a")])

    assert (told["accepted"], (await usage(gateway.api, card))["reported"]) == (1, 5)


async def test_a_report_kept_aside_is_forgotten_after_ninety_days_and_may_come_again(gateway: Gateway) -> None:
    await gateway.fleet({})
    stranger = iccid(77)
    one = report(stranger, hours_ago(gateway.ctx.now(), 1), 5, number="a")
    await send(gateway.api, [one])
    await gateway.advance(days=89)
    early = await clean_up_usage(gateway.ctx)
    await gateway.advance(days=2)

    late = await clean_up_usage(gateway.ctx)
    told = await send(gateway.api, [one])

    assert (early["unmatched_deleted"], late["unmatched_deleted"], len(told["unknown"])) == (0, 1, 1)


async def test_a_report_is_not_deleted_while_it_is_counted_for_its_sim(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    one = report(iccid(77), hours_ago(gateway.ctx.now(), 1), 5, number="a")
    await send(gateway.api, [one])
    await gateway.advance(days=91)

    async with gateway.ctx.work() as work:  # what an import does once its card is there
        connection = await work.driver()
        sim_id = await connection.fetchval("SELECT id FROM sims WHERE iccid = $1", card)
        found = await unmatched.lock_reports_of(connection, "default", {canonical_iccid(iccid(77)): sim_id})
        deleting = asyncio.create_task(clean_up_usage(gateway.ctx))
        await until_waiting(gateway)
        await unmatched.assign_sims(connection, found)
        await work.commit()
    report_ = await deleting

    async with gateway.ctx.pool.acquire() as connection:
        kept = await connection.fetchval("SELECT count(*) FROM usage_reports WHERE sim_id = $1", sim_id)
    assert (len(found), report_["unmatched_deleted"], kept) == (1, 0, 1)


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
