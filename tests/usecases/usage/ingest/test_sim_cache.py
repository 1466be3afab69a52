"""Cached SIMs are used only while they are certainly valid, whether cached singly or with their block."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from app.usecases.usage.ingest.batch import Batch, StaleSimCache
from app.usecases.usage.ingest.iccid_blocks import LOOKUPS_BEFORE_LOAD, MIN_BLOCK_SIMS
from app.usecases.usage.ingest.reports import Reports, Submission
from app.usecases.usage.ingest.sim_cache import SimLookupCache
from tests.gateway import Gateway, iccid
from tests.usecases.usage.reporting import hours_ago, report, send, usage


async def test_sims_of_a_cached_block_are_counted_each_for_itself(gateway: Gateway) -> None:
    cards = await gateway.fleet(*({} for _ in range(MIN_BLOCK_SIMS + 20)))
    at = hours_ago(gateway.ctx.now(), 1)
    for number, card in enumerate(cards[: LOOKUPS_BEFORE_LOAD + 1]):  # looked up singly, then the block is read
        await send(gateway.api, [report(card, at, 1, number=number)])

    told = await send(gateway.api, [report(card, at, 10 + n, number=f"r{n}") for n, card in enumerate(cards)])

    assert told["accepted"] == len(cards)
    shown = [(await usage(gateway.api, card))["reported"] for card in cards]
    assert shown == [10 + n + (n <= LOOKUPS_BEFORE_LOAD) for n in range(len(cards))]


async def test_a_removed_sim_is_not_found_in_its_block(gateway: Gateway) -> None:
    cards = await gateway.fleet(*({} for _ in range(MIN_BLOCK_SIMS + 20)))
    at = hours_ago(gateway.ctx.now(), 1)
    await send(gateway.api, [report(card, at, 1, number=n) for n, card in enumerate(cards)])
    await send(gateway.api, [report(card, at, 1, number=f"again{n}") for n, card in enumerate(cards)])

    assert (await gateway.api.delete(f"/v1/sims/{cards[40]}")).is_success
    told = await send(gateway.api, [report(card, at, 1, number=f"left{n}") for n, card in enumerate(cards)])

    assert (told["accepted"], told["unknown"]) == (len(cards) - 1, [{"index": 40}])


async def test_a_sim_added_to_a_block_already_cached_is_counted(gateway: Gateway) -> None:
    cards = await gateway.fleet(*({} for _ in range(MIN_BLOCK_SIMS + 20)))
    at = hours_ago(gateway.ctx.now(), 1)
    for again in range(2):
        await send(gateway.api, [report(card, at, 1, number=f"{again}-{n}") for n, card in enumerate(cards)])

    [late] = await gateway.fleet({"iccid": iccid(1_000_500), "msisdn": "1440000009999", "imsi": "460040000009999"})
    told = await send(gateway.api, [report(late, at, 5, number="late")])

    assert (told["accepted"], (await usage(gateway.api, late))["reported"]) == (1, 5)


def _submission(card: str, gateway: str, at: object) -> Submission:
    reports = Reports(gateways=[gateway], ids=["1"], iccids=[card], instants=[at], amounts=[7])  # type: ignore[list-item]
    return Submission(tenant="default", reports=reports, done=asyncio.get_running_loop().create_future())


async def test_every_batch_resolved_before_a_sim_was_removed_is_resolved_again(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    ctx, cache = gateway.ctx, SimLookupCache(gateway.ctx)
    at = hours_ago(ctx.now(), 1)
    async with ctx.pool.acquire() as connection:
        cache.invalidate(await connection.fetchval("SELECT epoch FROM usage_epoch"))
    async with AsyncExitStack() as stack:
        batches = []
        for name in ("gw-1", "gw-2"):
            batch = Batch(await stack.enter_async_context(ctx.pool.acquire()), cache, ctx.now())
            await batch.resolve([_submission(card, name, at)])
            batches.append(batch)
        assert (await gateway.api.delete(f"/v1/sims/{card}")).is_success

        for batch in batches:  # the first renews the cache; the second must not take the new epoch for its own
            with pytest.raises(StaleSimCache) as stale:
                await batch.write()
            cache.invalidate(stale.value.epoch)
