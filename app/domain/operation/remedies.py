"""The remedies of a hold for one SIM at one instant: who, at what cost, by when, and whether allowed now (ST, DG-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from types import MappingProxyType

from app.domain.calendar.cycles import cycle_at, end_instant
from app.domain.calendar.days import ONE_DAY, local, start_of_day
from app.domain.calendar.workdays import WorkdayCalendar
from app.domain.operation.refusal import Remedy
from app.domain.operation.service_levels import NOT_PUBLISHED, Circumstances, Due, DueReason, due
from app.domain.sim.holds import (
    HOLDS,
    HoldRemedy,
    RemedyAction,
    codes,
    ended_by_cycle,
    lag_ends_on,
    resume_lifts,
)
from app.domain.sim.model import Sim
from app.domain.sim.renewal import renewal
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import LevelName
from app.domain.vocabulary import Actor, HoldCode, OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleContext:
    """The inputs of a rule beside the SIM: instant, carrier's zone, workday calendar, rebinds this month."""

    now: datetime
    zone: tzinfo
    workdays: WorkdayCalendar
    rebinds_this_month: int = 0

    @property
    def today(self) -> date:
        """The date of `now` in the carrier's zone."""
        return local(self.now, self.zone).date()


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


def _may_resume(sim: Sim, context: RuleContext) -> bool:
    return codes(sim.holds) <= resume_lifts(sim, context.today)


def _may_renew(sim: Sim, context: RuleContext) -> bool:
    ends = sim.expires_on
    return ends is None or renewal(sim.terms, sim.carrier, ends, context.today).renewable


def _may_rebind(sim: Sim, context: RuleContext) -> bool:
    policy = terms_in_force(sim.terms, sim.carrier, context.today)
    budget = policy.rebinds_a_month.value
    return not policy.rebind_refused_beyond.value or budget is None or context.rebinds_this_month < budget


def _may_order_addon(sim: Sim, context: RuleContext) -> bool:
    return bool(terms_in_force(sim.terms, sim.carrier, context.today).addons.value)


_ALLOWED: Mapping[RemedyAction, Callable[[Sim, RuleContext], bool]] = MappingProxyType(
    {
        RemedyAction.RESUME: _may_resume,
        RemedyAction.RENEW: _may_renew,
        RemedyAction.REBIND: _may_rebind,
        RemedyAction.ORDER_ADDON: _may_order_addon,
    },
)
"""Whether a remedy is allowed now; one without an entry is, unless it is automatic or nobody can do it."""


def _actor(lift: HoldRemedy, sim: Sim, context: RuleContext) -> Actor:
    """Who carries out the remedy; of a rebind as the terms say, else the SIM's owner (DV-3)."""
    by_terms = terms_in_force(sim.terms, sim.carrier, context.today).rebind_by.value
    return lift.actor or by_terms or Actor.SELF


def _time(lift: HoldRemedy, sim: Sim, hold: HoldCode, context: RuleContext) -> Due:
    """The due time of the remedy under the SIM's terms (SL)."""
    kind = _DUE_AS.get(lift.by)
    if kind is None:
        return NOT_PUBLISHED
    return due(
        sim.terms,
        sim.carrier,
        kind,
        context.now,
        context.zone,
        context.workdays,
        context.rebinds_this_month,
        Circumstances(first_device=hold is HoldCode.DEVICE_MISMATCH),
    )


def _cost(lift: HoldRemedy, sim: Sim) -> int | None:
    """The cost in fen, None where not known."""
    return sim.plan.price_fen if lift.by is RemedyAction.RENEW else None


def _remedy(lift: HoldRemedy, sim: Sim, hold: HoldCode, context: RuleContext) -> Remedy:
    """One remedy of one hold."""
    actor = _actor(lift, sim, context)
    by_itself = lift.automatic or (lift.by is RemedyAction.REBIND and actor is Actor.NOBODY)
    time = _time(lift, sim, hold, context)
    earliest, latest, reasons = time.earliest, time.due_at, time.reasons
    if lift.by is RemedyAction.NEXT_CYCLE:
        cycle = cycle_at(sim.carrier, context.now, context.zone)
        earliest = latest = end_instant(cycle, context.zone)
        reasons = (DueReason(key="next_cycle_begins", day=cycle.end),)
    allowed = not by_itself and actor is not Actor.NOBODY and _ALLOWED.get(lift.by, _always)(sim, context)
    return Remedy(
        action=RemedyAction.WAIT if by_itself and lift.by is RemedyAction.REBIND else lift.by,
        actor=actor,
        automatic=by_itself,
        allowed_now=allowed,
        rule=HOLDS[hold].rule,
        hold=hold,
        cost_fen=_cost(lift, sim),
        earliest=earliest,
        latest=latest,
        provisional=time.provisional,
        reasons=reasons,
        assumed=time.assumed,
    )


def _always(_sim: Sim, _moment: RuleContext) -> bool:
    return True


def remedies_for(sim: Sim, hold: HoldCode, context: RuleContext) -> tuple[Remedy, ...]:
    """The remedies of one hold under the SIM's terms; that a SIM is lost is never concluded from a guess (ST-23).

    A hold that the running cycle should have ended is waited for, then the supplier's; the ways that end with a cycle
    are no remedies of it (ST-21).
    """
    terms = terms_in_force(sim.terms, sim.carrier, context.today)
    ways = [way for way in HOLDS[hold].lifted_by if way.offered(hold, terms)]
    if not _ended_by_cycle(sim, hold, context):
        return tuple(_remedy(way, sim, hold, context) for way in ways)
    others = [way for way in ways if way.by not in _OF_ONE_CYCLE]
    return (*_after_lag(sim, hold, context), *(_remedy(way, sim, hold, context) for way in others))


_OF_ONE_CYCLE = frozenset({RemedyAction.ORDER_ADDON, RemedyAction.ORDER_POOL_ADDON, RemedyAction.NEXT_CYCLE})
"""Remedies that count in one cycle alone (QT-7, ST-21)."""


def _ended_by_cycle(sim: Sim, code: HoldCode, context: RuleContext) -> bool:
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


def remedies(sim: Sim, context: RuleContext) -> tuple[Remedy, ...]:
    """The remedies of every hold of the SIM, oldest hold first."""
    return tuple(remedy for hold in sim.holds for remedy in remedies_for(sim, hold.code, context))
