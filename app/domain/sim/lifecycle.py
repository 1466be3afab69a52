"""The life cycle by date: test and silent periods, forced activation, expiry, cancellation (LC)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from app.domain.calendar.days import ONE_DAY, add_months, add_to_month
from app.domain.errors import Malformed
from app.domain.sim.holds import with_hold
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED, Cause, Transition, move
from app.domain.sim.validity import cancellation, validity
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import ForcedDay, Terms
from app.domain.vocabulary import Carrier, HoldCode, HoldSource, RealName, SimState, Supplier


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedActivation:
    """When an unused SIM is activated by the carrier.

    `testing_until`, `silent_until`: last days, None: no such period; `forced_on` None: the terms name no such day.
    """

    testing_until: date | None
    silent_until: date | None
    forced_on: date | None
    rule: str
    assumed: tuple[str, ...]


def _test_months(policy: Terms, chosen: int | None) -> int:
    """Months of test: as the terms say, else as chosen at opening, else none (LC-3). Raises `Malformed`."""
    choice = policy.test_choice_months.value
    if choice is None:
        return policy.test_months.value or 0
    months = chosen or 0
    if months and not choice[0] <= months <= choice[1]:
        raise Malformed("TEST_MONTHS_OUT_OF_RANGE", f"a test lasts {choice[0]} to {choice[1]} months")
    return months


def forced_activation(
    terms: Supplier,
    carrier: Carrier,
    opened_on: date,
    test_months: int | None = None,
    purchased_on: date | None = None,
    silent_since: date | None = None,
) -> ForcedActivation:
    """The periods before activation and the day they end in force (LC-1 to LC-3).

    `test_months`: as chosen at opening; `silent_since`: the day on which a used-up test ended early (LC-3, D). Raises
    `Malformed` for a number of test months that the terms do not offer.
    """
    policy = terms_in_force(terms, carrier, purchased_on or opened_on)
    months = _test_months(policy, test_months)
    test_end = add_months(opened_on, months) if months else None
    assumed = policy.test_months.assumed if months else ()
    begins = test_end or opened_on
    if silent_since is not None and silent_since < begins:
        begins, assumed = silent_since, (*assumed, "LC-3")
        test_end = begins if test_end else None
    forced = _forced_day(policy, begins)
    return ForcedActivation(
        testing_until=test_end - ONE_DAY if test_end else None,
        silent_until=forced - ONE_DAY if forced and policy.silent_months.value else None,
        forced_on=forced,
        rule=policy.period_rule,
        assumed=assumed,
    )


def _forced_day(policy: Terms, begins: date) -> date | None:
    """The day of forced activation of a SIM whose last period before it begins on a day."""
    end = add_months(begins, policy.silent_months.value or 0)
    if policy.forced_day.value is ForcedDay.FIRST_OF_NEXT_MONTH:
        return add_to_month(end, 1)
    return end if policy.forced_day.value is ForcedDay.END_OF_PERIOD else None


def activation_periods(sim: Sim, opened_on: date) -> ForcedActivation:
    """The periods of a SIM: test months as chosen at opening, else the plan's (LC-3)."""
    chosen = sim.plan.test_months if sim.test_months is None else sim.test_months
    return forced_activation(sim.terms, sim.carrier, opened_on, chosen, sim.purchased_on, sim.silent_since)


def activated(
    sim: Sim,
    on: date,
    cause: Cause,
    rule: str,
    *,
    at: datetime,
    held: bool | None = None,
) -> tuple[Sim, tuple[Transition, ...]]:
    """The SIM activated on a day, valid as VD counts (LC-16, VD-1), and the transition.

    A SIM that needs personal real-name and has none is held `not_real_named` where the terms say so (LC-5); `held`
    overrides that. Under a region limit it is bound from now on (RG-2). `at`: the instant since which the hold is on.
    """
    policy = terms_in_force(sim.terms, sim.carrier, on)
    end = validity(sim.terms, sim.carrier, on, sim.plan.months)
    moved, record = move(sim, SimState.ACTIVE, cause, rule, on)
    moved = replace(
        moved,
        activated_on=on,
        expires_on=end.last_valid_day,
        region_limited=sim.region_limited or bool(policy.region_limited.value),
    )
    unverified = sim.real_name is RealName.INDIVIDUAL and bool(policy.unverified_is_held.value)
    if unverified if held is None else held:
        moved = with_hold(moved, Hold(code=HoldCode.NOT_REAL_NAMED, since=at, source=HoldSource.GATEWAY))
    return moved, (record,)


def end_test_early(sim: Sim, on: date, *, at: datetime) -> tuple[Sim, tuple[Transition, ...]]:
    """A testing SIM whose test traffic is used up: `active` or, under some terms, `silent` (LC-1, LC-3)."""
    policy = terms_in_force(sim.terms, sim.carrier, sim.purchased_on or sim.opened_on or on)
    if policy.test_ends_in.value is SimState.SILENT:
        moved, record = move(sim, SimState.SILENT, Cause.TEST_USED_UP, policy.period_rule, on)
        return replace(moved, silent_since=on), (record,)
    return activated(sim, on, Cause.TEST_USED_UP, policy.period_rule, at=at)


