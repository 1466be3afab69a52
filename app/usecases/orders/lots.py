"""Check and price what is bought without naming a SIM: add-on packs of pools (QT-7), and new SIMs (OR-3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.db.orders.carts import CartEntry, CartRecord, CheckedEntry
from app.db.pools import rows as pools
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import (
    MOST_FEN,
    NOT_PRICED,
    SMALL_ORDER,
    ItemKind,
    pool_addon_refusal,
    shipping_refusal,
    small_order,
)
from app.domain.errors import Malformed
from app.domain.operation.prices import Catalogue, addon_price, pack_as_sold
from app.domain.operation.refusal import Refusal
from app.domain.sim.model import Plan
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import Supplier
from app.usecases.orders.refusals import refusal_json

UNKNOWN_POOL = Malformed("UNKNOWN_POOL", "no such pool")
UNKNOWN_PLAN = Malformed("UNKNOWN_PLAN", "no such plan")
TOO_MUCH = Malformed("AMOUNT_TOO_LARGE", "it costs too much")


async def check_lot(
    work: UnitOfWork, cart: CartRecord, entry: CartEntry, catalogue: Catalogue, others: set[ItemKind], now: datetime
) -> CheckedEntry:
    """An entry about a pool or about new SIMs, with its price, or with the reason why it is refused."""
    refused: Refusal | Malformed | None = shipping_refusal(ItemKind(entry.kind), others)
    if entry.kind == ItemKind.POOL_ADDON:
        price, found = await _pool_addon(work, cart, entry, catalogue)
        conditions: tuple[str, ...] = ()
    else:
        price, conditions, found = _new_cards(cart, entry, catalogue.plans, now)
    refused = refused or found
    if refused is None and price is None:
        refused = NOT_PRICED
    if refused is None and price is not None and price > MOST_FEN:
        refused = TOO_MUCH
    return CheckedEntry(
        price_fen=price if price is None or price <= MOST_FEN else None,
        sold=pack_as_sold(catalogue.addons[str(entry.arguments["addon"])]) if "addon" in entry.arguments else {},
        conditions=list(conditions),
        refusal=None if refused is None else refusal_json(refused),
    )


async def _pool_addon(
    work: UnitOfWork, cart: CartRecord, entry: CartEntry, catalogue: Catalogue
) -> tuple[int | None, Refusal | Malformed | None]:
    """What a pool's pack costs, and why it is refused; the pack is known."""
    pack = catalogue.addons[str(entry.arguments["addon"])]
    pool = await pools.get(await work.driver(), cart.tenant, str(entry.pool))
    plan = catalogue.plans.get(pool["plan"]) if pool is not None else None
    if plan is None:
        return addon_price(pack), UNKNOWN_POOL
    return addon_price(pack), pool_addon_refusal(pack, plan)


def _new_cards(
    cart: CartRecord, entry: CartEntry, plans: Mapping[str, Plan], now: datetime
) -> tuple[int | None, tuple[str, ...], Refusal | Malformed | None]:
    """What new SIMs cost, under which conditions they are sold, and why they are not (OR-3)."""
    plan, quantity = plans.get(str(entry.arguments["plan"])), entry.quantity or 0
    if plan is None:
        return None, (), UNKNOWN_PLAN
    price = None if plan.price_fen is None else plan.price_fen * quantity
    if cart.terms is None:
        return price, (), None
    terms = terms_in_force(Supplier(cart.terms), plan.carrier, now.date())
    small = small_order(terms, plan.allowance, quantity)
    if small is None:
        return price, (), None
    return price, small.conditions if small.allowed else (), None if small.allowed else SMALL_ORDER
