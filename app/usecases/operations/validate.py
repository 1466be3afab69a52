"""Validate an operation before it is accepted (OP-2): load what the rules need to know, then let the domain decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted, decide
from app.domain.operation.prices import EMPTY, Catalogue
from app.domain.operation.refusal import Refusal
from app.domain.operation.request import Counts, RuleContext
from app.domain.sim.model import Plan
from app.domain.vocabulary import OperationKind
from app.usecases.context import Context
from app.usecases.operations.routing import route_of

KINDS_WITH_REFERENCES = frozenset({OperationKind.CHANGE_PLAN, OperationKind.JOIN_POOL})
KINDS_WITH_BUDGET = frozenset({OperationKind.REBIND, OperationKind.RENEW})


async def validate_sim(
    ctx: Context,
    work: UnitOfWork,
    record: SimRecord,
    kind: OperationKind,
    arguments: Mapping[str, Any],
    *,
    open_operation: bool,
) -> Accepted | Refusal:
    """The rules' decision for one SIM, its budgets read from the database. Raises `Malformed`.

    A refusal says what can be done instead, which needs the budgets of every kind (ST-26).
    """
    counts = await budget_counts_of(ctx, work, [record], kind)
    catalogue = await catalogue_for(work, record.tenant, kind)
    decision = validate_counted(
        ctx, record, kind, arguments, counts[record.id], open_operation=open_operation, catalogue=catalogue
    )
    if not isinstance(decision, Refusal) or not decision.remedies:
        return decision
    context = await rule_context_of(ctx, work, record, open_operation=open_operation)
    return decide(record.sim, kind, arguments, context)


def validate_counted(
    ctx: Context,
    record: SimRecord,
    kind: OperationKind,
    arguments: Mapping[str, Any],
    counts: Counts,
    *,
    open_operation: bool,
    catalogue: Catalogue,
    window_at: datetime | None = None,
) -> Accepted | Refusal:
    """The rules' decision where budgets and catalogue are known; a renewal's window as of `window_at`, else now.

    Raises `Malformed`.
    """
    context = rule_context(ctx, record, counts, catalogue, open_operation=open_operation)
    return decide(record.sim, kind, arguments, replace(context, window_at=window_at))


async def catalogue_of(work: UnitOfWork, tenant: str) -> Catalogue:
    """The tenant's whole catalogue."""
    return Catalogue(plans=await work.plans.all(tenant), addons=await work.addons.all(tenant))


async def catalogue_for(work: UnitOfWork, tenant: str, kind: OperationKind) -> Catalogue:
    """What an operation of this kind may name of the catalogue; nothing is read for kinds that name nothing of it."""
    if kind is OperationKind.ORDER_ADDON:
        return Catalogue(addons=await work.addons.all(tenant))
    return Catalogue(plans=await work.plans.all(tenant)) if kind is OperationKind.CHANGE_PLAN else EMPTY


async def rule_context_of(
    ctx: Context,
    work: UnitOfWork,
    record: SimRecord,
    *,
    open_operation: bool | None = None,
    catalogue: Catalogue | None = None,
) -> RuleContext:
    """What the rules need beside the SIM, with the budgets of every kind.

    `open_operation` None: looked up; `catalogue` None: the add-on packs, whose prices remedies tell.
    """
    used = await work.operation_search.budgets(record.id, _month_of(ctx, record))
    busy = used.busy if open_operation is None else open_operation
    known = await catalogue_for(work, record.tenant, OperationKind.ORDER_ADDON) if catalogue is None else catalogue
    counts = Counts(rebinds_this_month=used.rebinds, renewals=used.renewals)
    return rule_context(ctx, record, counts, known, open_operation=busy)


def rule_context(
    ctx: Context,
    record: SimRecord,
    counts: Counts,
    catalogue: Catalogue,
    *,
    open_operation: bool,
    now: datetime | None = None,
) -> RuleContext:
    """What the rules need beside the SIM, where budgets and catalogue are known; `now` None: the present."""
    return RuleContext(
        now=ctx.now() if now is None else now,
        zone=ctx.zone(record.account),
        workdays=ctx.workdays,
        routes=lambda kind, arguments: route_of(ctx, record, kind, arguments),
        counts=counts,
        open_operation=open_operation,
        catalogue=catalogue,
    )


