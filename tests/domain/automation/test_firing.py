"""When conditions fire: both sides of each edge, and one function for live and back-test."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.automation.conditions import (
    Condition,
    DeadlineAhead,
    DeadlineNear,
    DeviceChange,
    DeviceChanged,
    Fact,
    RegionChange,
    RegionEntered,
    Span,
    StateChange,
    StateEntered,
    Usage,
    UsageReached,
)
from app.domain.automation.firing import Firing, Waiting, firings_of, judge, looks_back
from app.domain.sim.deadlines import DeadlineKind
from app.domain.vocabulary import SimState

T0 = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
S = SimState


def fired(condition: Condition, *facts: Fact, since: datetime = T0, until: datetime = T0 + 100 * DAY) -> list[str]:
    return [one.occasion for one in firings_of(condition, facts, since=since, until=until)]


@pytest.mark.parametrize(("used", "met"), [(99, False), (100, True), (101, True)])
def test_bytes_are_reached_at_the_amount(used: int, met: bool) -> None:
    """RM-1."""
    condition = UsageReached(per=Span.CYCLE, bytes=100)
    assert fired(condition, Usage(occasion="2026-11", used=used)) == (["2026-11"] if met else [])


@pytest.mark.parametrize(("used", "met"), [(79, False), (80, True)])
def test_percent_are_of_the_allowance(used: int, met: bool) -> None:
    condition = UsageReached(per=Span.DAY, percent=80)
    fact = Usage(occasion="2026-11-02", used=used, allowance=100)
    assert fired(condition, fact) == (["2026-11-02"] if met else [])


@pytest.mark.parametrize("allowance", [None, 0])
def test_percent_of_no_allowance_are_never_reached(allowance: int | None) -> None:
    assert fired(UsageReached(per=Span.CYCLE, percent=1), Usage(occasion="c", used=10**9, allowance=allowance)) == []


def test_a_state_fires_as_it_is_entered_and_at_each_entry() -> None:
    facts = [
        StateChange(id=str(n), at=T0 + n * DAY, state=s) for n, s in enumerate([S.SUSPENDED, S.ACTIVE, S.SUSPENDED])
    ]
    assert fired(StateEntered(state=S.SUSPENDED), *facts) == ["0", "2"]
    assert fired(StateEntered(state=S.SUSPENDED), *facts, since=T0 + DAY) == ["2"]
    assert fired(StateEntered(state=S.SUSPENDED), *facts, until=T0 + 2 * DAY) == ["0"]


MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(("left_after", "met"), [(DAY - MOMENT, False), (DAY, False), (DAY + MOMENT, True)])
def test_a_state_fires_once_it_has_lasted_longer(left_after: timedelta, met: bool) -> None:
    condition = StateEntered(state=S.SUSPENDED, longer_than=DAY)
    facts = [
        StateChange(id="in", at=T0, state=S.SUSPENDED),
        StateChange(id="out", at=T0 + left_after, state=S.ACTIVE),
    ]
    assert fired(condition, *facts) == (["in"] if met else [])


@pytest.mark.parametrize(("until", "met"), [(DAY, False), (DAY + MOMENT, True)])
def test_a_state_that_lasts_fires_within_the_period(until: timedelta, met: bool) -> None:
    condition = StateEntered(state=S.SUSPENDED, longer_than=DAY)
    fact = StateChange(id="in", at=T0 - DAY / 2, state=S.SUSPENDED)
    assert fired(condition, fact, until=T0 - DAY / 2 + until, since=T0) == (["in"] if met else [])
    assert looks_back(condition) == DAY
    assert looks_back(DeviceChanged()) == timedelta()


def test_what_an_automation_did_opens_no_occasion_but_ends_a_wait() -> None:
    lasting = StateEntered(state=S.SUSPENDED, longer_than=DAY)
    facts = [
        StateChange(id="in", at=T0, state=S.SUSPENDED),
        StateChange(id="out", at=T0 + DAY / 2, state=S.ACTIVE, by_automation=True),
        StateChange(id="again", at=T0 + DAY, state=S.SUSPENDED, by_automation=True),
    ]
    assert fired(lasting, *facts) == []
    assert fired(StateEntered(state=S.SUSPENDED), *facts) == ["in"]


def test_a_device_and_a_region_fire_at_their_change() -> None:
    """DV-6, RG-1."""
    assert fired(DeviceChanged(), DeviceChange(id="d", at=T0)) == ["d"]
    assert fired(DeviceChanged(), RegionChange(id="r", at=T0, province="湖北")) == []
    entered = RegionEntered(provinces=frozenset({"湖北"}))
    assert fired(entered, RegionChange(id="r", at=T0, province="湖北")) == ["r"]
    assert fired(entered, RegionChange(id="r", at=T0, province="湖南")) == []


@pytest.mark.parametrize(("days_ahead", "met"), [(31, False), (30, True), (0, True), (-1, False)])
def test_a_deadline_fires_from_its_day_on_until_it_has_passed(days_ahead: int, met: bool) -> None:
    today = date(2026, 11, 1)
    ahead = DeadlineAhead(kind=DeadlineKind.EXPIRY, on=today + timedelta(days_ahead), first=today, last=today)
    condition = DeadlineNear(deadline=DeadlineKind.EXPIRY, days=30)
    assert fired(condition, ahead) == ([f"expiry:{ahead.on.isoformat()}"] if met else [])
    assert fired(DeadlineNear(deadline=DeadlineKind.CANCELLATION, days=30), ahead) == []


CHANGES = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([S.ACTIVE, S.SUSPENDED, S.EXPIRED]), st.booleans()), max_size=20
)


@given(CHANGES, st.integers(0, 400), st.integers(0, 400), st.none() | st.integers(1, 90))
def test_fact_by_fact_fires_what_the_whole_period_fires(
    changes: list[tuple[int, SimState, bool]], first: int, last: int, hours: int | None
) -> None:
    """The live evaluation keeps what waits between two facts; a back-test has them all at once."""
    hour = timedelta(hours=1)
    since, until = T0 + min(first, last) * hour, T0 + max(first, last) * hour
    condition = StateEntered(state=S.SUSPENDED, longer_than=hours * hour if hours else None)
    facts = [
        StateChange(id=str(n), at=T0 + at * hour, state=state, by_automation=ours)
        for n, (at, state, ours) in enumerate(sorted(changes, key=lambda one: one[0]))
    ]
    live: list[Firing] = []
    waiting: Waiting | None = None
    for fact in facts:
        if fact.at >= until:
            break
        if waiting is not None and waiting.due_at < fact.at:  # the clock has passed it before the fact came
            live.append(Firing(occasion=waiting.occasion, at=waiting.due_at))
            waiting = None
        judged = judge(condition, fact, waiting)
        live += judged.fired
        waiting = judged.waiting
    if waiting is not None and waiting.due_at < until:
        live.append(Firing(occasion=waiting.occasion, at=waiting.due_at))
    known = [one for one in facts if one.at < until]
    assert [one for one in live if one.at is not None and one.at >= since] == list(
        firings_of(condition, known, since=since, until=until)
    )
