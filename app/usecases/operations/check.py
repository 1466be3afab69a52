"""Checked before it is accepted (OP-2): the rules asked with everything they need to know of the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.decision import Accepted, decide
from app.domain.refusal import Refused
from app.domain.rule_checks import Counts
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.usecases.context import Context
from app.usecases.operations.channels import channel_of, repeat_window_of
from app.usecases.operations.rows import moved

COUNTED = frozenset({OperationKind.REBIND, OperationKind.RENEW})


async def check(  # noqa: PLR0913 - the rules need all of it
    ctx: Context,
    work: UnitOfWork,
    record: SimRecord,
    kind: OperationKind,
    arguments: Mapping[str, Any],
    *,
    open_operation: bool,
) -> Accepted | Refused:
    """One card's answer."""
    counts = await counts_of(ctx, work, [record], kind)
    return decision(ctx, record, kind, arguments, counts[record.id], open_operation=open_operation)


async def counts_of(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], kind: OperationKind
) -> dict[int, Counts]:
    """What the budgets need to know (DV-3: rebinds this calendar month, RN-6: renewals ever), set-based."""
    counts = {record.id: Counts() for record in records}
    if kind not in COUNTED or not records:
        return counts
    today = ctx.now().astimezone(ctx.zone(records[0].account))
    month = datetime.combine(today.date().replace(day=1), time(), today.tzinfo)
    since = month if kind is OperationKind.REBIND else datetime.min.replace(tzinfo=today.tzinfo) + timedelta(days=1)
    done = await work.operations.succeeded_since(counts, kind, since)
    if kind is OperationKind.REBIND:
        return {sim_id: Counts(rebinds_this_month=done.get(sim_id, 0)) for sim_id in counts}
    return {sim_id: Counts(renewals=done.get(sim_id, 0)) for sim_id in counts}


def decision(  # noqa: PLR0913 - the rules need all of it
    ctx: Context,
    record: SimRecord,
    kind: OperationKind,
    arguments: Mapping[str, Any],
    counts: Counts,
    *,
    open_operation: bool,
) -> Accepted | Refused:
    """The rules' answer with the counts known."""
    return decide(
        record.sim,
        kind,
        arguments,
        channel=channel_of(ctx, record, kind, arguments),
        open_operation=open_operation,
        counts=counts,
        now=ctx.now(),
        zone=ctx.zone(record.account),
        workdays=ctx.workdays,
        repeat_window=repeat_window_of(ctx, record.account, kind),
    )


def admitted(operation: OperationRecord, now: datetime, *, channel: Channel) -> OperationRecord:
    """The operation at work: queued for the worker, or on a person's list."""
    desk = channel is Channel.DESK
    status = OperationStatus.WAITING_CARRIER if desk else OperationStatus.QUEUED
    note = "on the desk's work list" if desk else ""
    return moved(operation, status, now, note, channel=channel, run_after=now, waits=False)
