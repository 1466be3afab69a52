"""What can be done about a hold, for this card, now: every way out with who, cost and time (ST, DG-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from types import MappingProxyType

from app.domain.calendar.cycles import cycle_at, end_instant
from app.domain.calendar.days import local
from app.domain.calendar.workdays import WorkdayCalendar
from app.domain.operation.refusal import Remedy
from app.domain.operation.service_levels import NOT_PUBLISHED, Because, Case, Due, due
from app.domain.sim.holds import HOLDS, Lift, Lifts, codes, resume_lifts
from app.domain.sim.model import Sim
from app.domain.sim.renewal import renewal
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import LevelName
from app.domain.vocabulary import Actor, HoldCode, OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and where a question is asked: the instant, the carrier's zone, the calendar, this month's rebinds."""

    now: datetime
    zone: tzinfo
    workdays: WorkdayCalendar
    rebinds_this_month: int = 0

    @property
    def today(self) -> date:
        """The day in the carrier's zone."""
        return local(self.now, self.zone).date()


_DUE_AS: Mapping[Lifts, str] = MappingProxyType(
    {
        Lifts.RESUME: OperationKind.RESUME,
        Lifts.REBIND: OperationKind.REBIND,
        Lifts.WAIT: OperationKind.REBIND,
        Lifts.RENEW: LevelName.RESTORE,
        Lifts.VERIFY_REAL_NAME: OperationKind.VERIFY_REAL_NAME,
        Lifts.CAP_USAGE: OperationKind.SET_THRESHOLD,
        Lifts.CHANGE_REGION: OperationKind.CHANGE_REGION,
        Lifts.RESTORE_NETWORK: OperationKind.RESTORE_NETWORK,
    },
)
"""Which service level tells how long a remedy takes (SL); the others are published nowhere."""


def _may_resume(sim: Sim, moment: Moment) -> bool:
    return codes(sim.holds) <= resume_lifts(sim, moment.today)


def _may_renew(sim: Sim, moment: Moment) -> bool:
    ends = sim.expires_on
    return ends is None or renewal(sim.terms, sim.carrier, ends, moment.today).renewable


def _may_rebind(sim: Sim, moment: Moment) -> bool:
    policy = terms_in_force(sim.terms, sim.carrier, moment.today)
    budget = policy.rebinds_a_month.value
    return not policy.rebind_refused_beyond.value or budget is None or moment.rebinds_this_month < budget


def _may_order_addon(sim: Sim, moment: Moment) -> bool:
    return bool(terms_in_force(sim.terms, sim.carrier, moment.today).addons.value)


_ALLOWED: Mapping[Lifts, Callable[[Sim, Moment], bool]] = MappingProxyType(
    {
        Lifts.RESUME: _may_resume,
        Lifts.RENEW: _may_renew,
        Lifts.REBIND: _may_rebind,
        Lifts.ORDER_ADDON: _may_order_addon,
    },
)
"""Whether a remedy may be taken now; one without an entry may be, unless it comes by itself or nobody can."""


def _actor(lift: Lift, sim: Sim, moment: Moment) -> Actor:
    """Who does it; for a rebind as the terms say, else the card's owner (DV-3)."""
    by_terms = terms_in_force(sim.terms, sim.carrier, moment.today).rebind_by.value
    return lift.actor or by_terms or Actor.SELF


def _time(lift: Lift, sim: Sim, hold: HoldCode, moment: Moment) -> Due:
    """How long the remedy takes by the terms (SL)."""
    kind = _DUE_AS.get(lift.by)
    if kind is None:
        return NOT_PUBLISHED
    return due(
        sim.terms,
        sim.carrier,
        kind,
        moment.now,
        moment.zone,
        moment.workdays,
        moment.rebinds_this_month,
        Case(first_device=hold is HoldCode.DEVICE_MISMATCH),
    )


def _cost(lift: Lift, sim: Sim) -> int | None:
    """What it costs in fen, where that is known."""
    return sim.plan.price_fen if lift.by is Lifts.RENEW else None


def _remedy(lift: Lift, sim: Sim, hold: HoldCode, moment: Moment) -> Remedy:
    """One way out of one hold."""
    actor = _actor(lift, sim, moment)
    by_itself = lift.automatic or (lift.by is Lifts.REBIND and actor is Actor.NOBODY)
    time = _time(lift, sim, hold, moment)
    earliest, latest, because = time.earliest, time.due_at, time.because
    if lift.by is Lifts.NEXT_CYCLE:
        cycle = cycle_at(sim.carrier, moment.now, moment.zone)
        earliest = latest = end_instant(cycle, moment.zone)
        because = (Because(key="next_cycle_begins", day=cycle.end),)
    allowed = not by_itself and actor is not Actor.NOBODY and _ALLOWED.get(lift.by, _always)(sim, moment)
    return Remedy(
        action=Lifts.WAIT if by_itself and lift.by is Lifts.REBIND else lift.by,
        actor=actor,
        automatic=by_itself,
        allowed_now=allowed,
        rule=HOLDS[hold].rule,
        hold=hold,
        cost_fen=_cost(lift, sim),
        earliest=earliest,
        latest=latest,
        provisional=time.provisional,
        because=because,
        assumed=time.assumed,
    )


def _always(_sim: Sim, _moment: Moment) -> bool:
    return True


def remedies_for(sim: Sim, hold: HoldCode, moment: Moment) -> tuple[Remedy, ...]:
    """Every way out of one hold under the card's terms; never that a card is lost on a guess (ST-23)."""
    return tuple(_remedy(lift, sim, hold, moment) for lift in HOLDS[hold].lifted_by if sim.terms in lift.suppliers)


def remedies(sim: Sim, moment: Moment) -> tuple[Remedy, ...]:
    """Every way out of every hold on the card, in the order in which the holds came."""
    return tuple(remedy for hold in sim.holds for remedy in remedies_for(sim, hold.code, moment))
