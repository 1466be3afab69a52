"""The end of an order whose items have all ended, and the event that tells it."""

from __future__ import annotations

from dataclasses import replace

from app.db.orders.orders import OrderRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import OrderState
from app.domain.events import EventType
from app.usecases.context import Context
from app.usecases.events import EventStamp, order_event
from app.usecases.orders.views import line, order_views

_EVENTS = {OrderState.DONE: EventType.ORDER_DONE, OrderState.FAILED: EventType.ORDER_FAILED}


async def finish(ctx: Context, work: UnitOfWork, order: OrderRecord) -> bool:
    """End an order being fulfilled, which the caller has locked, once all of its items have ended; whether it ended."""
    counts = (await work.order_items.counts([order.id])).get(order.id, {})
    if counts.get("pending") or counts.get("open"):
        return False
    now, failed = ctx.now(), counts.get("failed", 0)
    state = OrderState.FAILED if failed else OrderState.DONE
    reason = f"{failed} of {order.items} items failed" if failed else None
    ended = replace(
        order,
        status=state.value,
        failure_reason=reason,
        finished_at=now,
        history=(*order.history, line(now, state, reason or "")),
    )
    await work.orders.save(ended)
    await announce_end(ctx, work, order, ended)
    return True


async def announce_end(ctx: Context, work: UnitOfWork, before: OrderRecord, after: OrderRecord) -> None:
    """Store the event of an order that is done or has failed; a cancelled one has none."""
    kind = _EVENTS.get(OrderState(after.status))
    if kind is None:
        return
    [view] = await order_views(work, [after])
    stamp = EventStamp(tenant=after.tenant, known_at=ctx.now())
    event = order_event(kind, stamp, after.id, before=before.status, after=after.status, view=view)
    await work.events.add([event])
