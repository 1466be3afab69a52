"""Apply due dates of SIMs: end of test, forced activation, expiry, cancellation (LC-1 to LC-3, LC-8, LC-9, RN-11).

Only SIMs whose `next_due_on` has passed are read, in chunks of one transaction each. Safe to repeat and to run in
several processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, time, tzinfo
from functools import partial

from app.db.mapping import SimRecord
from app.db.sims.alike import Card, lock_alike
from app.db.sims.repository import DuePosition
from app.db.uow import UnitOfWork
from app.domain.sim.lifecycle import next_due_on, sweep
from app.domain.vocabulary import OperationKind
from app.usecases.context import Context
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder
from app.usecases.sims.alike import AlikeChange, enqueue_alike, write_alike

CHUNK = 500
AT_ONCE = 2
"""Chunks at the same moment: the database writes one while the rules are applied to the other."""

ACTOR = "expiry_sweep"


async def expire_zone(ctx: Context, zone: tzinfo, *, chunk: int = CHUNK) -> dict[str, int]:
    """Apply today's dates to the accounts of one zone, `chunk` SIMs a transaction.

    Returns how many SIMs were `seen`, `changed` and had an operation `enqueued` at their carrier.
    """
    accounts = [code for code in ctx.accounts if str(ctx.zone(code)) == str(zone)]
    today = ctx.now().astimezone(zone).date()
    report = {"seen": 0, "changed": 0, "enqueued": 0}
    after: DuePosition | None = None
    while accounts:
        async with ctx.work() as work:
            due = await work.sims.due_places(accounts, today, chunk * AT_ONCE, after=after)
        sim_ids = [sim_id for _, sim_id in due]
        handle = partial(_expire_chunk, ctx, report)
        chunks = [sim_ids[start : start + chunk] for start in range(0, len(sim_ids), chunk)]
        handled = [handle_isolated(ctx, Task.EXPIRY_SWEEP, some, handle) for some in chunks]
        done = await asyncio.gather(*handled, return_exceptions=True)
        report["changed"] += sum(map(_counted, done))
        report["seen"] += len(due)
        if len(due) < chunk * AT_ONCE:
            return report
        # SIMs whose cancellation waits for a renewal stay due: the next chunk begins after this one.
        after = due[-1]
    return report


def _counted(done: int | BaseException) -> int:
    """What a chunk has changed. Raises what it raised, once every chunk beside it has ended."""
    if isinstance(done, BaseException):
        raise done
    return done


async def expire_sims(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Apply today's dates to these SIMs; one that cannot be handled is set aside."""
    await handle_isolated(ctx, Task.EXPIRY_SWEEP, sim_ids, partial(_expire_chunk, ctx, {"enqueued": 0}), kind=kind)


async def _expire_chunk(ctx: Context, report: dict[str, int], sim_ids: Sequence[int]) -> int:
    """Apply today's dates to SIMs in one transaction; gives how many changed, adds the operations to `enqueued`."""
    async with ctx.work() as work:
        # Due days were read without a lock: a SIM that was renewed since then is no longer due when it is read here.
        groups = await lock_alike(await work.driver(), sim_ids)
        renewing = await work.operations.open_or_waiting(sim_ids, OperationKind.RENEW)
        renewing |= await work.order_items.renewing(sim_ids)
        now = ctx.now()
        changes = await _changes(ctx, work, groups, renewing, now)
        await write_alike(work, changes, now)
        enqueued = await enqueue_alike(ctx, work, changes, now, reason="LC-8")
        await work.commit()
    report["enqueued"] += enqueued
    return sum(len(change.cards) for change in changes if change.before.sim != change.after.sim)


async def _changes(
    ctx: Context, work: UnitOfWork, groups: Sequence[Sequence[Card]], renewing: set[int], now: datetime
) -> list[AlikeChange]:
    """What today's dates do to SIMs, a change for those that are alike and, alike as well, being renewed or not."""
    parts = [
        part
        for group in groups
        for kept in (False, True)
        if (part := [card for card in group if (card.id in renewing) is kept])
    ]
    samples = await work.sims.by_ids(part[0].id for part in parts)
    return [_change(ctx, part, samples[part[0].id], now, renewing=part[0].id in renewing) for part in parts]


def _change(ctx: Context, cards: Sequence[Card], sample: SimRecord, now: datetime, *, renewing: bool) -> AlikeChange:
    """Apply each due day by itself, so that the timeline shows every transition with its own cause and day (LC-12)."""
    recorder = SimChangeRecorder(now, ctx.zone)
    zone = ctx.zone(sample.account)
    today = now.astimezone(zone).date()
    swept = sample
    while (day := next_due_on(swept.sim)) is not None and day <= today:
        sim, moves = sweep(swept.sim, day, now, renewing=renewing)
        if not moves:
            break
        last = moves[-1]
        effective = datetime.combine(last.effective_on, time(), zone)
        reason = ChangeReason(cause=last.cause, rule=last.rule, actor=ACTOR, effective_at=effective)
        swept = recorder.change(swept, sim, reason)
    return AlikeChange(cards=cards, before=sample, after=swept, recorder=recorder)
