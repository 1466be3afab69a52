"""Checked before it is accepted (OP-2): the rules asked with everything they need to know of the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted, decide
from app.domain.operation.limits import Counts
from app.domain.operation.refusal import Refusal
from app.domain.sim.model import Plan
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.usecases.context import Context
from app.usecases.operations.record import with_status
from app.usecases.operations.routing import channel_of, repeat_window_of

KINDS_WITH_REFERENCES = frozenset({OperationKind.CHANGE_PLAN, OperationKind.JOIN_POOL})
KINDS_WITH_BUDGET = frozenset({OperationKind.REBIND, OperationKind.RENEW})


async def evaluate_sim(
    ctx: Context,
    work: UnitOfWork,
    record: SimRecord,
    kind: OperationKind,
    arguments: Mapping[str, Any],
    *,
    open_operation: bool,
) -> Accepted | Refusal:
    """One card's answer."""
    counts = await budget_counts_of(ctx, work, [record], kind)
    return decision(ctx, record, kind, arguments, counts[record.id], open_operation=open_operation)


async def budget_counts_of(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], kind: OperationKind
) -> dict[int, Counts]:
    """What the budgets need to know (DV-3: rebinds this calendar month, RN-6: renewals ever), set-based."""
    counts = {record.id: Counts() for record in records}
    if kind not in KINDS_WITH_BUDGET or not records:
        return counts
    today = ctx.now().astimezone(ctx.zone(records[0].account))
    month = datetime.combine(today.date().replace(day=1), time(), today.tzinfo)
    since = month if kind is OperationKind.REBIND else datetime.min.replace(tzinfo=today.tzinfo) + timedelta(days=1)
    done = await work.operations.succeeded_since(counts, kind, since)
    if kind is OperationKind.REBIND:
        return {sim_id: Counts(rebinds_this_month=done.get(sim_id, 0)) for sim_id in counts}
    return {sim_id: Counts(renewals=done.get(sim_id, 0)) for sim_id in counts}


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What arguments may name: the tenant's plans, and its pools with the plan and the zone of each."""

    plans: Mapping[str, Plan]
    pools: Mapping[str, str]
    zones: Mapping[str, ZoneInfo]
    zone_of: Callable[[str], ZoneInfo]

    def mismatch(self, record: SimRecord, kind: OperationKind, arguments: Mapping[str, Any]) -> Malformed | None:
        """What does not fit this card: an unknown plan or pool, or one of another carrier or plan (PL-5)."""
        if kind is OperationKind.CHANGE_PLAN:
            plan = self.plans.get(str(arguments.get("plan")))
            known = plan is not None and plan.carrier is record.sim.carrier
            return None if known else Malformed("UNKNOWN_PLAN", "no such plan for this carrier")
        if kind is not OperationKind.JOIN_POOL:
            return None
        sold = self.pools.get(str(arguments.get("pool")))
        if sold is None:
            return Malformed("UNKNOWN_POOL", "no such pool")
        if sold != record.sim.plan.id:
            return Malformed("POOL_MISMATCH", "the pool is of another plan (PL-5)")
        here = self.zone_of(record.account)
        same = str(self.zones.get(str(arguments.get("pool")), here)) == str(here)
        return None if same else Malformed("POOL_MISMATCH", "the pool's account is in another zone (BC-4, PL-5)")


async def references_of(ctx: Context, work: UnitOfWork, tenant: str, kind: OperationKind) -> References:
    """The names a kind's arguments are looked up in; none where it names nothing."""
    if kind not in KINDS_WITH_REFERENCES:
        return References(plans={}, pools={}, zones={}, zone_of=ctx.zone)
    zones = {pool: ctx.zone(account) for pool, account in (await work.plans.pool_accounts(tenant)).items()}
    plans, pools = await work.plans.all(tenant), await work.plans.of_pools(tenant)
    return References(plans=plans, pools=pools, zones=zones, zone_of=ctx.zone)


def decision(
    ctx: Context,
    record: SimRecord,
    kind: OperationKind,
    arguments: Mapping[str, Any],
    counts: Counts,
    *,
    open_operation: bool,
) -> Accepted | Refusal:
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


def enqueued(operation: OperationRecord, now: datetime, *, channel: Channel) -> OperationRecord:
    """The operation at work: queued for the worker, or on a person's list."""
    desk = channel is Channel.DESK
    status = OperationStatus.WAITING_CARRIER if desk else OperationStatus.QUEUED
    note = "on the desk's work list" if desk else ""
    return with_status(operation, status, now, note, channel=channel, run_after=now, waits=False)