async def budget_counts_of(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], kind: OperationKind
) -> dict[int, Counts]:
    """What each SIM has used of its budgets, by row id, in one query.

    Rebinds are counted within the calendar month (DV-3), renewals over the SIM's whole life (RN-6); no other kind has
    a budget.
    """
    counts = {record.id: Counts() for record in records}
    if kind not in KINDS_WITH_BUDGET or not records:
        return counts
    month = _month_of(ctx, records[0])
    ever = datetime.min.replace(tzinfo=month.tzinfo) + timedelta(days=1)
    since = month if kind is OperationKind.REBIND else ever
    done = await work.operation_search.succeeded_since(counts, kind, since)
    if kind is OperationKind.REBIND:
        return {sim_id: Counts(rebinds_this_month=done.get(sim_id, 0)) for sim_id in counts}
    return {sim_id: Counts(renewals=done.get(sim_id, 0)) for sim_id in counts}


def _month_of(ctx: Context, record: SimRecord) -> datetime:
    """When the calendar month began in the zone of the SIM's account."""
    today = ctx.now().astimezone(ctx.zone(record.account))
    return datetime.combine(today.date().replace(day=1), time(), today.tzinfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What arguments may refer to: the tenant's plans, and its pools with the plan and the time zone of each."""

    plans: Mapping[str, Plan]
    pool_plans: Mapping[str, str]
    pool_zones: Mapping[str, ZoneInfo]
    zone_of: Callable[[str], ZoneInfo]
    order_pools: Mapping[int, str]
    """By row id of a SIM: the pool that other cards of its order are in, or on the way into (PL-5)."""

    def mismatch(self, record: SimRecord, kind: OperationKind, arguments: Mapping[str, Any]) -> Malformed | None:
        """Why the plan or pool named does not fit this SIM: unknown, of another carrier, plan or zone (PL-5)."""
        if kind is OperationKind.CHANGE_PLAN:
            plan = self.plans.get(str(arguments.get("plan")))
            known = plan is not None and plan.carrier is record.sim.carrier
            return None if known else Malformed("UNKNOWN_PLAN", "no such plan for this carrier")
        if kind is OperationKind.JOIN_POOL:
            return self._pool_mismatch(record, str(arguments.get("pool")))
        return None

    def _pool_mismatch(self, record: SimRecord, pool: str) -> Malformed | None:
        plan_id = self.pool_plans.get(pool)
        if plan_id is None:
            return Malformed("UNKNOWN_POOL", "no such pool")
        if plan_id != record.sim.plan.id:
            return Malformed("POOL_MISMATCH", "the pool is of another plan (PL-5)")
        if self.order_pools.get(record.id, pool) != pool:
            return Malformed("POOL_MISMATCH", "the order's cards are in another pool (PL-5)")
        # Zones are compared by name: two accounts may each hold a ZoneInfo of the same zone. A pool without members
        # has no zone yet and takes that of its first one (BC-4).
        here = self.zone_of(record.account)
        same = str(self.pool_zones.get(pool, here)) == str(here)
        return None if same else Malformed("POOL_MISMATCH", "the pool's account is in another zone (BC-4, PL-5)")


async def references_of(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], kind: OperationKind
) -> References:
    """What arguments of this kind may refer to for SIMs of one tenant; empty for kinds that refer to nothing."""
    if kind not in KINDS_WITH_REFERENCES or not records:
        return References(plans={}, pool_plans={}, pool_zones={}, zone_of=ctx.zone, order_pools={})
    tenant = records[0].tenant
    zones = {pool: ctx.zone(account) for pool, account in (await work.plans.pool_accounts(tenant)).items()}
    plans, pool_plans = await work.plans.all(tenant), await work.plans.of_pools(tenant)
    order_pools = await work.plans.pools_of_order_mates(tenant, [record.id for record in records])
    return References(plans=plans, pool_plans=pool_plans, pool_zones=zones, zone_of=ctx.zone, order_pools=order_pools)
