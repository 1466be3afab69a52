"""Orders (订单): kinds, state machine, after-sales requests, small orders, carts (OR, RN-6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.terms.model import Terms
from app.domain.units import GB, MB
from app.domain.vocabulary import AfterSalesRequest, Supplier


class OrderKind(StrEnum):
    """What is ordered (OR-1)."""

    NEW = "new"
    RENEWAL = "renewal"
    CARD_ADDON = "card_addon"
    POOL_ADDON = "pool_addon"


class OrderState(StrEnum):
    """The state of an order (OR-1); `failed` has a reason, `cancelled` is an addition of ours (D)."""

    PLACED = "placed"
    REVIEWING = "reviewing"
    REVIEWED = "reviewed"
    TO_SHIP = "to_ship"
    RENEWING = "renewing"
    SHIPPED = "shipped"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = OrderState
_ENDS = frozenset({_S.FAILED})
_EARLY = _ENDS | {_S.CANCELLED}

NEXT: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        _S.PLACED: _EARLY | {_S.REVIEWING},
        _S.REVIEWING: _EARLY | {_S.REVIEWED},
        _S.REVIEWED: _EARLY | {_S.TO_SHIP, _S.RENEWING},
        _S.TO_SHIP: _ENDS | {_S.SHIPPED},
        _S.RENEWING: _ENDS | {_S.DONE},
        _S.SHIPPED: _ENDS | {_S.DONE},
        _S.DONE: frozenset(),
        _S.FAILED: frozenset(),
        _S.CANCELLED: frozenset(),
    },
)
"""The transitions (OR-1): a new order ships, the others are applied (续单中) without shipping."""


def may_move(kind: OrderKind, from_state: OrderState, to_state: OrderState) -> bool:
    """Whether an order of this kind may change from one state to the other (OR-1)."""
    by_kind = {_S.TO_SHIP: kind is OrderKind.NEW, _S.RENEWING: kind is not OrderKind.NEW}
    return to_state in NEXT[from_state] and by_kind.get(to_state, True)


def shows_shipping(state: OrderState) -> bool:
    """Whether courier and tracking number are shown: once shipped or done (OR-1, GSL 6.1)."""
    return state in (_S.SHIPPED, _S.DONE)


def shows_cards(state: OrderState) -> bool:
    """Whether the order's SIMs are shown: once it is done (OR-1, GSL 9.1)."""
    return state is _S.DONE


def after_sales_refusal(terms: Terms, request: AfterSalesRequest, *, card_faulty: bool = False) -> Refusal | None:
    """Why the supplier does not do this after the purchase; None: it does, or nothing is published (OR-2).

    A faulty card is refunded all the same.
    """
    refused = request in (terms.after_sales_refused.value or ())
    if not refused or (request is AfterSalesRequest.REFUND and card_faulty):
        return None
    return Refusal(code=RefusalCode.RULE_VIOLATION, rule="OR-2", detail=f"order_{request}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallOrder:
    """Whether a small order is accepted, and under which conditions (OR-3)."""

    allowed: bool
    freight_collect: bool = False
    via_account_manager: bool = False


SMALL = 10
"""The number of SIMs in a small order (OR-3, GSL 5.1)."""

TEST_PLAN = 100 * MB
"""The monthly allowance of test SIMs in bytes (OR-3, GSL 5.1)."""


def small_order(allowance: int, cards: int, *, test_cards: bool = False) -> SmallOrder:
    """OR-3: ten SIMs of plans over 1 GB a month, freight collect; or ten 100 MB test SIMs by the account manager.

    `allowance`: the plan's bytes a month; `cards`: SIMs ordered.
    """
    if test_cards:
        return SmallOrder(allowed=allowance == TEST_PLAN and cards == SMALL, via_account_manager=True)
    return SmallOrder(allowed=allowance > GB and cards >= SMALL, freight_collect=True)


def duplicate_iccids(cart: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The ICCIDs that appear more than once in a cart of (ICCID, plan); each may appear once (RN-6)."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for iccid, _ in cart:
        if iccid in seen:
            again[iccid] = None
        seen.add(iccid)
    return tuple(again)


def bought_elsewhere(cards: Sequence[tuple[str, Supplier]], supplier: Supplier) -> tuple[str, ...]:
    """The ICCIDs bought from another supplier, which this one does not renew (RN-5); part of an order may be (RN-7)."""
    return tuple(iccid for iccid, terms in cards if terms is not supplier)