def allowed_test_bytes(sim: Sim) -> int | None:
    """The test traffic of a SIM in bytes: by its terms, else its plan; None: not known (LC-1, LC-3)."""
    policy = terms_in_force(sim.terms, sim.carrier, sim.purchased_on or sim.opened_on or date.min)
    by_terms = policy.test_bytes.value
    return sim.plan.test_bytes if by_terms is None and policy.test_bytes_of_plan.value else by_terms


def has_used_test_traffic(sim: Sim, reported: int) -> bool:
    """Whether `reported` bytes use up the test of a testing SIM; carriers do not report them (LC-1, LC-7)."""
    allowed = allowed_test_bytes(sim)
    return sim.underlying is SimState.TESTING and allowed is not None and reported >= allowed


def _next_transition(sim: Sim) -> tuple[date, SimState, Cause, str] | None:
    """The next transition by date, whatever today is: day, new state, cause, rule; None: none."""
    if sim.underlying in NOT_YET_ACTIVATED:
        return _transition_before_activation(sim)
    if sim.expires_on is None or sim.underlying is SimState.CANCELLED:
        return None
    if sim.underlying is SimState.ACTIVE:
        return sim.expires_on + ONE_DAY, SimState.EXPIRED, Cause.EXPIRY, "LC-8"
    ends_on = cancellation(sim.terms, sim.carrier, sim.expires_on).on
    return None if ends_on is None else (ends_on, SimState.CANCELLED, Cause.CANCELLATION, "LC-9")


def _transition_before_activation(sim: Sim) -> tuple[date, SimState, Cause, str] | None:
    """Opening, end of the test or forced activation, whichever is next for a SIM not yet activated."""
    if sim.opened_on is None:
        return None
    plan = activation_periods(sim, sim.opened_on)
    rule = plan.rule
    if sim.underlying is SimState.INVENTORY and (plan.testing_until or plan.silent_until):
        first = SimState.TESTING if plan.testing_until else SimState.SILENT
        return sim.opened_on, first, Cause.OPENING, rule
    if sim.underlying is SimState.TESTING and plan.testing_until and plan.silent_until:
        return plan.testing_until + ONE_DAY, SimState.SILENT, Cause.TEST_TIME_UP, rule
    return None if plan.forced_on is None else (plan.forced_on, SimState.ACTIVE, Cause.FORCED_ACTIVATION, rule)


def next_due_on(sim: Sim) -> date | None:
    """The next day on which `sweep` changes the SIM; None: never."""
    step = _next_transition(sim)
    return None if step is None else step[0]


def sweep(sim: Sim, today: date, at: datetime, *, renewing: bool = False) -> tuple[Sim, tuple[Transition, ...]]:
    """The SIM after every transition that is due by `today`, and the transitions in order (LC-8, LC-9, LC-12).

    Forced activation and cancellation need no operation at the carrier; an expiry is followed by one suspend (LC-8).
    `renewing`: a renewal is open, which keeps the SIM from being cancelled until it has ended (RN-11).
    """
    records: list[Transition] = []
    while (step := _next_transition(sim)) is not None and step[0] <= today:
        if renewing and step[1] is SimState.CANCELLED:
            break
        sim, made = _apply_transition(sim, step, at)
        records.extend(made)
    return sim, tuple(records)


def _apply_transition(
    sim: Sim, step: tuple[date, SimState, Cause, str], at: datetime
) -> tuple[Sim, tuple[Transition, ...]]:
    """One transition of the sweep."""
    day, to_state, cause, rule = step
    if to_state is SimState.ACTIVE:
        return activated(sim, day, cause, rule, at=at)
    moved, record = move(sim, to_state, cause, rule, day)
    if to_state is SimState.EXPIRED:
        moved = with_hold(moved, Hold(code=HoldCode.PLAN_EXPIRED, since=at, source=HoldSource.GATEWAY))
    return moved, (record,)


def state_from_dates(sim: Sim, today: date, at: datetime) -> tuple[Sim, tuple[Transition, ...]]:
    """An imported SIM without a state in the file: the state that its dates give by `today` (docs/api.md, Import).

    With `activated_on` or `expires_on` it was activated; with neither its state follows from its opening date.
    """
    known = sim.activated_on is not None or sim.expires_on is not None
    started = replace(sim, underlying=SimState.ACTIVE if known else SimState.INVENTORY)
    return sweep(with_validity_end(started), today, at)


def with_validity_end(sim: Sim) -> Sim:
    """The SIM with its last valid day computed from its activation, unless it is known (VD)."""
    if sim.activated_on is None or sim.expires_on is not None:
        return sim
    end = validity(sim.terms, sim.carrier, sim.activated_on, sim.plan.months)
    return replace(sim, expires_on=end.last_valid_day)
