"""Carts (购物车): what is put in is checked and priced at once; refusals stand beside the prices (RN-5 to RN-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from app.db.orders.carts import CartItemRecord, CartRecord, Filling, NamedEntry
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import AGAIN_IN_CART, MOST_FEN, NOT_OF_ORDER, profile_refusal
from app.domain.identifiers import alternate_iccid
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import Supplier
from app.usecases.balance.account import profile_missing
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound
from app.usecases.ids import new_id
from app.usecases.orders.check import check_entries
from app.usecases.orders.fill import Wish, fill, iccid_of
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


async def put_all(
    ctx: Context, work: UnitOfWork, cart: CartRecord, wishes: Sequence[Wish], *, at: str = "/items"
) -> CartRecord:
    """Put items into a cart as `put` does, one after the other; those in a row that name a SIM each at once."""
    start = 0
    while start < len(wishes):
        run = _named_run(wishes[start:])
        if len(run) > 1:
            cart = await _put_named(ctx, work, cart, run, [f"{at}/{start + index}" for index in range(len(run))])
        else:
            cart = await put(ctx, work, cart, wishes[start], at=f"{at}/{start}")
        start += max(len(run), 1)
    return cart


def _named_run(wishes: Sequence[Wish]) -> Sequence[Wish]:
    """The first wishes that are alike: of one kind, and each for another SIM that it names."""
    seen: set[str] = set()
    for length, wish in enumerate(wishes):
        same = wish.kind is wishes[0].kind and wish.of_order == wishes[0].of_order
        forms = {wish.iccid, alternate_iccid(wish.iccid) or wish.iccid} if wish.iccid and same else set()
        if not forms or forms & seen:
            return wishes[:length]
        seen |= forms
    return wishes


async def put(ctx: Context, work: UnitOfWork, cart: CartRecord, wish: Wish, *, at: str = "") -> CartRecord:
    """Put an item into a cart that the caller has locked, check and price it; `at`: its pointer in the request.

    Gives the cart with its supplier. Raises `InvalidArgument`, `RangeBlocked`.
    """
    await _check_packs(work, cart, [wish], [at])
    items = await _room_for(work, cart, 1, at)
    (item,) = await _add_items(work, cart, items, [wish])
    filling = Filling(cart=cart, item=item, arguments=dict(wish.arguments), refusals=_REFUSALS, of_order=wish.of_order)
    first = await work.carts.last_position(cart.id)
    entries = sum(one.entries for one in items)
    made = await fill(ctx, work, filling, wish, first, most=MOST_ENTRIES - entries, at=at)
    if made == 0:
        raise InvalidArgument([Fault(pointer=f"{at}/selector", code="EMPTY_SELECTION", detail="no SIM is selected")])
    if entries + made > MOST_ENTRIES:
        raise _too_many(at, f"at most {MOST_ENTRIES} SIMs in a cart")
    return await _checked(ctx, work, cart, first, at)


async def _put_named(
    ctx: Context, work: UnitOfWork, cart: CartRecord, wishes: Sequence[Wish], pointers: Sequence[str]
) -> CartRecord:
    """Put items of one kind into a cart that name different SIMs: the same statements for five hundred as for one."""
    await _check_packs(work, cart, wishes, pointers)
    items = await _room_for(work, cart, len(wishes), pointers[-1])
    added = await _add_items(work, cart, items, wishes)
    named = [
        NamedEntry(item=item.number, iccid=iccid, alternate=alternate_iccid(iccid), arguments=wish.arguments)
        for item, wish, pointer in zip(added, wishes, pointers, strict=True)
        for iccid in (iccid_of(str(wish.iccid), pointer),)
    ]
    filling = Filling(cart=cart, item=added[0], arguments={}, refusals=_REFUSALS, of_order=wishes[0].of_order)
    first = await work.carts.last_position(cart.id)
    if sum(one.entries for one in items) + len(named) > MOST_ENTRIES:
        raise _too_many(pointers[-1], f"at most {MOST_ENTRIES} SIMs in a cart")
    await work.carts.fill_named(filling, first, named)
    return await _checked(ctx, work, cart, first, pointers[-1])


async def _room_for(work: UnitOfWork, cart: CartRecord, more: int, at: str) -> list[CartItemRecord]:
    """The items that a cart has. Raises `InvalidArgument` where so many more are too many."""
    items = await work.carts.items(cart.id)
    if len(items) + more > MOST_ITEMS:
        raise _too_many(at, f"at most {MOST_ITEMS} items")
    return items


async def _add_items(
    work: UnitOfWork, cart: CartRecord, items: Sequence[CartItemRecord], wishes: Sequence[Wish]
) -> list[CartItemRecord]:
    last = max((one.number for one in items), default=0)
    added = [
        CartItemRecord(number=number, kind=wish.kind.value, given=dict(wish.given))
        for number, wish in enumerate(wishes, start=last + 1)
    ]
    await work.carts.add_items(cart.id, added)
    return added


async def _checked(ctx: Context, work: UnitOfWork, cart: CartRecord, first: int, at: str) -> CartRecord:
    """Check and count what was put in behind the position `first`. Raises `InvalidArgument`."""
    cart = await check_entries(ctx, work, cart, after=first)
    await work.carts.count(cart.id)
    if sum(one.amount_fen for one in await work.carts.items(cart.id)) > MOST_FEN:
        raise InvalidArgument([Fault(pointer=at, code="AMOUNT_TOO_LARGE", detail="the cart costs too much")])
    return cart


async def _check_packs(work: UnitOfWork, cart: CartRecord, wishes: Sequence[Wish], pointers: Sequence[str]) -> None:
    """Raises `InvalidArgument` for add-on packs that the catalogue does not have."""
    wanted = [(wish, at) for wish, at in zip(wishes, pointers, strict=True) if "addon" in wish.arguments]
    known = await work.addons.all(cart.tenant) if wanted else {}
    faults = [
        Fault(pointer=f"{at}/addon", code="UNKNOWN_ADDON", detail="no such add-on pack")
        for wish, at in wanted
        if str(wish.arguments["addon"]) not in known
    ]
    if faults:
        raise InvalidArgument(faults)


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
