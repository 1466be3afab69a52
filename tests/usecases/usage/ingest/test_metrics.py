"""Metrics of ingest say what `docs/operations.md` says of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.gateway import Gateway, iccid
from tests.usecases.usage.reporting import hours_ago, report, send

RESULTS = ("accepted", "duplicate", "conflict", "unknown", "rejected", "late")


async def test_results_add_up_to_the_records_sent_and_late_ones_are_among_the_accepted(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    now = gateway.ctx.now()
    first = report(card, hours_ago(now, 1), 5, number="a")
    await send(gateway.api, [first])
    await send(
        gateway.api,
        [
            first,
            first | {"bytes": 6},
            report(card, hours_ago(now, 30), 1, number="late"),
            report(iccid(77), hours_ago(now, 1), 1, number="stranger"),
            report(card, hours_ago(now, -2), 1, number="ahead"),
        ],
    )

    value = gateway.ctx.telemetry.registry.get_sample_value
    found = {result: value("simgate_usage_reports_total", {"result": result}) for result in RESULTS}
    assert found == {"accepted": 2, "duplicate": 1, "conflict": 1, "unknown": 1, "rejected": 1, "late": 1}
    assert (value("simgate_usage_batch_records_count"), value("simgate_usage_batch_records_sum")) == (2, 6)


async def test_the_time_to_commit_leaves_out_the_wait_for_a_connection(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    one = report(card, hours_ago(gateway.ctx.now(), 1), 5, number="a")
    pool = gateway.ctx.pool
    async with AsyncExitStack() as stack:
        for _ in range(pool.get_max_size()):
            await stack.enter_async_context(pool.acquire())
        sending = asyncio.create_task(send(gateway.api, [one]))
        with pytest.raises(TimeoutError):  # the request waits as long as no connection is free
            await asyncio.wait_for(asyncio.shield(sending), timeout=1)
    await sending

    value = gateway.ctx.telemetry.registry.get_sample_value
    seconds = value("simgate_usage_commit_seconds_sum")
    assert value("simgate_usage_commit_seconds_count") == 1
    assert seconds is not None
    assert seconds < 1
