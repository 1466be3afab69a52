"""The remedies of a hold for one SIM at one instant: who, at what cost, by when, and whether allowed now (ST, DG-2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from app.domain.calendar.cycles import cycle_at, end_instant
from app.domain.calendar.days import ONE_DAY, local, start_of_day
from app.domain.operation.arguments import Arguments
from app.domain.operation.prices import addon_price, is_for, offered_months, renewal_price
from app.domain.operation.refusal import Refusal, Remedy
from app.domain.operation.request import OperationRequest, RuleContext
from app.domain.operation.service_levels import NOT_PUBLISHED, Circumstances, Due, DueReason, due
from app.domain.operation.verdict import refusal_of
from app.domain.sim.holds import HOLDS, HoldRemedy, RemedyAction, codes, ended_by_cycle, lag_ends_on
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import LevelName, PoolForming
from app.domain.units import MB
from app.domain.vocabulary import Actor, HoldCode, OperationKind, PlanKind

_DUE_AS: Mapping[RemedyAction, str] = MappingProxyType(
    {
        RemedyAction.RESUME: OperationKind.RESUME,
        RemedyAction.REBIND: OperationKind.REBIND,
        RemedyAction.WAIT: OperationKind.REBIND,
        RemedyAction.RENEW: LevelName.RESTORE,
        RemedyAction.VERIFY_REAL_NAME: OperationKind.VERIFY_REAL_NAME,
        RemedyAction.CAP_USAGE: OperationKind.SET_THRESHOLD,
        RemedyAction.CHANGE_REGION: OperationKind.CHANGE_REGION,
        RemedyAction.RESTORE_NETWORK: OperationKind.RESTORE_NETWORK,
    },
)
"""The service level that gives how long a remedy takes (SL); of the others none is published."""


_CARRIED_OUT_BY: Mapping[RemedyAction, OperationKind] = MappingProxyType(
    {
        RemedyAction.RESUME: OperationKind.RESUME,
        RemedyAction.ORDER_ADDON: OperationKind.ORDER_ADDON,
        RemedyAction.RAISE_THRESHOLD: OperationKind.SET_THRESHOLD,
        RemedyAction.REMOVE_THRESHOLD: OperationKind.SET_THRESHOLD,
        RemedyAction.CAP_USAGE: OperationKind.SET_THRESHOLD,
        RemedyAction.RENEW: OperationKind.RENEW,
        RemedyAction.REBIND: OperationKind.REBIND,
        RemedyAction.VERIFY_REAL_NAME: OperationKind.VERIFY_REAL_NAME,
        RemedyAction.CHANGE_REGION: OperationKind.CHANGE_REGION,
        RemedyAction.RESTORE_NETWORK: OperationKind.RESTORE_NETWORK,
        RemedyAction.UPGRADE_PLAN: OperationKind.CHANGE_PLAN,
    },
)
"""The operation that carries out a remedy: allowed now if that operation would be accepted (ST-26)."""

_POOL_ACTIONS = frozenset(
    {RemedyAction.ACTIVATE_POOL_MEMBERS, RemedyAction.ADD_POOL_CARDS, RemedyAction.ORDER_POOL_ADDON}
)


def _stated(action: RemedyAction, sim: Sim, context: RuleContext) -> Arguments:
    """The arguments that the remedy's operation must state; what the caller chooses is not among them."""
    if action is RemedyAction.RESUME and HoldCode.ARREARS in codes(sim.holds):
        return MappingProxyType({"paid": True})
    if action is RemedyAction.REMOVE_THRESHOLD:
        return MappingProxyType({"bytes": None})
    if action is RemedyAction.CAP_USAGE:
        cap = terms_in_force(sim.terms, sim.carrier, context.today).threshold_cap.value
        return MappingProxyType({"bytes": cap})
    return MappingProxyType({"months": offered_months(sim.plan)[0]} if action is RemedyAction.RENEW else {})


def _conditions(action: RemedyAction, sim: Sim) -> tuple[str, ...]:
    """What must be so for the remedy to help: text keys below `condition.` (ST-26)."""
    if action in _POOL_ACTIONS:
        return ("in_the_pool",)
    if action is RemedyAction.RAISE_THRESHOLD:
        return ("above_what_is_used",)
    if action is not RemedyAction.RESUME:
        return ()
    held = codes(sim.holds)
    paid = ("paid",) if HoldCode.ARREARS in held else ()
    return paid + (("back_in_first_device",) if HoldCode.DEVICE_MISMATCH in held else ())


