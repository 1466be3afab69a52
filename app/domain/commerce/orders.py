"""Orders (订单): kinds, state machine, after-sales requests, small orders, carts (OR, RN-6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from app.domain.operation.prices import is_for_pool
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.sim.model import Addon, Plan
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Terms
from app.domain.units import GB, MB
from app.domain.vocabulary import AfterSalesRequest, Carrier, OperationKind, PlanKind, Supplier


class ItemKind(StrEnum):
    """What one item of a cart or an order buys."""

    RENEW = "renew"
    CARD_ADDON = "card_addon"
    POOL_ADDON = "pool_addon"
    CHANGE_PLAN = "change_plan"
    NEW_CARDS = "new_cards"


OPERATION_OF: Mapping[ItemKind, OperationKind] = MappingProxyType(
    {
        ItemKind.RENEW: OperationKind.RENEW,
        ItemKind.CARD_ADDON: OperationKind.ORDER_ADDON,
        ItemKind.CHANGE_PLAN: OperationKind.CHANGE_PLAN,
    }
)
"""The operation that carries out an item; of the others, one is booked to its pool, one is shipped."""


class OrderKind(StrEnum):
    """What is ordered (OR-1); plan changes and orders of several kinds are additions of ours (D)."""

    NEW = "new"
    RENEWAL = "renewal"
    CARD_ADDON = "card_addon"
    POOL_ADDON = "pool_addon"
    PLAN_CHANGE = "plan_change"
    MIXED = "mixed"


_OF_ITEMS: Mapping[ItemKind, OrderKind] = MappingProxyType(
    {
        ItemKind.RENEW: OrderKind.RENEWAL,
        ItemKind.CARD_ADDON: OrderKind.CARD_ADDON,
        ItemKind.POOL_ADDON: OrderKind.POOL_ADDON,
        ItemKind.CHANGE_PLAN: OrderKind.PLAN_CHANGE,
        ItemKind.NEW_CARDS: OrderKind.NEW,
    }
)


def order_kind(items: Iterable[ItemKind]) -> OrderKind:
    """The kind of an order of these items (OR-1)."""
    kinds = {_OF_ITEMS[kind] for kind in items}
    return next(iter(kinds)) if len(kinds) == 1 else OrderKind.MIXED


class OrderState(StrEnum):
    """The state of an order (OR-1); `fulfilling` is to ship (待发货) of new cards, else renewing (续单中).

    `failed` has a reason, `cancelled` is an addition of ours (D).
    """

    PLACED = "placed"
    REVIEWING = "reviewing"
    REVIEWED = "reviewed"
    FULFILLING = "fulfilling"
    SHIPPED = "shipped"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = OrderState
_EARLY = frozenset({_S.FAILED, _S.CANCELLED})

NEXT: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        _S.PLACED: _EARLY | {_S.REVIEWING},
        _S.REVIEWING: _EARLY | {_S.REVIEWED},
        _S.REVIEWED: _EARLY | {_S.FULFILLING},
        _S.FULFILLING: frozenset({_S.SHIPPED, _S.DONE, _S.FAILED}),
        _S.SHIPPED: frozenset({_S.DONE, _S.FAILED}),
        _S.DONE: frozenset(),
        _S.FAILED: frozenset({_S.FULFILLING}),
        _S.CANCELLED: frozenset(),
    },
)
"""The transitions (OR-1): a new order ships, the others are applied without shipping; a failed one that was paid is
tried again (D)."""

UNPAID = frozenset({_S.PLACED, _S.REVIEWING, _S.REVIEWED})
"""The states in which an order waits to be paid, and may still be cancelled."""


def may_move(kind: OrderKind, from_state: OrderState, to_state: OrderState) -> bool:
    """Whether an order of this kind may change from one state to the other (OR-1)."""
    ships = kind is OrderKind.NEW
    by_kind = {(_S.FULFILLING, _S.SHIPPED): ships, (_S.FULFILLING, _S.DONE): not ships}
    return to_state in NEXT[from_state] and by_kind.get((from_state, to_state), True)


def states_until_paid(state: OrderState) -> tuple[OrderState, ...]:
    """The states that a payment leads through: it ends what was left of the review (OR-1, D)."""
    way = (_S.PLACED, _S.REVIEWING, _S.REVIEWED, _S.FULFILLING)
    return way[way.index(state) + 1 :]


MOST_FEN = 1 << 53
"""The most that a cart may cost, in fen: an exact number for every reader."""


def judged_at(paid_at: datetime, placed_at: datetime) -> datetime:
    """The instant at which the windows of a paid order are judged: of its payment, not before it was placed (RN-1)."""
    return max(paid_at, placed_at)


def shows_shipping(state: OrderState) -> bool:
    """Whether courier and tracking number are shown: once shipped or done (OR-1, GSL 6.1)."""
    return state in (_S.SHIPPED, _S.DONE)


def shows_cards(state: OrderState) -> bool:
    """Whether the order's SIMs are shown: once it is done (OR-1, GSL 9.1)."""
    return state is _S.DONE


