"""When new SIMs are delivered, counted from the payment (SL-6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.db.orders.orders import OrderRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import OrderKind, industrial_allowance
from app.domain.operation.service_levels import Circumstances, Due, due
from app.domain.sim.model import Plan
from app.domain.terms.model import LevelName
from app.domain.vocabulary import Supplier
from app.usecases.accounts import account_for
from app.usecases.context import Context


async def with_delivery(ctx: Context, work: UnitOfWork, order: OrderRecord, paid_at: datetime) -> OrderRecord:
    """The order with the day by which all of its new SIMs are delivered; unchanged where none is published (SL-7)."""
    if order.kind != OrderKind.NEW or order.terms is None:
        return order
    plans = await work.plans.all(order.tenant)
    items = (await work.order_items.new_cards([order.id])).get(order.id, [])
    ordered = [plans[name] for name in {str(item.arguments["plan"]) for item in items} if name in plans]
    dues = [_due(ctx, order.tenant, Supplier(order.terms), plan, paid_at) for plan in ordered]
    told = [(one.due_at, one) for one in dues if one.due_at is not None]
    if not told:
        return order
    due_at, latest = max(told, key=lambda pair: pair[0])
    return replace(order, delivery_earliest=latest.earliest, delivery_due_at=due_at, delivery_rule=latest.rule)


def _due(ctx: Context, tenant: str, terms: Supplier, plan: Plan, paid_at: datetime) -> Due:
    zone = ctx.zone(account_for(ctx, tenant, plan.carrier, None) or "")
    case = Circumstances(industrial_allowance=industrial_allowance(plan))
    return due(terms, plan.carrier, LevelName.DELIVERY, paid_at, zone, ctx.workdays, case=case)
