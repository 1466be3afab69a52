"""Carts (购物车): what is put in is checked and priced at once; refusals stand beside the prices (RN-5 to RN-10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from app.db.orders.carts import CartItemRecord, CartRecord, Filling
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import AGAIN_IN_CART, MOST_FEN, NOT_OF_ORDER, ItemKind, profile_refusal
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import Supplier
from app.usecases.balance.account import profile_missing
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.ids import new_id
from app.usecases.orders.check import check_entries
from app.usecases.orders.fill import Wish, fill
from app.usecases.orders.refusals import UNKNOWN, refusal_json

MOST_ENTRIES = 100_000
"""SIMs of one cart."""

MOST_ITEMS = 500
"""Items of one cart."""

KEPT = timedelta(days=30)
"""How long a cart is kept; orders have their items of their own."""

_REFUSALS = {
    "unknown": dict(UNKNOWN),
    "not_of_order": refusal_json(NOT_OF_ORDER),
    "again": refusal_json(AGAIN_IN_CART),
}


async def open_cart(
    ctx: Context, work: UnitOfWork, tenant: str, *, terms: str | None = None, created_by: str | None = None
) -> CartRecord:
    """Add an empty cart; `terms`: the supplier whose SIMs it takes, None: that of its first SIM."""
    now = ctx.now()
    cart = CartRecord(id=new_id(now), tenant=tenant, created_at=now, checked_at=now, terms=terms, created_by=created_by)
    await work.carts.add(cart)
    return cart


async def find_cart(work: UnitOfWork, tenant: str, cart_id: UUID, *, for_update: bool = False) -> CartRecord:
    """One cart. Raises `NotFound`."""
    cart = await work.carts.get(tenant, cart_id, for_update=for_update)
    if cart is None:
        raise NotFound("cart")
    return cart


async def cart_to_change(work: UnitOfWork, tenant: str, cart_id: UUID) -> CartRecord:
    """One cart, locked. Raises `NotFound`, `Conflict` where it has become an order."""
    cart = await find_cart(work, tenant, cart_id, for_update=True)
    if cart.order_id is not None:
        raise Conflict("INCOMPATIBLE_STATE", "the cart has become an order", order=str(cart.order_id))
    return cart


async def put(ctx: Context, work: UnitOfWork, cart: CartRecord, wish: Wish, *, at: str = "") -> CartRecord:
    """Put an item into a cart that the caller has locked, check and price it; `at`: its pointer in the request.

    Gives the cart with its supplier. Raises `InvalidArgument`, `RangeBlocked`.
    """
    wish = await _with_pack(work, cart, wish, at)
    items = await work.carts.items(cart.id)
    if len(items) >= MOST_ITEMS:
        raise _too_many(at, f"at most {MOST_ITEMS} items")
    item = CartItemRecord(
        number=max((one.number for one in items), default=0) + 1, kind=wish.kind.value, given=dict(wish.given)
    )
    await work.carts.add_item(cart.id, item)
    filling = Filling(cart=cart, item=item, arguments=dict(wish.arguments), refusals=_REFUSALS, of_order=wish.of_order)
    first = await work.carts.last_position(cart.id)
    entries = sum(one.entries for one in items)
    made = await fill(ctx, work, filling, wish, first, most=MOST_ENTRIES - entries, at=at)
    if made == 0:
        raise InvalidArgument([Fault(pointer=f"{at}/selector", code="EMPTY_SELECTION", detail="no SIM is selected")])
    if entries + made > MOST_ENTRIES:
        raise _too_many(at, f"at most {MOST_ENTRIES} SIMs in a cart")
    cart = await check_entries(ctx, work, cart, item=item.number)
    await work.carts.count(cart.id)
    if sum(one.amount_fen for one in await work.carts.items(cart.id)) > MOST_FEN:
        raise InvalidArgument([Fault(pointer=at, code="AMOUNT_TOO_LARGE", detail="the cart costs too much")])
    return cart


async def _with_pack(work: UnitOfWork, cart: CartRecord, wish: Wish, at: str) -> Wish:
    """A pool's pack with its size as it is now: what is bought does not change any more. Raises `InvalidArgument`."""
    if wish.kind not in (ItemKind.CARD_ADDON, ItemKind.POOL_ADDON):
        return wish
    pack = (await work.addons.all(cart.tenant)).get(str(wish.arguments["addon"]))
    if pack is None:
        raise InvalidArgument([Fault(pointer=f"{at}/addon", code="UNKNOWN_ADDON", detail="no such add-on pack")])
    if wish.kind is ItemKind.CARD_ADDON:
        return wish
    return replace(wish, arguments={**wish.arguments, "bytes": pack.bytes})


def _too_many(at: str, detail: str) -> InvalidArgument:
    return InvalidArgument([Fault(pointer=at, code="TOO_MANY_ITEMS", detail=detail)])


async def remove(work: UnitOfWork, tenant: str, cart_id: UUID, number: int) -> CartRecord:
    """Take an item out of a cart. Raises `NotFound`, `Conflict`."""
    cart = await cart_to_change(work, tenant, cart_id)
    if not await work.carts.delete_item(cart.id, number):
        raise NotFound("cart item")
    return cart


async def check_again(ctx: Context, work: UnitOfWork, cart: CartRecord) -> CartRecord:
    """Check the entries again that were found good, where a day may have begun since then (windows are by day)."""
    now = ctx.now()
    if _quarter(cart.checked_at) == _quarter(now):
        return cart
    cart = await check_entries(ctx, work, cart)
    await work.carts.count(cart.id)
    await work.carts.change(cart.id, checked_at=now)
    return replace(cart, checked_at=now)


def _quarter(at: datetime) -> int:
    """The quarter of an hour of an instant: in every zone a day begins with one."""
    return int(at.timestamp()) // 900


async def refusals_of(ctx: Context, work: UnitOfWork, cart: CartRecord) -> list[Refusal]:
    """Why nothing of a cart can be ordered now, whatever is in it (RN-9)."""
    if cart.terms is None:
        return []
    complete = not await profile_missing(work, cart.tenant)
    refused = profile_refusal(Supplier(cart.terms), ctx.now().date(), complete=complete)
    return [] if refused is None else [refused]


async def delete_old_carts(ctx: Context) -> int:
    """Delete carts made longer than `KEPT` ago; gives how many."""
    async with ctx.work() as work:
        deleted = await work.carts.delete_old(ctx.now() - KEPT)
        await work.commit()
    return deleted
