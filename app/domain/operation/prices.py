"""Prices in whole fen: what a renewal, an add-on pack and a plan change cost (RN-10, QT-7). None: not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from app.domain.operation.arguments import Arguments
from app.domain.sim.model import Addon, Plan, Sim
from app.domain.units import ceil_div
from app.domain.vocabulary import AddonScope, OperationKind

MAX_FEN = 100_000_000_000
"""The highest price and payment that is taken: the largest order of them still fits a bigint."""

MAX_FEN_PER_MB = 1_000_000
"""The highest price of a megabyte of overrun that is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What a tenant's catalogue offers: plans and add-on packs by their ids."""

    plans: Mapping[str, Plan] = field(default_factory=lambda: MappingProxyType({}))
    addons: Mapping[str, Addon] = field(default_factory=lambda: MappingProxyType({}))


EMPTY = Catalogue()


def offered_months(plan: Plan) -> tuple[int, ...]:
    """By how many months a plan's SIMs are renewed, the plan's own first; where none are told, those alone (RN-10)."""
    told = plan.renewal_months or (plan.months,)
    return tuple(sorted(told, key=lambda months: (months != plan.months, months)))


def renewal_price(plan: Plan, months: int) -> int | None:
    """What a renewal by some months costs: their share of the price of the plan's months, rounded up to the fen."""
    return None if plan.price_fen is None else ceil_div(plan.price_fen * months, plan.months)


def addon_price(addon: Addon) -> int | None:
    """What an add-on pack costs."""
    return addon.price_fen


def change_price(plan: Plan) -> int | None:
    """What a change to this plan costs; the end date stays (RN-4)."""
    return plan.change_price_fen


def is_for(addon: Addon, sim: Sim) -> bool:
    """Whether a pack is one of the SIM's type: for single SIMs, of its carrier and its terms (QT-7)."""
    return addon.scope is AddonScope.CARD and addon.carrier is sim.carrier and addon.terms in (None, sim.terms)


def is_for_pool(addon: Addon, plan: Plan) -> bool:
    """Whether a pack is one for pools of this plan's carrier (QT-7)."""
    return addon.scope is AddonScope.POOL and addon.carrier is plan.carrier


def price_of(kind: OperationKind, sim: Sim, arguments: Arguments, catalogue: Catalogue) -> int | None:
    """What an operation that is bought costs; None: nothing is bought, or the price is not known."""
    if kind is OperationKind.RENEW:
        return renewal_price(sim.plan, int(arguments.get("months") or sim.plan.months))
    if kind is OperationKind.ORDER_ADDON:
        addon = catalogue.addons.get(str(arguments.get("addon")))
        return None if addon is None else addon_price(addon)
    if kind is OperationKind.CHANGE_PLAN:
        plan = catalogue.plans.get(str(arguments.get("plan")))
        return None if plan is None else change_price(plan)
    return None


def pack_as_sold(addon: Addon) -> Arguments:
    """What an order keeps of a pack beside its price, whatever the catalogue says later: size, product code (QT-7)."""
    return {"bytes": addon.bytes} | ({"product_code": addon.product_code} if addon.product_code else {})


def as_ordered(catalogue: Catalogue, arguments: Arguments) -> Catalogue:
    """The catalogue with the pack that an order names as it was sold (`pack_as_sold`)."""
    addon, size = catalogue.addons.get(str(arguments.get("addon"))), arguments.get("bytes")
    if addon is None or not isinstance(size, int):
        return catalogue
    code = arguments.get("product_code")
    sold = replace(addon, bytes=size, product_code=None if code is None else str(code))
    return replace(catalogue, addons=MappingProxyType({**catalogue.addons, addon.id: sold}))


def with_pack(kind: OperationKind, arguments: Arguments, catalogue: Catalogue) -> Arguments:
    """The arguments with size and product code of the catalogue's pack, if an order names one by its id (QT-7)."""
    addon = catalogue.addons.get(str(arguments.get("addon"))) if kind is OperationKind.ORDER_ADDON else None
    if addon is None:
        return arguments
    return MappingProxyType({**arguments, **pack_as_sold(addon)})
