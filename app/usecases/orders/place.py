"""Place an order: freeze what a cart holds, with its prices (OR-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.orders.carts import CartEntry, CartRecord
from app.db.orders.orders import OrderRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import ItemKind, OrderState, order_kind
from app.domain.operation.refusal import RefusalCode
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, OperationRefused
from app.usecases.ids import new_id
from app.usecases.orders.carts import cart_to_change, check_again, open_cart, put_all, refusals_of
from app.usecases.orders.fill import Wish
from app.usecases.orders.refusals import refusal_text
from app.usecases.orders.views import line

SHOWN = 100
"""Refused entries that an answer names."""


class CartRefused(InvalidArgument):
    """Something in the cart cannot be ordered: the first refusal's code and rule, and every refusal up to `SHOWN`."""

    def __init__(self, entries: Sequence[CartEntry], refused: int, *, at: str) -> None:
        reasons = [(entry, entry.refusal or {}) for entry in entries]
        super().__init__(
            [
                Fault(
                    pointer=f"{at}/{entry.item - (at == '/items')}",
                    code=reason["code"],
                    detail=f"{entry.iccid or entry.pool or 'new cards'}: {refusal_text(reason, 'en')}",
                )
                for entry, reason in reasons
            ],
            "some of the cart cannot be ordered",
        )
        first = reasons[0][1]
        self.code = first["code"] if first["code"] in set(RefusalCode) else InvalidArgument.code
        self.facts = {
            "rule": first.get("rule"),
            "count": refused,
            "earliest_retry_at": first.get("earliest_retry_at"),
            "assumed": first.get("assumed"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """The command: a cart, or what would be put into one; `leave_out_refused`: order the rest of it."""

    tenant: str
    cart: UUID | None = None
    wishes: tuple[Wish, ...] = ()
    auto_renew: bool = False
    leave_out_refused: bool = False
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None


async def place_order(ctx: Context, work: UnitOfWork, command: PlaceOrder) -> OrderRecord:
    """Store the order of a cart; it waits to be paid.

    Raises `NotFound`, `Conflict` (the cart has become an order), `OperationRefused` (RN-9), `CartRefused`,
    `InvalidArgument`.
    """
    if command.cart is not None:
        cart = await check_again(ctx, work, await cart_to_change(work, command.tenant, command.cart))
    else:
        cart = await open_cart(ctx, work, command.tenant, created_by=command.requested_by)
        cart = await put_all(ctx, work, cart, command.wishes)
    await _check_refusals(ctx, work, cart, command)
    order = await _store(ctx, work, cart, command)
    await work.carts.change(cart.id, order_id=order.id)
    await work.access.add_audit([order_audit(ctx, order, "placed", command.requested_by)])
    return order


async def _check_refusals(ctx: Context, work: UnitOfWork, cart: CartRecord, command: PlaceOrder) -> None:
    items = await work.carts.items(cart.id)
    refused, entries = sum(one.refused for one in items), sum(one.entries for one in items)
    at = "/cart/items" if command.cart is not None else "/items"
    if entries == 0:
        raise InvalidArgument([Fault(pointer=at, code="EMPTY_SELECTION", detail="the cart is empty")])
    for refusal in await refusals_of(ctx, work, cart):
        raise OperationRefused(refusal)
    if refused and (refused == entries or not command.leave_out_refused):
        raise CartRefused(await work.carts.entries(cart.id, after=0, limit=SHOWN, refused=True), refused, at=at)


async def _store(ctx: Context, work: UnitOfWork, cart: CartRecord, command: PlaceOrder) -> OrderRecord:
    totals = await work.order_items.totals(cart.tenant, cart.id)
    now = ctx.now()
    order = OrderRecord(
        id=new_id(now),
        tenant=cart.tenant,
        kind=order_kind(ItemKind(kind) for kind in totals.kinds).value,
        status=OrderState.PLACED.value,
        terms=cart.terms,
        amount_fen=totals.amount_fen,
        items=totals.items,
        cards=totals.cards,
        pooled=totals.pooled,
        months=totals.months,
        auto_renew=command.auto_renew,
        history=(line(now, OrderState.PLACED),),
        requested_by=command.requested_by,
        reason=command.reason,
        correlation_id=command.correlation_id,
        created_at=now,
    )
    await work.orders.add(order)
    await work.order_items.take_from_cart(order.id, cart.id)
    return order


def order_audit(
    ctx: Context, order: OrderRecord, action: str, actor: str | None, *, after: dict[str, Any] | None = None
) -> AuditRow:
    """The line of the audit trail about an order."""
    facts = {"status": order.status, "amount_fen": order.amount_fen} if after is None else after
    return AuditRow(
        tenant=order.tenant,
        at=ctx.now(),
        actor=actor or "api",
        action=f"order.{action}",
        subject=str(order.id),
        reason=order.reason,
        correlation_id=order.correlation_id,
        after=facts,
    )
