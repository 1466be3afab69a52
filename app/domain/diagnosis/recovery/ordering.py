"""Puts chosen ways, one for each hold, into an order that the gateway accepts, with the time of each step.

What needs no operation on the SIM (waiting, paying, a pool's pack, a person at the supplier) begins at once. Operations
come one after another (OP-4), each as soon as no hold stands in its way any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from app.domain.calendar.days import local, start_of_day
from app.domain.diagnosis.notices import back_in_first_device
from app.domain.diagnosis.recovery.plan import AWAIT_OPERATION, Known, OpenOperation, Step
from app.domain.diagnosis.recovery.ways import Way, alone, only, request_of
from app.domain.operation.effects import SettledOperation, apply_effects
from app.domain.operation.refusal import Remedy
from app.domain.operation.remedies import remedy_time
from app.domain.operation.request import RuleContext
from app.domain.operation.service_levels import FIRST_DAYS, DueReason
from app.domain.operation.verdict import channel_used, refusal_of
from app.domain.sim.hold_changes import lift_holds
from app.domain.sim.holds import LAG, RemedyAction, codes
from app.domain.sim.model import Sim
from app.domain.usage.quota import REEVALUATED_AFTER
from app.domain.vocabulary import Actor, HoldCode, OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """When a step ends: `soonest` is never unknown; `earliest` and `latest` None: not published."""

    soonest: datetime
    earliest: datetime | None
    latest: datetime | None


@dataclass(slots=True)
class Draft:
    """A plan while it is put together: the SIM as it is after the steps so far, the steps and when each ends."""

    sim: Sim
    context: RuleContext
    steps: list[Step] = field(default_factory=list)
    spans: list[_Span] = field(default_factory=list)
    last_operation: int | None = None
    waited_on_others: int = 0
    """How many steps others do in a time that is not published."""

    @property
    def soonest(self) -> datetime:
        """The soonest end of all steps."""
        return max((span.soonest for span in self.spans), default=self.context.now)

    def add(self, step: Step, span: _Span) -> int:
        """Append a step; gives its number."""
        self.steps.append(step)
        self.spans.append(span)
        self.waited_on_others += span.latest is None and step.actor is not Actor.SELF
        return len(self.steps)


def arrange(choice: Sequence[Way], sim: Sim, context: RuleContext, known: Known) -> Draft | HoldCode:
    """The chosen ways in order; or the hold whose way would be refused whatever comes before."""
    draft = Draft(sim=sim, context=alone(context))
    if known.open_operation is not None:
        _await(draft, known.open_operation)
    held = codes(draft.sim.holds)
    at_once = {
        way.hold: _begin_at_once(draft, way) for way in choice if way.remedy.operation is None and way.hold in held
    }
    pending = [way for way in choice if way.remedy.operation is not None]
    while pending := [way for way in pending if way.hold in codes(draft.sim.holds)]:
        for way in pending:
            if (start := _start(draft, way, at_once)) is not None:
                with_it = frozenset(other.hold for other in pending if _same(other, way))
                _operate(draft, way, with_it, start, sim, context)
                break
        else:
            return pending[0].hold
    return draft


def lifted_by(open_operation: OpenOperation | None, sim: Sim, context: RuleContext) -> frozenset[HoldCode]:
    """The holds that leave once the open operation has succeeded (ST-24); none without one."""
    if open_operation is None:
        return frozenset()
    arguments = MappingProxyType({"province": "", "pool": "", **open_operation.arguments})
    done = SettledOperation(arguments=arguments, at=context.now, on=context.today, channel=open_operation.channel)
    after, _ = apply_effects(sim, open_operation.kind, done)
    before = codes(sim.holds)
    return (before - codes(after.holds)) | (before & REEVALUATED_AFTER.get(open_operation.kind, frozenset()))


def _await(draft: Draft, open_operation: OpenOperation) -> None:
    """The open operation ends first; what it lifts needs no other step (OP-4). No end is known of an overdue one."""
    now, due_at = draft.context.now, open_operation.due_at
    overdue = due_at is not None and due_at <= now
    latest = None if overdue else due_at
    lifted = lifted_by(open_operation, draft.sim, draft.context)
    step = Step(
        action=AWAIT_OPERATION,
        actor=Actor.NOBODY,
        automatic=True,
        allowed_now=False,
        rule="OP-4",
        lifts=_in_order(draft.sim, lifted),
        operation=open_operation.kind,
        latest=latest,
        reasons=(DueReason(key="operation_overdue" if overdue else "operation_open" if due_at else "not_published"),),
    )
    draft.sim = only(draft.sim, codes(draft.sim.holds) - lifted)
    draft.last_operation = draft.add(step, _Span(soonest=now, earliest=None, latest=latest))


def _in_order(sim: Sim, lifted: frozenset[HoldCode]) -> tuple[HoldCode, ...]:
    return tuple(hold.code for hold in sim.holds if hold.code in lifted)


# ------------------------------------------------------------------------------------------ without an operation
def _begin_at_once(draft: Draft, way: Way) -> int:
    """Add a step that begins at once, beside the others; gives its number.

    One event, or one person's work, is one step for all holds that it lifts.
    """
    remedy = _with_lag(way.remedy, draft.context)
    times = (remedy.action, remedy.earliest, remedy.latest)
    for index, step in enumerate(draft.steps):
        if (step.action, step.earliest, step.latest) == times:
            draft.steps[index] = replace(step, lifts=(*step.lifts, way.hold))
            return index + 1
    soonest = remedy.earliest or draft.context.now
    step = _step(way, remedy, (way.hold,), allowed_now=remedy.allowed_now)
    return draft.add(step, _Span(soonest=soonest, earliest=remedy.earliest, latest=remedy.latest))


def _with_lag(remedy: Remedy, context: RuleContext) -> Remedy:
    """The turn of a cycle shows at the carrier within its lag: until then a SIM that is still stopped is no fault."""
    if remedy.action != RemedyAction.NEXT_CYCLE or remedy.latest is None:
        return remedy
    ends = local(remedy.latest, context.zone).date() + LAG
    reasons = (*remedy.reasons, DueReason(key="carrier_data_lag", day=ends - timedelta(days=1)))
    return replace(remedy, latest=start_of_day(ends, context.zone), reasons=reasons)


def _step(
    way: Way, remedy: Remedy, lifts: tuple[HoldCode, ...], *, allowed_now: bool, start: _Start | None = None
) -> Step:
    """The step of a way; `remedy` has its times, `start` is when its operation can be requested."""
    return Step(
        action=remedy.action,
        actor=remedy.actor,
        automatic=remedy.automatic,
        allowed_now=allowed_now,
        rule=remedy.rule,
        lifts=lifts,
        operation=remedy.operation,
        arguments=way.arguments,
        choose=way.choose,
        conditions=remedy.conditions,
        cost_fen=way.cost_fen,
        earliest=remedy.earliest,
        latest=remedy.latest,
        provisional=remedy.provisional,
        reasons=remedy.reasons or (DueReason(key="not_published"),),
        assumed=remedy.assumed,
        after=() if start is None else start.after,
        not_before=None if start is None else start.opens,
    )


# ---------------------------------------------------------------------------------------------------- operations
@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """When an operation can be requested: after which steps, from which instants on, on which SIM."""

    sim: Sim
    after: tuple[int, ...]
    soonest: datetime
    latest: datetime | None
    opens: datetime | None = None


def _start(draft: Draft, way: Way, at_once: dict[HoldCode, int]) -> _Start | None:
    """When the way's operation would be accepted; None: not before others have changed the SIM."""
    waiting = {hold for hold in codes(draft.sim.holds) if hold in at_once}
    for blockers in (frozenset[HoldCode](), _blockers(draft, way, waiting), frozenset(waiting)):
        numbers = {at_once[hold] for hold in blockers}
        after = tuple(sorted(numbers | ({draft.last_operation} if draft.last_operation else set())))
        spans = [draft.spans[number - 1] for number in after]
        soonest = max((span.soonest for span in spans), default=draft.context.now)
        latest = _latest([span.latest for span in spans], draft.context.now)
        sim = only(draft.sim, codes(draft.sim.holds) - blockers)
        if _useless(way, sim):
            continue
        refused = refusal_of(request_of(way, sim, _at(draft.context, soonest)))
        if refused is None:
            return _Start(sim=sim, after=after, soonest=soonest, latest=latest)
        opens = refused.earliest_retry_at
        if opens is not None and refusal_of(request_of(way, sim, _at(draft.context, opens))) is None:
            late = None if latest is None else max(latest, opens)
            return _Start(sim=sim, after=after, soonest=max(opens, soonest), latest=late, opens=opens)
    return None


