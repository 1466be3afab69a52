"""The worker's round: claim, commit to sending, act with no transaction open, settle.

What if the process dies: after the claim, the lease runs out and the row is queued again; after `sent_at`, it becomes
`verifying` and the carrier is asked; after the settlement, nothing is left to do (OP-3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from app.carriers.base import CarrierClient, SimRef
from app.db.mapping import OperationRecord
from app.usecases.context import Context
from app.usecases.execution.attempt import AttemptResult, by_phase, call_groups, execute_group
from app.usecases.execution.schedule import start_scheduled
from app.usecases.execution.settle import settle

GATHER_S = 0.02
"""How long answers are gathered before they are settled together: a settlement of twenty costs hardly more than one."""


async def worker_round(ctx: Context, *, limit: int = 100) -> int:
    """One round over at most `limit` due operations; gives how many were taken up. Safe in any number of processes."""
    claimed, refs = await _claim(ctx, limit)
    if not claimed:
        return 0
    sends, asks = by_phase(claimed)
    marked = await _commit_to_send(ctx, sends) if sends else []
    await _turns(ctx, [*marked, *asks], refs)
    return len(claimed)


async def drain(ctx: Context) -> int:
    """Work until nothing is due now; gives how many turns were taken."""
    total = 0
    while True:
        await start_scheduled(ctx)
        taken = await worker_round(ctx)
        if not taken:
            return total
        total += taken


async def _claim(ctx: Context, limit: int) -> tuple[list[OperationRecord], dict[int, SimRef]]:
    async with ctx.work() as work:
        await work.operations.requeue_expired(ctx.now())
        excluded = [code for code, state in (await work.account_states.all()).items() if state["paused_at"]]
        claimed = await work.operations.claim(now=ctx.now(), lease=ctx.lease, limit=limit, excluded=excluded)
        known = await work.sims.identities([operation.sim_id for operation in claimed])
        await work.commit()
    return claimed, {i: SimRef(iccid=iccid, msisdn=msisdn, imsi=imsi) for i, (iccid, msisdn, imsi) in known.items()}


async def _commit_to_send(ctx: Context, operations: Sequence[OperationRecord]) -> list[OperationRecord]:
    """`sent_at` is durable before anything is sent; who lost the claim in between does not send."""
    now = ctx.now()
    async with ctx.work() as work:
        mine = await work.operations.mark_sent(operations, now, ctx.lease)
        await work.commit()
    return [replace(o, sent_at=now, attempts=o.attempts + 1) for o in operations if o.id in mine]


async def _turns(ctx: Context, operations: Sequence[OperationRecord], refs: dict[int, SimRef]) -> None:
    """Take all turns at once; settle what has come whenever some have, so that no slow answer delays the others."""

    def client(account: str) -> CarrierClient:
        return ctx.clients[account]

    known = [o for o in operations if o.account in ctx.clients]
    lost = [o for o in operations if o.account not in ctx.clients]
    pending: set[asyncio.Task[list[AttemptResult]]] = {
        asyncio.create_task(execute_group(ctx, group, refs))
        for group in (*call_groups(known, client), *([o] for o in lost))
    }
    try:
        while pending:
            done, pending = await asyncio.wait(pending, timeout=GATHER_S)
            if not done:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            await settle(ctx, [came for task in done for came in task.result()])
    finally:
        for task in pending:
            task.cancel()