def _allowed(action: RemedyAction, sim: Sim, context: RuleContext) -> bool:
    """Whether the gateway would accept the remedy at this moment (ST-26)."""
    kind = _CARRIED_OUT_BY.get(action)
    if kind is not None:
        chosen: Arguments = {"bytes": MB} if action is RemedyAction.RAISE_THRESHOLD else {}
        arguments = MappingProxyType({**chosen, **_stated(action, sim, context)})
        return refusal_of(OperationRequest(sim=sim, kind=kind, arguments=arguments, context=context)) is None
    if action in _POOL_ACTIONS:
        return sim.pool is not None and _pool_takes(action, sim, context)
    return action is not RemedyAction.ASK_CARRIER


def _pool_takes(action: RemedyAction, sim: Sim, context: RuleContext) -> bool:
    """Whether the terms let the SIM's pool take more cards or an add-on now (PL-5, QT-7)."""
    terms = terms_in_force(sim.terms, sim.carrier, context.today)
    if action is RemedyAction.ADD_POOL_CARDS:
        return terms.pool_forming.value is not PoolForming.AT_PURCHASE
    return action is RemedyAction.ACTIVATE_POOL_MEMBERS or (
        bool(terms.addons.value) and sim.plan.kind is not PlanKind.POSTPAID_POOL
    )


def _actor(lift: HoldRemedy, sim: Sim, context: RuleContext) -> Actor:
    """Who carries out the remedy; of a rebind as the terms say, else the SIM's owner (DV-3)."""
    by_terms = terms_in_force(sim.terms, sim.carrier, context.today).rebind_by.value
    return lift.actor or by_terms or Actor.SELF


def remedy_time(action: str, sim: Sim, hold: HoldCode, context: RuleContext) -> Due:
    """When a remedy of a hold is done that begins at the context's `now`, under the SIM's terms (SL)."""
    kind = _DUE_AS.get(RemedyAction(action))
    if kind is None:
        return NOT_PUBLISHED
    return due(
        sim.terms,
        sim.carrier,
        kind,
        context.now,
        context.zone,
        context.workdays,
        context.counts.rebinds_this_month,
        Circumstances(first_device=hold is HoldCode.DEVICE_MISMATCH),
    )


def _cost(lift: HoldRemedy, sim: Sim, context: RuleContext) -> int | None:
    """The cost in fen, None where not known; of an add-on pack: the cheapest of the SIM's type."""
    if lift.by is RemedyAction.ORDER_ADDON:
        prices = (addon_price(pack) for pack in context.catalogue.addons.values() if is_for(pack, sim))
        return min((price for price in prices if price is not None), default=None)
    return renewal_price(sim.plan, offered_months(sim.plan)[0]) if lift.by is RemedyAction.RENEW else None


def _remedy(lift: HoldRemedy, sim: Sim, hold: HoldCode, context: RuleContext) -> Remedy:
    """One remedy of one hold."""
    actor = _actor(lift, sim, context)
    by_itself = lift.automatic or (lift.by is RemedyAction.REBIND and actor is Actor.NOBODY)
    time = remedy_time(lift.by, sim, hold, context)
    earliest, latest, reasons = time.earliest, time.due_at, time.reasons
    if lift.by is RemedyAction.NEXT_CYCLE:
        cycle = cycle_at(sim.carrier, context.now, context.zone)
        earliest = latest = end_instant(cycle, context.zone)
        reasons = (DueReason(key="next_cycle_begins", day=cycle.end),)
    return Remedy(
        action=RemedyAction.WAIT if by_itself and lift.by is RemedyAction.REBIND else lift.by,
        actor=actor,
        automatic=by_itself,
        allowed_now=not by_itself and actor is not Actor.NOBODY and _allowed(lift.by, sim, context),
        rule=HOLDS[hold].rule,
        hold=hold,
        operation=None if by_itself else _CARRIED_OUT_BY.get(lift.by),
        arguments=_stated(lift.by, sim, context),
        conditions=_conditions(lift.by, sim),
        cost_fen=_cost(lift, sim, context),
        earliest=earliest,
        latest=latest,
        provisional=time.provisional,
        reasons=reasons,
        assumed=time.assumed,
    )


