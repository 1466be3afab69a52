"""What a SIM may buy now, at what price and with which effect (RN-10, QT-7): decided as the operations themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from app.domain.operation.arguments import Argument
from app.domain.operation.decision import decide
from app.domain.operation.prices import addon_price, change_price, is_for, offered_months, renewal_price
from app.domain.operation.refusal import Refusal
from app.domain.operation.request import RuleContext
from app.domain.sim.model import Addon, Plan, Sim
from app.domain.sim.renewal import RenewalAnswer, renewal
from app.domain.sim.validity import renewed
from app.domain.vocabulary import OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalOffer:
    """A renewal by `months`; `last_valid_day` if it were in force today, None where the SIM has no end date (VD-5)."""

    months: int
    price_fen: int | None
    last_valid_day: date | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddonOffer:
    """An add-on pack of the running cycle."""

    addon: Addon
    price_fen: int | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOffer:
    """A change to another plan; the end date stays."""

    plan: Plan
    price_fen: int | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """Everything of a SIM's type, what is refused now included; `window` None: the SIM has no end date."""

    window: RenewalAnswer | None
    renewals: tuple[RenewalOffer, ...]
    addons: tuple[AddonOffer, ...]
    plan_changes: tuple[PlanOffer, ...]


def offers_of(sim: Sim, context: RuleContext) -> Offers:
    """What is offered to a SIM, from the catalogue in `context`, each as its operation would be decided (RN-10, QT-7).

    Raises `Malformed` where a day is outside the calendar.
    """
    packs = [pack for pack in context.catalogue.addons.values() if is_for(pack, sim)]
    others = [
        plan for plan in context.catalogue.plans.values() if plan.carrier is sim.carrier and plan.id != sim.plan.id
    ]
    return Offers(
        window=None if sim.expires_on is None else renewal(sim.terms, sim.carrier, sim.expires_on, context.today),
        renewals=tuple(_renewal(sim, months, context) for months in offered_months(sim.plan)),
        addons=tuple(_addon(sim, pack, context) for pack in packs),
        plan_changes=tuple(_plan_change(sim, plan, context) for plan in others),
    )


def _refusal(sim: Sim, kind: OperationKind, arguments: Mapping[str, Argument], context: RuleContext) -> Refusal | None:
    """The refusal that the operation itself would get."""
    decision = decide(sim, kind, arguments, context)
    return decision if isinstance(decision, Refusal) else None


def _renewal(sim: Sim, months: int, context: RuleContext) -> RenewalOffer:
    ends = sim.expires_on
    end = None if ends is None else renewed(sim.terms, sim.carrier, ends, months, context.today).last_valid_day
    return RenewalOffer(
        months=months,
        price_fen=renewal_price(sim.plan, months),
        last_valid_day=end,
        refusal=_refusal(sim, OperationKind.RENEW, {"months": months}, context),
    )


def _addon(sim: Sim, addon: Addon, context: RuleContext) -> AddonOffer:
    refusal = _refusal(sim, OperationKind.ORDER_ADDON, {"addon": addon.id}, context)
    return AddonOffer(addon=addon, price_fen=addon_price(addon), refusal=refusal)


def _plan_change(sim: Sim, plan: Plan, context: RuleContext) -> PlanOffer:
    refusal = _refusal(sim, OperationKind.CHANGE_PLAN, {"plan": plan.id}, context)
    return PlanOffer(plan=plan, price_fen=change_price(plan), refusal=refusal)
