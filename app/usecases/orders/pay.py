"""The payment of an order counts once, however often and from however many it is told (RN-6, ADR 21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from app.db.orders.orders import OrderRecord, PaymentRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import UNPAID, OrderState, judged_at, shows_cards, states_until_paid
from app.domain.events import EventType
from app.usecases.context import Context
from app.usecases.errors import AmountMismatch, Conflict, Fault, InvalidArgument, NotFound
from app.usecases.events import EventStamp, order_event
from app.usecases.orders.delivery import with_delivery
from app.usecases.orders.place import order_audit
from app.usecases.orders.views import line, order_views

AHEAD = timedelta(minutes=10)
"""How far ahead of ours the clock of a payment may be."""

PaidFrom = Literal["outside", "balance"]


async def find_order(work: UnitOfWork, tenant: str, order_id: UUID, *, for_update: bool = False) -> OrderRecord:
    """One order. Raises `NotFound`."""
    order = await work.orders.get(tenant, order_id, for_update=for_update)
    if order is None:
        raise NotFound("order")
    return order


async def cards_of(work: UnitOfWork, order: OrderRecord, *, after: int, limit: int) -> Sequence[Any]:
    """A page of the SIMs that came with an order: none before it is done (OR-1)."""
    if not shows_cards(OrderState(order.status)):
        return []
    return await work.orders.cards_of(order.tenant, order.id, after=after, limit=limit)


async def pay_order(
    ctx: Context,
    work: UnitOfWork,
    order: OrderRecord,
    *,
    amount_fen: int,
    reference: str,
    paid_at: datetime,
    paid_from: PaidFrom,
    actor: str | None = None,
) -> OrderRecord:
    """Mark an order paid that the caller has locked; its items are due from this transaction's end on.

    The same payment again changes nothing. Raises `AmountMismatch`; `Conflict` for another payment of a paid order and
    for an order that is not to be paid; `InvalidArgument` for a payment of the future.
    """
    now = ctx.now()
    earlier = (await work.orders.payments([order.id])).get(order.id)
    if earlier is not None and earlier.reference != reference:
        raise Conflict("INCOMPATIBLE_STATE", "the order has been paid", status_now=order.status)
    if amount_fen != order.amount_fen:
        raise AmountMismatch(order.amount_fen, "the payment is not the amount of the order")
    if earlier is not None:
        return order
    if OrderState(order.status) not in UNPAID:
        raise Conflict("INCOMPATIBLE_STATE", "the order is not to be paid", status_now=order.status)
    if paid_at > now + AHEAD:
        raise InvalidArgument([Fault(pointer="/paid_at", code="PAID_AT_TOO_FAR_AHEAD", detail="beyond 10 minutes")])
    payment = PaymentRecord(
        order_id=order.id,
        tenant=order.tenant,
        amount_fen=amount_fen,
        reference=reference,
        paid_from=paid_from,
        paid_at=paid_at,
        judged_at=judged_at(paid_at, order.created_at),
        received_at=now,
    )
    await work.orders.add_payment(payment)
    return await _fulfil(ctx, work, order, payment, actor)


async def _fulfil(
    ctx: Context, work: UnitOfWork, order: OrderRecord, payment: PaymentRecord, actor: str | None
) -> OrderRecord:
    """The order being fulfilled, with its event; the payment ends what was left of its review (OR-1, D)."""
    now = payment.received_at
    lines = tuple(line(now, state, "paid") for state in states_until_paid(OrderState(order.status)))
    order = await with_delivery(ctx, work, order, payment.paid_at)
    paid = replace(order, status=OrderState.FULFILLING.value, history=(*order.history, *lines))
    await work.orders.save(paid)
    [view] = await order_views(work, [paid])
    stamp = EventStamp(tenant=order.tenant, known_at=now, took_effect_at=payment.paid_at)
    event = order_event(EventType.ORDER_PAID, stamp, order.id, before=order.status, after=paid.status, view=view)
    await work.events.add([event])
    facts = {"amount_fen": payment.amount_fen, "reference": payment.reference, "paid_from": payment.paid_from}
    await work.access.add_audit([order_audit(ctx, paid, "paid", actor, after=facts)])
    return paid
