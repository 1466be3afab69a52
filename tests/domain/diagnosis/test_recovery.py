"""When a stopped card is back (SL, ST-21), for how much, and by which arguments: plans at chosen instants."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from app.domain.diagnosis.checklists import Situation, explain_holds
from app.domain.diagnosis.recovery.plan import Known, OpenOperation, Recovery
from app.domain.diagnosis.recovery.search import recovery_of
from app.domain.operation.decision import Accepted, decide
from app.domain.operation.prices import Catalogue
from app.domain.operation.request import Counts
from app.domain.sim.model import Addon, DeviceSeen, Sim
from app.domain.units import GB, MB
from app.domain.vocabulary import (
    AddonScope,
    Carrier,
    Channel,
    HoldCode,
    OperationKind,
    SimState,
    Supplier,
)
from app.texts.verdicts import verdict_of
from tests.domain.cards import PLAN, SHANGHAI, a_hold, a_sim, context_of

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
CMCC, CUCC, CTCC = Carrier.CMCC, Carrier.CUCC, Carrier.CTCC
MANUAL, DEVICE, QUOTA, CUTOFF = HoldCode.MANUAL, HoldCode.DEVICE_MISMATCH, HoldCode.OVER_QUOTA, HoldCode.POLICY_CUTOFF
EXPIRED, REGION, THRESHOLD = HoldCode.PLAN_EXPIRED, HoldCode.OUT_OF_REGION, HoldCode.OVER_THRESHOLD

NOTHING = Known()
PACKS = (("small", 50 * MB, 300), ("large", 1 * GB, 900), ("unpriced", 2 * GB, None))
CATALOGUE = Catalogue(
    addons={
        name: Addon(id=name, carrier=CMCC, scope=AddonScope.CARD, bytes=size, price_fen=price)
        for name, size, price in PACKS
    }
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def a_stopped(
    terms: Supplier, carrier: Carrier, now: datetime, *holds: HoldCode, since: datetime | None = None, **facts: Any
) -> Sim:
    """A card of this time, stopped since an hour ago, unless another instant is given."""
    sim = a_sim(terms, carrier, SimState.ACTIVE)
    begun = since or now - timedelta(hours=1)
    stopped = tuple(replace(a_hold(code), since=begun) for code in holds)
    return replace(sim, holds=stopped, **{"expires_on": date(2030, 12, 31), **facts})


def recovered(sim: Sim, now: datetime, known: Known = NOTHING, **facts: Any) -> Recovery:
    """The recovery of a card at an instant."""
    context = context_of(now=now, **facts)
    left = Situation(pool_remaining=known.pool_remaining)
    told = {one.code: one.remedies for one in explain_holds(sim, context, left)}
    found = recovery_of(sim, told, context, known)
    assert found is not None
    return found


def times(found: Recovery) -> tuple[str, str, bool]:
    """When the fastest plan is done, in Shanghai, and whether that is provisional."""
    plan = found.fastest
    assert plan is not None
    ends = [
        end.astimezone(SHANGHAI).replace(tzinfo=None).isoformat(timespec="minutes") if end else ""
        for end in (plan.earliest, plan.latest)
    ]
    return ends[0], ends[1], plan.provisional


TIMES = [
    # the desk, over Spring Festival 2026: 15 to 23 February, made up for on Saturday the 14th and Saturday the 28th
    ("2026-02-13T14:30", FLEXEM, CMCC, (MANUAL,), ("2026-02-15T00:00", "2026-02-25T00:00", False)),
    ("2026-02-13T14:31", FLEXEM, CMCC, (MANUAL,), ("2026-02-25T00:00", "2026-02-26T00:00", False)),
    ("2026-02-14T10:00", FLEXEM, CMCC, (MANUAL,), ("2026-02-25T00:00", "2026-02-26T00:00", False)),
    ("2026-02-13T10:00", FLEXEM, CMCC, (DEVICE, MANUAL), ("2026-02-26T00:00", "2026-02-27T00:00", False)),
    # workdays, of which a make-up Saturday is one
    ("2026-02-12T18:00", GSL, CMCC, (MANUAL,), ("2026-02-14T00:00", "2026-02-20T00:00", False)),
    ("2026-02-13T18:00", GSL, CUCC, (MANUAL,), ("2026-02-15T00:00", "2026-02-25T00:00", False)),
    ("2026-02-14T18:00", GSL, CUCC, (MANUAL,), ("2026-02-25T00:00", "2026-02-26T00:00", False)),
    ("2026-10-09T09:00", GSL, CUCC, (MANUAL,), ("2026-10-11T00:00", "2026-10-13T00:00", False)),
    # beyond the published calendar: Spring Festival 2027 by the law alone, 5 to 8 February
    ("2027-02-04T14:30", FLEXEM, CMCC, (MANUAL,), ("2027-02-10T00:00", "2027-02-10T00:00", True)),
    ("2027-02-04T15:00", FLEXEM, CMCC, (MANUAL,), ("2027-02-11T00:00", "2027-02-11T00:00", True)),
    ("2027-02-04T15:00", GSL, CUCC, (MANUAL,), ("2027-02-10T00:00", "2027-02-11T00:00", True)),
    # the end of December may still be moved by the next notice
    ("2026-12-24T10:00", FLEXEM, CMCC, (MANUAL,), ("2026-12-26T00:00", "2026-12-26T00:00", False)),
    ("2026-12-25T10:00", FLEXEM, CMCC, (MANUAL,), ("2026-12-29T00:00", "2026-12-29T00:00", True)),
    # the desk for regions, possibly that evening
    ("2026-11-23T14:30", FLEXEM, CMCC, (REGION,), ("2026-11-24T00:00", "2026-11-25T00:00", False)),
    # month starts: restoration takes 2 to 4 hours, in the first three days of a month up to 8
    ("2026-12-03T23:00", FLEXEM, CMCC, (EXPIRED,), ("2026-12-04T01:00", "2026-12-04T07:00", False)),
    ("2026-12-04T00:00", FLEXEM, CMCC, (EXPIRED,), ("2026-12-04T02:00", "2026-12-04T04:00", False)),
    # cycles turn on the 1st, at China Unicom on the 27th, and show within three days
    ("2026-11-21T10:00", GSL, CMCC, (THRESHOLD,), ("2026-12-01T00:00", "2026-12-04T00:00", False)),
    ("2026-11-21T10:00", GSL, CUCC, (THRESHOLD,), ("2026-11-27T00:00", "2026-11-30T00:00", False)),
    ("2026-12-31T23:59", GSL, CMCC, (THRESHOLD,), ("2027-01-01T00:00", "2027-01-04T00:00", False)),
    # by itself, and by the carrier's API
    ("2026-11-21T10:00", FLEXEM, CUCC, (DEVICE,), ("2026-11-21T10:15", "2026-11-21T10:30", False)),
    ("2026-11-21T10:00", FLEXEM, CTCC, (DEVICE,), ("", "2026-11-21T10:30", False)),
    ("2026-11-21T10:00", STANDARD, CMCC, (DEVICE,), ("", "", False)),
]


@pytest.mark.parametrize(("now", "terms", "carrier", "holds", "expected"), TIMES)
def test_a_card_is_told_back_between_two_instants(
    now: str, terms: Supplier, carrier: Carrier, holds: tuple[HoldCode, ...], expected: tuple[str, str, bool]
) -> None:
    """SL-1 to SL-4, SL-8, ST-21, BC-1, BC-2, DV-3: over holidays, make-up days, month starts and unpublished years."""
    expires = {"expires_on": date(2026, 11, 30), "underlying": SimState.EXPIRED} if EXPIRED in holds else {}
    sim = replace(a_stopped(terms, carrier, at(now), *holds), **expires)
    assert times(recovered(sim, at(now))) == expected


def test_the_reasons_name_the_days() -> None:
    """SL-1: the 14:30 cut-off, the day it counts from, the day it is due, and the make-up day left out."""
    now = at("2026-02-13T14:30")
    plan = recovered(a_stopped(FLEXEM, CMCC, now, MANUAL), now).fastest
    assert plan is not None
    assert [(reason.key, reason.day and reason.day.isoformat()) for reason in plan.reasons] == [
        ("handed_in_in_time", "2026-02-13"),
        ("counts_as_handed_in", "2026-02-13"),
        ("done_by_next_desk_day", "2026-02-24"),
        ("make_up_day_left_out", "2026-02-14"),
    ]


def test_what_the_last_cycle_should_have_ended_is_waited_for_and_then_the_suppliers() -> None:
    """ST-21: till the end of the third day, then the engineer, whose time nobody publishes."""
    since = at("2026-11-28T10:00")
    for now, action, latest in (
        ("2026-12-03T23:59", "wait", at("2026-12-04")),
        ("2026-12-04T00:00", "ask_supplier", None),
    ):
        plan = recovered(a_stopped(GSL, CMCC, at(now), QUOTA, since=since), at(now)).fastest
        assert plan is not None
        assert ([step.action for step in plan.steps], plan.latest) == ([action], latest)


def test_a_renewal_in_the_pause_waits_for_the_month_and_a_closed_one_is_said() -> None:
    """RN-2: from the 23rd none, on the 1st again, then SL-4; RN-1: after the 22nd nobody renews."""
    now = at("2026-11-24T10:00")
    early = a_stopped(FLEXEM, CMCC, now, EXPIRED, expires_on=date(2026, 11, 30))
    found = recovered(early, now)
    assert times(found) == ("2026-12-01T02:00", "2026-12-01T08:00", False)
    [step] = found.fastest.steps if found.fastest else ()
    assert (step.allowed_now, step.not_before, step.reasons[0].key) == (False, at("2026-12-01"), "window_opens")

    late = a_stopped(FLEXEM, CMCC, now, EXPIRED, expires_on=date(2026, 10, 31), underlying=SimState.EXPIRED)
    lost = recovered(late, now)
    assert (lost.fastest, [(one.rule, one.text) for one in lost.not_lifted]) == (
        None,
        [("RN-1", "refusal.renewal_closed")],
    )
    said = verdict_of(SimState.EXPIRED, ["plan_expired"], lost, SHANGHAI)
    assert said["en"].endswith("it cannot be brought back: the renewal window of this card is over.")


def test_a_rebind_beyond_the_months_budget_opens_with_the_next_month() -> None:
    """DV-3: two a month, then not before the 1st, within five minutes."""
    now = at("2026-11-21T10:00")
    found = recovered(a_stopped(GSL, CTCC, now, DEVICE), now, counts=Counts(rebinds_this_month=2))
    assert times(found)[1] == "2026-12-01T00:05"
    assert found.fastest is not None
    assert found.fastest.steps[0].not_before == at("2026-12-01")


@pytest.mark.parametrize(
    ("used", "addon", "cost"),
    [(110 * MB, "small", 300), (150 * MB, "small", 300), (150 * MB + 1, "large", 900), (1200 * MB, "unpriced", None)],
)
def test_the_cheapest_pack_that_is_large_enough_is_chosen(used: int, addon: str, cost: int | None) -> None:
    """QT-2, QT-7, QT-8: a plan of 100 MB is passed by more than 100 MB."""
    now = at("2026-11-21T10:00")
    found = recovered(a_stopped(GSL, CMCC, now, QUOTA), now, Known(used=used), catalogue=CATALOGUE)
    assert found.fastest is not None
    assert found.cheapest is not None
    [step] = found.fastest.steps
    assert (dict(step.arguments), found.fastest.cost_fen) == ({"addon": addon}, cost)
    assert ([one.action for one in found.cheapest.steps], found.cheapest.cost_fen) == (["next_cycle"], 0)


def test_the_cheapest_renewal_is_chosen_and_its_price_told() -> None:
    """RN-10: by months that the plan offers."""
    now = at("2026-12-02T10:00")
    plan = replace(PLAN, price_fen=2400, renewal_months=(12, 1, 6))
    card = a_stopped(FLEXEM, CMCC, now, EXPIRED, plan=plan, expires_on=date(2026, 11, 30), underlying=SimState.EXPIRED)
    found = recovered(card, now)
    assert found.fastest is not None
    assert (dict(found.fastest.steps[0].arguments), found.fastest.cost_fen) == ({"months": 1}, 200)
    said = verdict_of(SimState.EXPIRED, ["plan_expired"], found, SHANGHAI)
    assert said == {
        "en": "The card is stopped because its plan has expired: renew its plan; it is back between 2026-12-02 12:00 "
        "and 2026-12-02 18:00, for 2.00 yuan.",
        "zh": "该卡停机，原因是套餐已到期：可续费，2026-12-02 12:00至2026-12-02 18:00之间恢复，费用2.00元。",
    }


def test_a_resume_is_no_rebind_unless_the_card_is_back_in_its_first_device() -> None:
    """DV-4, ST-20: the gateway would take the resume in either case."""
    now = at("2026-11-23T10:00")
    elsewhere = a_stopped(FLEXEM, CMCC, now, MANUAL, DEVICE, imei="356789012345672")
    back = replace(elsewhere, seen=DeviceSeen(imei="356789012345672", at=now))
    actions = []
    for card in (elsewhere, back):
        found = recovered(card, now)
        assert found.fastest is not None
        actions.append([(step.action, step.after) for step in found.fastest.steps])
    assert actions == [[("rebind", ()), ("resume", (1,))], [("resume", ())]]


def test_an_open_operation_is_awaited_and_what_it_lifts_needs_nothing_else() -> None:
    """OP-4, ST-24."""
    now, due = at("2026-11-23T10:00"), at("2026-11-25")
    card = a_stopped(FLEXEM, CMCC, now, MANUAL)
    steps = []
    for kind in (OperationKind.RESUME, OperationKind.REFRESH):
        known = Known(open_operation=OpenOperation(kind=kind, arguments={}, channel=Channel.API, due_at=due))
        plan = recovered(card, now, known, open_operation=True).fastest
        assert plan is not None
        steps.append([(step.action, step.after, step.lifts, step.allowed_now) for step in plan.steps])
    assert steps == [
        [("await_operation", (), (MANUAL,), False)],
        [("await_operation", (), (), False), ("resume", (1,), (MANUAL,), False)],
    ]


@pytest.mark.parametrize(("late", "ends"), [(timedelta(), False), (-timedelta(seconds=1), True)])
def test_no_time_is_promised_once_the_open_operation_is_overdue(late: timedelta, ends: bool) -> None:
    """OP-4, SL-7: on both sides of its due time."""
    now = at("2026-11-23T10:00")
    card = a_stopped(FLEXEM, CMCC, now, MANUAL)
    for kind in (OperationKind.RESUME, OperationKind.REFRESH):
        under_way = OpenOperation(kind=kind, arguments={}, channel=Channel.API, due_at=now - late)
        plan = recovered(card, now, Known(open_operation=under_way), open_operation=True).fastest
        assert plan is not None
        assert (plan.latest is not None, plan.steps[0].latest is not None) == (ends, ends)
        assert plan.reasons[0].key == ("operation_open" if ends else "operation_overdue")


def test_every_step_that_may_be_taken_now_is_accepted_under_all_terms_in_every_pair() -> None:
    """ST-26: with its own arguments, and what the caller chooses."""
    now, tried = at("2026-11-23T10:00"), 0
    for terms in Supplier:
        for carrier in Carrier:
            for index, first in enumerate(HoldCode):
                for second in list(HoldCode)[:index]:
                    card = a_stopped(terms, carrier, now, first, second, pool="p")
                    tried += _accepted(card, now)
    assert tried > 800


def _accepted(card: Sim, now: datetime) -> int:
    """How many steps may be taken now; each is accepted."""
    context = context_of(now=now, catalogue=CATALOGUE)
    found = recovered(card, now, Known(used=150 * MB), catalogue=CATALOGUE)
    plans = [plan for plan in (found.fastest, found.cheapest) if plan is not None]
    steps = [step for plan in plans for step in plan.steps if step.allowed_now and step.operation is not None]
    for step in steps:
        chosen = {"province": "湖北", "plan": "p-1g"}
        arguments = {name: chosen[name] for name in step.choose} | dict(step.arguments)
        assert step.operation is not None
        assert isinstance(decide(card, step.operation, arguments, context), Accepted), (card, step)
    return len(steps)