def _blockers(draft: Draft, way: Way, waiting: set[HoldCode]) -> frozenset[HoldCode]:
    """Of the holds that other steps lift, those under which the way's operation would be refused."""
    found = set()
    for hold in waiting:
        beside = only(draft.sim, frozenset({way.hold, hold}))
        if _useless(way, beside) or refusal_of(request_of(way, beside, draft.context)) is not None:
            found.add(hold)
    return frozenset(found)


def _useless(way: Way, sim: Sim) -> bool:
    """Whether a resume would be taken, yet not help: with arrears unpaid, or in another device (ST-20, DV-4)."""
    if way.remedy.operation is not OperationKind.RESUME:
        return False
    held = codes(sim.holds)
    return HoldCode.ARREARS in held or (HoldCode.DEVICE_MISMATCH in held and not back_in_first_device(sim))


def _latest(ends: Sequence[datetime | None], now: datetime) -> datetime | None:
    """The last of these ends; None where one of them is not published."""
    return max((end for end in ends if end), default=now) if None not in ends else None


def _at(context: RuleContext, at: datetime) -> RuleContext:
    """The context at a later instant; in another month no rebind has been counted yet (DV-3)."""
    if at <= context.now:
        return context
    same = local(at, context.zone).date().replace(day=1) == context.today.replace(day=1)
    counts = context.counts if same else replace(context.counts, rebinds_this_month=0)
    return replace(context, now=at, counts=counts)