def remedies_for(sim: Sim, hold: HoldCode, context: RuleContext) -> tuple[Remedy, ...]:
    """The remedies of one hold under the SIM's terms; that a SIM is lost is never concluded from a guess (ST-23).

    A hold that the running cycle should have ended is waited for, then the supplier's; the ways that end with a cycle
    are no remedies of it (ST-21).
    """
    terms = terms_in_force(sim.terms, sim.carrier, context.today)
    ways = [_possible(way, sim, context) for way in HOLDS[hold].lifted_by if way.offered(hold, terms)]
    if not ended(sim, hold, context):
        return tuple(_remedy(way, sim, hold, context) for way in ways)
    others = [way for way in ways if way.by not in _OF_ONE_CYCLE]
    return (*_after_lag(sim, hold, context), *(_remedy(way, sim, hold, context) for way in others))


def _possible(way: HoldRemedy, sim: Sim, context: RuleContext) -> HoldRemedy:
    """The remedy, or the supplier's engineer where only the carrier's word cuts networks and no API restores them."""
    if way.by is not RemedyAction.RESTORE_NETWORK:
        return way
    request = OperationRequest(
        sim=sim, kind=OperationKind.RESTORE_NETWORK, arguments=MappingProxyType({}), context=context
    )
    by_supplier = HoldRemedy(by=RemedyAction.ASK_SUPPLIER, actor=Actor.SUPPLIER)
    return by_supplier if request.route.channel is None else way


_OF_ONE_CYCLE = frozenset({RemedyAction.ORDER_ADDON, RemedyAction.ORDER_POOL_ADDON, RemedyAction.NEXT_CYCLE})
"""Remedies that count in one cycle alone (QT-7, ST-21)."""


def ended(sim: Sim, code: HoldCode, context: RuleContext) -> bool:
    """Whether the SIM has this hold since before the running cycle, which should have ended it (ST-21)."""
    dates = [local(hold.since, context.zone).date() for hold in sim.holds if hold.code is code]
    return any(ended_by_cycle(sim.carrier, code, sim.terms, context.today, since) for since in dates)


def _after_lag(sim: Sim, hold: HoldCode, context: RuleContext) -> tuple[Remedy, ...]:
    """Wait for the carrier until the end of the third day, and then the supplier's engineer (ST-21)."""
    day = lag_ends_on(sim.carrier, context.today)
    ends = None if day is None else start_of_day(day, context.zone)
    reasons = () if day is None else (DueReason(key="carrier_data_lag", day=day - ONE_DAY),)
    engineer = Remedy(
        action=RemedyAction.ASK_SUPPLIER,
        actor=Actor.SUPPLIER,
        automatic=False,
        allowed_now=ends is None,
        rule="ST-21",
        hold=hold,
        earliest=ends,
        reasons=reasons,
    )
    if ends is None:
        return (engineer,)
    wait = replace(engineer, action=RemedyAction.WAIT, actor=Actor.NOBODY, automatic=True, earliest=None, latest=ends)
    return wait, engineer


def after_refill(hold: HoldCode) -> tuple[Remedy, ...]:
    """Wait for the carrier, whose delay is not published, or ask the supplier's engineer (PL-6)."""
    engineer = Remedy(
        action=RemedyAction.ASK_SUPPLIER,
        actor=Actor.SUPPLIER,
        automatic=False,
        allowed_now=True,
        rule="PL-6",
        hold=hold,
    )
    wait = replace(engineer, action=RemedyAction.WAIT, actor=Actor.NOBODY, automatic=True, allowed_now=False)
    return wait, engineer


def with_remedies(refused: Refusal, sim: Sim, context: RuleContext) -> Refusal:
    """The refusal with what can be done: the remedies of the holds that it names, or what must be done first."""
    ways = tuple(remedy for code in refused.holds for remedy in remedies_for(sim, code, context))
    return replace(refused, remedies=ways if refused.first is None else (*ways, _first(refused, sim, context)))


def _first(refused: Refusal, sim: Sim, context: RuleContext) -> Remedy:
    """The operation that a refusal says must be done before."""
    action = RemedyAction(refused.first or "")
    return Remedy(
        action=action,
        actor=Actor.SELF,
        automatic=False,
        allowed_now=_allowed(action, sim, context),
        rule=refused.rule,
        operation=refused.first,
    )
