"""What happens to an order beside its payment: cancelled by the buyer, moved on by the supplier, tried again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.db.orders.orders import OrderRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import UNPAID, ItemKind, OrderKind, OrderState, may_move
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.orders.finish import announce_end
from app.usecases.orders.pay import find_order
from app.usecases.orders.place import order_audit
from app.usecases.orders.views import line


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOrder:
    """What the supplier states of an order: its new status, and what is known with it; None: as it was."""

    status: OrderState
    failure_reason: str | None = None
    batch: str | None = None
    courier: str | None = None
    tracking_number: str | None = None
    note: str = ""


async def cancel(ctx: Context, work: UnitOfWork, tenant: str, order_id: UUID, *, actor: str) -> OrderRecord:
    """Cancel an order that is not paid. Raises `NotFound`, `Conflict`."""
    order = await find_order(work, tenant, order_id, for_update=True)
    if OrderState(order.status) not in UNPAID:
        raise Conflict("INCOMPATIBLE_STATE", "only an order that is not paid is cancelled", status_now=order.status)
    return await _end(ctx, work, order, OrderState.CANCELLED, None, actor)


async def move(
    ctx: Context, work: UnitOfWork, tenant: str, order_id: UUID, wanted: MoveOrder, *, actor: str
) -> OrderRecord:
    """Move an order on, as its supplier states (OR-1); the same status again only takes what is told with it.

    Raises `NotFound`; `Conflict` for a step that does not follow; `InvalidArgument` for a failure without a reason.
    """
    order = await find_order(work, tenant, order_id, for_update=True)
    state = OrderState(order.status)
    if wanted.status is not state and not _may_state(order, wanted.status):
        raise Conflict("INCOMPATIBLE_STATE", "the order does not take this step", status_now=order.status)
    if wanted.status is OrderState.FAILED and not wanted.failure_reason and not order.failure_reason:
        raise InvalidArgument([Fault(pointer="/failure_reason", code="REQUIRED", detail="why it failed")])
    told = {name: getattr(wanted, name) for name in ("batch", "courier", "tracking_number", "failure_reason")}
    order = replace(order, **{name: value for name, value in told.items() if value is not None})
    if wanted.status is state:
        await work.orders.save(order)
    elif wanted.status in (OrderState.DONE, OrderState.FAILED):
        return await _end(ctx, work, order, wanted.status, wanted.note, actor)
    else:
        order = replace(
            order, status=wanted.status.value, history=(*order.history, line(ctx.now(), wanted.status, wanted.note))
        )
        await work.orders.save(order)
    await work.access.add_audit([order_audit(ctx, order, "moved", actor)])
    return order


def _may_state(order: OrderRecord, status: OrderState) -> bool:
    """Whether the supplier decides this step: of a paid order that is applied, its items do."""
    kind, state = OrderKind(order.kind), OrderState(order.status)
    return may_move(kind, state, status) and (state in UNPAID or kind is OrderKind.NEW)


async def _end(
    ctx: Context, work: UnitOfWork, order: OrderRecord, status: OrderState, note: str | None, actor: str
) -> OrderRecord:
    """End an order with those of its items that have not ended."""
    now = ctx.now()
    ended = replace(
        order, status=status.value, finished_at=now, history=(*order.history, line(now, status, note or ""))
    )
    await work.orders.save(ended)
    item_status = {OrderState.DONE: "succeeded", OrderState.FAILED: "failed"}.get(status, "cancelled")
    await work.order_items.set_all(order.id, "pending", item_status, now, _error(ended, status))
    await announce_end(ctx, work, order, ended)
    await work.access.add_audit([order_audit(ctx, ended, status.value, actor)])
    return ended


def _error(order: OrderRecord, status: OrderState) -> dict[str, Any] | None:
    if status is not OrderState.FAILED:
        return None
    return {"code": "ORDER_FAILED", "text": order.failure_reason or "the supplier failed the order"}


async def retry(ctx: Context, work: UnitOfWork, tenant: str, order_id: UUID, number: int, *, actor: str) -> OrderRecord:
    """Make a failed item of a paid order due again; nothing is paid again (OR-2). Raises `NotFound`, `Conflict`."""
    order = await find_order(work, tenant, order_id, for_update=True)
    item = await work.order_items.get(order.id, number)
    if item is None:
        raise NotFound("order item")
    paid = order.id in await work.orders.payments([order.id])
    if not paid or item.status != "failed":
        raise Conflict(
            "INCOMPATIBLE_STATE", "only a failed item of a paid order is tried again", status_now=item.status
        )
    await work.order_items.retry(order.id, number)
    if order.status == OrderState.FAILED:
        again = line(ctx.now(), OrderState.FULFILLING, f"item {number} is tried again")
        order = replace(
            order,
            status=OrderState.FULFILLING.value,
            failure_reason=None,
            finished_at=None,
            history=(*order.history, again),
        )
        await work.orders.save(order)
    facts = {"item": number, "kind": ItemKind(item.kind).value}
    await work.access.add_audit([order_audit(ctx, order, "item_retried", actor, after=facts)])
    return order