def _same(one: Way, other: Way) -> bool:
    """Whether one operation carries out both: a pack that is large enough for two limits."""
    return one.remedy.action == other.remedy.action and one.arguments == other.arguments


def _operate(
    draft: Draft, way: Way, with_it: frozenset[HoldCode], start: _Start, sim: Sim, context: RuleContext
) -> None:
    """Append the operation of a way, which lifts these holds, and change the SIM as it does."""
    request = request_of(way, start.sim, _at(draft.context, start.soonest))
    done = SettledOperation(
        arguments=request.arguments, at=request.context.now, on=request.context.today, channel=channel_used(request)
    )
    changed, _ = apply_effects(start.sim, request.kind, done)
    changed, _ = lift_holds(changed, with_it)
    span, remedy = _timed(draft, way, start)
    lifted = codes(start.sim.holds) - codes(changed.holds)
    allowed = not (start.after or start.opens) and (way.remedy.allowed_now or _accepted(way, sim, context))
    step = _step(way, remedy, _in_order(start.sim, lifted), allowed_now=allowed, start=start)
    draft.sim = changed
    draft.last_operation = draft.add(step, span)


def _accepted(way: Way, sim: Sim, context: RuleContext) -> bool:
    """Whether the gateway would accept a way's operation now, with the way's own arguments."""
    return refusal_of(request_of(way, sim, context)) is None


def _timed(draft: Draft, way: Way, start: _Start) -> tuple[_Span, Remedy]:
    """When the operation ends, counted from both ends of the time in which it begins (SL-8)."""
    remedy = way.remedy
    if start.soonest == start.latest == draft.context.now:  # it begins now, and the remedy's times are from now
        soonest = remedy.earliest or start.soonest
        return _Span(soonest=soonest, earliest=remedy.earliest, latest=remedy.latest), remedy
    soon = remedy_time(way.remedy.action, start.sim, way.hold, _at(draft.context, start.soonest))
    begins_late = [] if start.latest is None else _late_starts(start.soonest, start.latest, draft.context)
    late = [remedy_time(way.remedy.action, start.sim, way.hold, _at(draft.context, one)) for one in begins_late]
    ends = [one.due_at for one in (soon, *late)]
    latest = None if start.latest is None else _latest(ends, draft.context.now)
    opened = (DueReason(key="window_opens", day=local(start.opens, draft.context.zone).date()),) if start.opens else ()
    slowest = max(late, key=lambda one: one.due_at or start.soonest, default=soon)
    remedy = replace(
        remedy,
        earliest=soon.earliest,
        latest=latest,
        provisional=any(one.provisional for one in (soon, *late)),
        reasons=(*opened, *slowest.reasons),
        assumed=tuple(dict.fromkeys(name for one in (soon, slowest) for name in one.assumed)),
    )
    return _Span(soonest=soon.earliest or start.soonest, earliest=soon.earliest, latest=latest), remedy


def _late_starts(soonest: datetime, latest: datetime, context: RuleContext) -> list[datetime]:
    """The instants of a period at which a step may end last: its end, and the last one of a month's first days (SL-4).

    A restoration that begins in the first days of a month takes longer than one that begins a little later.
    """
    day = local(latest, context.zone).date().replace(day=1) + timedelta(days=FIRST_DAYS)
    slow = start_of_day(day, context.zone) - timedelta(microseconds=1)
    return [latest, slow] if soonest < slow < latest else [latest]
