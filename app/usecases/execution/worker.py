"""The worker's round: claim, mark as sent, call the carrier with no transaction open, settle.

A process that dies loses nothing (OP-3): after the claim, the lease expires and the row is queued again; after
`sent_at`, it becomes `verifying` and the carrier is queried; after the settlement, nothing is left to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from app.carriers.base import SimRef
from app.db.connection import DATABASE_ERRORS, trouble
from app.db.mapping import OperationRecord
from app.db.operations.leases import renew_leases
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.execution.grouping import CallGroup, must_be_marked_sent
from app.usecases.execution.isolation import Call, called, grouped, set_operations_aside, settled
from app.usecases.execution.refresh import refresh
from app.usecases.execution.results import AttemptResult, kept_by_gateway, not_sent
from app.usecases.execution.send import send
from app.usecases.execution.traced import traced
from app.usecases.execution.verify import verify
from app.usecases.operations.log_lines import log_sent

log = get_logger("worker")

GATHER_S = 0.02
"""How long to collect results before settling them together: settling twenty costs hardly more than settling one."""

ROUND_S = 5.0
"""How long a round waits for its calls. Those of a slower carrier go on by themselves (`Stragglers`), so that the
operations of other carriers do not wait for them."""

RENEWALS_A_LEASE = 3


async def worker_round(ctx: Context, *, limit: int = 100, round_s: float = ROUND_S) -> int:
    """Execute at most `limit` due operations; returns how many were claimed. Safe in any number of processes."""
    claimed, refs = await _claim(ctx, limit)
    if not claimed:
        return int(await ctx.stragglers.wait(GATHER_S))
    # Taken before `sent_at` is committed: a commit that stalls, or a process frozen in it, uses up the send's deadline.
    leased_at = asyncio.get_running_loop().time()
    sent = await _mark_sent(ctx, [operation for operation in claimed if must_be_marked_sent(operation)])
    others = [operation for operation in claimed if not must_be_marked_sent(operation)]
    await _execute(ctx, [*sent, *others], refs, leased_at, round_s)
    return len(claimed)


async def _claim(ctx: Context, limit: int) -> tuple[list[OperationRecord], dict[int, SimRef]]:
    """Claim due operations, with their SIMs' identities by row id; on a paused account only those that read."""
    unreadable: dict[UUID, Exception] = {}
    async with ctx.work() as work:
        now = ctx.now()
        # First, so that it can be claimed at once. Both statements skip locked rows: rounds never wait for each other.
        expired = await work.operations.requeue_expired(now)
        paused = [code for code, state in (await work.account_states.all()).items() if state["paused_at"]]
        claimed = await work.operations.claim(
            now=now, lease=ctx.lease, limit=limit, paused=paused, full=ctx.stragglers.full(), unreadable=unreadable
        )
        known = await work.sims.identities([operation.sim_id for operation in claimed])
        await work.commit()
    if expired:
        log.warning("worker.leases_expired", operations=expired)
    await set_operations_aside(ctx, unreadable)
    return claimed, {i: SimRef(iccid=iccid, msisdn=msisdn, imsi=imsi) for i, (iccid, msisdn, imsi) in known.items()}


async def _mark_sent(ctx: Context, operations: Sequence[OperationRecord]) -> list[OperationRecord]:
    """Make `sent_at` durable before anything is sent; an operation whose claim was lost in between is dropped."""
    if not operations:
        return []
    now = ctx.now()
    async with ctx.work() as work:
        # Not in the claim's transaction: of a process that dies between the two nothing was sent, and nothing need be
        # verified. Committed before the first byte, since what is sent cannot be rolled back.
        ours = await work.operations.mark_sent(operations, now, ctx.lease)
        await work.commit()
    sent = [replace(o, sent_at=now, attempts=o.attempts + 1) for o in operations if o.id in ours]
    log_sent(sent)
    return sent


async def _execute(
    ctx: Context, operations: Sequence[OperationRecord], refs: Mapping[int, SimRef], leased_at: float, round_s: float
) -> None:
    """Call the carriers concurrently; settle results as they arrive, so that no slow carrier delays the others."""
    local = [result for operation in operations if (result := _without_call(ctx, operation)) is not None]
    done_here = {result.operation.id for result in local}
    to_call = [operation for operation in operations if operation.id not in done_here]
    groups = await grouped(ctx, to_call, refs, leased_at)
    call: Call = partial(_call, ctx)
    if ctx.tracing is not None:
        call = traced(ctx.tracing, call)
    calls = {asyncio.create_task(called(ctx, group, call)): group for group in groups}
    pending, until = set(calls), asyncio.get_running_loop().time() + round_s
    try:
        if local:
            await settled(ctx, local)
        while pending and (left := until - asyncio.get_running_loop().time()) > 0:
            done, pending = await asyncio.wait(pending, timeout=GATHER_S)
            if not done:
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            await settled(ctx, [result for task in done for result in task.result()])
        for task in pending:
            ctx.stragglers.adopt(calls[task].operations[0].account, _settle_after(ctx, task))
        pending = set()
    finally:
        for task in pending:
            task.cancel()


async def _settle_after(ctx: Context, call: asyncio.Task[list[AttemptResult]]) -> None:
    """Settle a call when it ends. What cannot be settled is found when its lease ends, as after a worker's death."""
    try:
        await settled(ctx, await call)
    except DATABASE_ERRORS as error:
        log.warning("worker.not_settled", **trouble(error))
    except Exception:
        log.exception("worker.call_failed")
    finally:
        call.cancel()


def _without_call(ctx: Context, operation: OperationRecord) -> AttemptResult | None:
    """The result where no carrier is called: the account is not configured, or the gateway does it itself."""
    if operation.account not in ctx.clients:
        return not_sent(operation, code="CARRIER_UNAVAILABLE", detail="the account is no longer configured")
    return kept_by_gateway(operation) if operation.channel is Channel.GATEWAY else None


async def _call(ctx: Context, group: CallGroup) -> list[AttemptResult]:
    """Call, and renew the lease as long as the answer is awaited: nobody verifies, or asks again, what we wait for.

    A question too: where every answer took longer than a lease, each would be dropped for the claim of the next.
    """
    renewing = asyncio.create_task(_renew(ctx, group))
    try:
        return await _answered(ctx, group)
    finally:
        renewing.cancel()


async def _answered(ctx: Context, group: CallGroup) -> list[AttemptResult]:
    first = group.operations[0]
    if first.kind is OperationKind.REFRESH:
        return await refresh(ctx, group)
    if first.status is OperationStatus.RUNNING:
        return await send(group)
    return await verify(group, ctx.now())


async def _renew(ctx: Context, group: CallGroup) -> None:
    """Renew the leases until cancelled; where the database is away they end, as by the death of this process."""
    while True:
        await asyncio.sleep(ctx.lease.total_seconds() / RENEWALS_A_LEASE)
        try:
            await renew_leases(ctx.pool, group.operations, ctx.lease)
        except DATABASE_ERRORS as error:
            log.warning("worker.lease_not_renewed", **trouble(error))
