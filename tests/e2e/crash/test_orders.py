"""kill -9 between an order's payment and its operations, and during automatic renewals (ADR 21, RN-6, OR-1).

Nothing is lost, nothing is bought or charged twice.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.commerce.balance import Draft, EntryKind
from app.domain.commerce.orders import ItemKind
from app.usecases.balance.entries import post_entries
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


async def flagged(drive: Drive, wishes: tuple[Wish, ...]) -> int:
    """An order with the flag, done, of cards that end within days, and a balance for half of them; gives the price."""
    ctx = drive.ctx
    async with ctx.work() as work:
        command = PlaceOrder(tenant=TENANT, wishes=wishes[:1], auto_renew=True)
        order = await place_order(ctx, work, command)
        paid = {"reference": "PAY-1", "paid_at": ctx.now(), "paid_from": "outside"}
        await pay_order(ctx, work, order, amount_fen=order.amount_fen, **paid)
        await work.commit()
    await ctx.pool.execute("UPDATE order_items SET status = 'succeeded', ended_at = now()")
    await ctx.pool.execute("UPDATE orders SET status = 'done'")
    soon = ctx.now().date() + timedelta(days=3)
    await ctx.pool.execute("UPDATE sims SET expires_on = $1", soon)
    async with ctx.work() as work:
        money = Draft(kind=EntryKind.PAYMENT, reference="p", amount_fen=order.amount_fen // 2 + 1)
        await post_entries(ctx, work, TENANT, [money])
        await work.commit()
    return order.amount_fen // order.items


async def renew_by_itself(url: str, folder: Path, *, kills: int, cards: int) -> None:
    async with open_stage(url, folder) as stage:
        drive = Drive(stage, SEED, cards=cards)
        await drive.put_fleet()
        price = await flagged(drive, await shop(drive))
        half = sum(map(len, drive.fleet.values())) // 2
        count = drive.ctx.pool.fetchval
        renewing = "SELECT count(*) FROM order_items WHERE status IN ('pending', 'open')"
        midway = 0
        for _ in range(kills):
            await stage.workers.start("auto_renewals")
            before = await count(renewing)
            while await count(renewing) == before < half:  # it is up, and in the middle of its work
                await asyncio.sleep(0.01)
            await asyncio.sleep(drive.random.uniform(0, 0.05))
            stage.workers.killall()
            midway += 0 < await count(renewing) < half
        assert midway, "every kill came too late"
        await stage.workers.start("auto_renewals")
        for _ in range(240):
            if await count(renewing) == half:
                break
            await asyncio.sleep(0.25)
        await asyncio.sleep(1)
        assert await count(renewing) == half
        assert await count("SELECT count(DISTINCT sim_id) FROM order_items WHERE status IN ('pending', 'open')") == half
        assert await count("SELECT count(*) FROM orders WHERE status NOT IN ('done', 'fulfilling')") == 0
        unpaid = (
            "SELECT count(*) FROM orders o LEFT JOIN order_payments p ON p.order_id = o.id"
            " LEFT JOIN balance_entries e ON e.reference = o.id::text AND e.kind = 'order' WHERE o.status = 'fulfilling'"
            " AND (p.amount_fen IS DISTINCT FROM o.amount_fen OR e.amount_fen IS DISTINCT FROM -o.amount_fen)"
        )
        assert await count(unpaid) == 0
        assert await count("SELECT sum(-amount_fen) FROM balance_entries WHERE kind = 'order'") == half * price
        declined = "SELECT count(*), count(DISTINCT subject) FROM events WHERE type = 'renewal.declined'"
        assert list(await drive.ctx.pool.fetchrow(declined)) == [half, half]


@pytest.mark.timeout(120)
async def test_a_process_killed_during_automatic_renewals_renews_and_charges_once(
    clean_database: str, tmp_path: Path
) -> None:
    """The short form, part of every run."""
    await renew_by_itself(clean_database, tmp_path, kills=3, cards=20)


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_automatic_renewals_killed_again_and_again(clean_database: str, tmp_path: Path) -> None:
    await renew_by_itself(clean_database, tmp_path, kills=30, cards=200)


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
