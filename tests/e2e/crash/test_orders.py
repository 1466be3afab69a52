"""kill -9 between an order's payment and its operations: nothing is lost, nothing is bought twice (ADR 21, RN-6)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from app.domain.commerce.orders import ItemKind
from app.usecases.bulk.selectors import IccidList
from app.usecases.catalogue.plans import put_plans, read_plan
from app.usecases.orders.fill import Wish
from app.usecases.orders.pay import pay_order
from app.usecases.orders.place import PlaceOrder, place_order
from app.usecases.pools.manage import Actor, add_pool
from tests.e2e.crash.drive import TENANT, Drive
from tests.e2e.crash.stage import open_stage

SEED = int(os.environ.get("SIMGATE_CRASH_SEED", "20261122"))
PACK = 10 << 30


async def shop(drive: Drive) -> tuple[Wish, ...]:
    """Plans with prices, a pool with a pack for it, and wishes: one renewal for each card, and one pack."""
    prices = {"months": 12, "price_fen": 9600}
    async with drive.ctx.work() as work:
        plans = [
            {"id": f"{carrier}-1g", "carrier": carrier, "allowance": 1 << 30} for carrier in ("cmcc", "cucc", "ctcc")
        ]
        pooled = {"id": "pooled", "carrier": "cmcc", "allowance": 1 << 30, "kind": "pool_forward"}
        await put_plans(drive.ctx, work, TENANT, [read_plan(one | prices) for one in (*plans, pooled)], actor="test")
        pool = {"id": "pool", "name": "pool", "kind": "forward", "carrier": "cmcc", "plan": "pooled"}
        await add_pool(drive.ctx, work, TENANT, pool, Actor(name="test"))
        await work.commit()
    await drive.ctx.pool.execute(
        "INSERT INTO addons (tenant, id, carrier, scope, bytes, price_fen) VALUES ($1, 'pack', 'cmcc', 'pool', $2, 100)",
        TENANT,
        PACK,
    )
    names = tuple(name for cards in drive.fleet.values() for name in cards)
    renewals = Wish(
        kind=ItemKind.RENEW, given={"months": 12}, selector=IccidList(iccids=names), arguments={"months": 12}
    )
    return renewals, Wish(kind=ItemKind.POOL_ADDON, given={}, pool="pool", arguments={"addon": "pack"})


async def run(url: str, folder: Path, *, kills: int, cards: int) -> None:
    async with open_stage(url, folder) as stage:
        drive = Drive(stage, SEED, cards=cards)
        await drive.put_fleet()
        wishes = await shop(drive)
        async with drive.ctx.work() as work:
            order = await place_order(drive.ctx, work, PlaceOrder(tenant=TENANT, wishes=wishes))
            await pay_order(
                drive.ctx,
                work,
                order,
                amount_fen=order.amount_fen,
                reference="PAY-1",
                paid_at=drive.ctx.now(),
                paid_from="outside",
            )
            await work.commit()
        for _ in range(kills):
            await stage.workers.start()
            await asyncio.sleep(drive.random.uniform(0, 0.5))
            stage.workers.killall()
        await stage.workers.start()
        begun = "SELECT count(*) FROM order_items WHERE status = 'pending'"
        for _ in range(240):
            if not await drive.ctx.pool.fetchval(begun):
                break
            await asyncio.sleep(0.25)
        wrong = await drive.ctx.pool.fetch(
            "SELECT i.number, i.status, count(o.id) FROM order_items i LEFT JOIN operations o ON o.order_id = i.order_id"
            " AND o.sim_id = i.sim_id GROUP BY 1, 2, i.kind"
            " HAVING NOT (i.kind = 'renew' AND i.status = 'open' AND count(o.id) = 1"
            " OR i.kind = 'pool_addon' AND i.status = 'succeeded')"
        )
        assert not wrong, wrong
        assert await drive.ctx.pool.fetchval("SELECT count(*) FROM operations") == order.items - 1
        assert await drive.ctx.pool.fetchval("SELECT sum(addons) FROM pool_cycles") == PACK


@pytest.mark.timeout(120)
async def test_a_worker_killed_after_the_payment_loses_nothing_and_buys_nothing_twice(
    clean_database: str, tmp_path: Path
) -> None:
    """The short form, part of every run."""
    await run(clean_database, tmp_path, kills=4, cards=100)


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_workers_killed_again_and_again_after_the_payment(clean_database: str, tmp_path: Path) -> None:
    await run(clean_database, tmp_path, kills=60, cards=600)