def _refused(rule: str, detail: str) -> Refusal:
    return Refusal(code=RefusalCode.RULE_VIOLATION, rule=rule, detail=detail)


def after_sales_refusal(terms: Terms, request: AfterSalesRequest, *, card_faulty: bool = False) -> Refusal | None:
    """Why the supplier does not do this after the purchase; None: it does, or nothing is published (OR-2).

    A faulty card is refunded all the same.
    """
    refused = request in (terms.after_sales_refused.value or ())
    if not refused or (request is AfterSalesRequest.REFUND and card_faulty):
        return None
    return _refused("OR-2", f"order_{request}")


def refused_after_sales(supplier: Supplier, on: date) -> Mapping[AfterSalesRequest, Refusal]:
    """What a supplier does not do after a purchase of this day (OR-2); it says so for all of its carriers alike."""
    terms = terms_in_force(supplier, next(iter(Carrier)), on)
    found = {request: after_sales_refusal(terms, request) for request in AfterSalesRequest}
    return {request: refused for request, refused in found.items() if refused is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallOrder:
    """Whether a small order is accepted, and under which conditions (OR-3)."""

    allowed: bool
    freight_collect: bool = False
    via_account_manager: bool = False

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions by their names."""
        return tuple(name for name in ("freight_collect", "via_account_manager") if getattr(self, name))


TEST_PLAN = 100 * MB
"""The monthly allowance of test SIMs in bytes (OR-3, GSL 5.1)."""


def small_order(terms: Terms, allowance: int, cards: int) -> SmallOrder | None:
    """What holds for an order of a few new SIMs; None: it is not a small one, or nothing is published (OR-3).

    As many as the terms name, of plans over 1 GB a month, freight collect; or as many test SIMs of 100 MB by the
    account manager. `allowance`: the plan's bytes a month; `cards`: SIMs ordered.
    """
    small = terms.small_order_cards.value
    if small is None or cards > small:
        return None
    if allowance > GB:
        return SmallOrder(allowed=cards == small, freight_collect=True)
    return SmallOrder(allowed=allowance == TEST_PLAN and cards == small, via_account_manager=True)


def supplier_refusal(card: Supplier, cart: Supplier | None) -> Refusal | None:
    """RN-5: a SIM that bears another supplier's terms than the rest of the cart is not bought for there."""
    return None if cart in (None, card) else _refused("RN-5", "other_supplier")


def shipping_refusal(kind: ItemKind, others: Iterable[ItemKind]) -> Refusal | None:
    """OR-1: new SIMs are shipped, everything else is applied: they are ordered by themselves (D)."""
    ships = kind is ItemKind.NEW_CARDS
    if all((other is ItemKind.NEW_CARDS) is ships for other in others):
        return None
    return replace(_refused("OR-1", "order_ships_alone"), assumed=("OR-1",))


def profile_refusal(supplier: Supplier, on: date, *, complete: bool) -> Refusal | None:
    """RN-9: a supplier that asks for it sells only to a buyer whose profile is complete, whatever the carrier."""
    asked = terms_in_force(supplier, next(iter(Carrier)), on).profile_required.value
    return None if complete or not asked else _refused("RN-9", "profile_incomplete")


INDUSTRIAL = "industrial"
"""The grade of a plan of industrial SIMs."""


def industrial_allowance(plan: Plan) -> int | None:
    """The bytes a cycle of a plan of industrial-grade SIMs, which come later; None: of ordinary grade (SL-6)."""
    return plan.allowance if plan.grade == INDUSTRIAL else None


def pool_addon_refusal(pack: Addon, plan: Plan) -> Refusal | None:
    """QT-7: add-on packs of pools are for prepaid ones, and of their carrier."""
    if plan.kind is not PlanKind.PREPAID_POOL:
        return _refused("QT-7", "pool_addon_prepaid_only")
    return None if is_for_pool(pack, plan) else _refused("QT-7", "addon_of_other_cards")


SMALL_ORDER = _refused("OR-3", "small_order")
"""Fewer new SIMs than a small order has, or of another plan (OR-3)."""

AGAIN_IN_CART = _refused("RN-6", "twice_in_cart")
"""A SIM stands in a cart once (RN-6); the database keeps it so."""

NOT_OF_ORDER = _refused("RN-7", "not_of_the_order")
"""Of a file that renews part of an order, a SIM that is not of that order (RN-7)."""

NOT_PRICED = Refusal(code=RefusalCode.NOT_PRICED, rule="RN-10", detail="not_priced")
"""What has no price cannot be ordered."""
