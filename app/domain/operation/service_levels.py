"""Service levels (受理时限, SL): by when a carrier has done a request, counted in the carrier's zone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from app.domain.calendar.days import local, month_end, plus_days, start_of_day
from app.domain.calendar.workdays import Workday, WorkdayCalendar
from app.domain.errors import Malformed
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import (
    ClockLevel,
    DayLevel,
    DeskLevel,
    Level,
    LevelName,
    Terms,
    WorkdayLevel,
)
from app.domain.vocabulary import Carrier, OperationKind, Supplier

DESK_CLOSES = time(14, 30)
"""The last time of day, inclusive, at which a request counts as handed in on that day (SL-1, SL-2)."""

RESET_PAUSE = timedelta(minutes=15)
"""The least time between the suspend and the resume of a network reset (SL-5)."""

FIRST_DAYS = 3
"""How many first days of a month there are in which a carrier restores more slowly (SL-4, D)."""

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReason:
    """One step of the derivation of a due time: a text key below `because.`, and the day that it concerns."""

    key: str
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When a request is done: `due_at` at the latest, `earliest` possibly; None: not published.

    `due_on`: the day at whose end it is due, for rules that count days; `provisional`: rests on days not yet published.
    """

    earliest: datetime | None
    due_on: date | None
    due_at: datetime | None
    provisional: bool
    rule: str
    reasons: tuple[DueReason, ...]
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What changes a service level beside its kind.

    `industrial_allowance`: bytes a cycle of an industrial-grade SIM's plan, None: of ordinary grade (SL-6);
    `first_device`: back in its first device (DV-4); `repeat_window`: the least time between two changes of one SIM in
    the protocol (SL-5).
    """

    industrial_allowance: int | None = None
    first_device: bool = False
    repeat_window: timedelta = timedelta(0)


ORDINARY = Circumstances()

NOT_PUBLISHED = Due(
    earliest=None,
    due_on=None,
    due_at=None,
    provisional=False,
    rule="SL-7",
    reasons=(DueReason(key="not_published"),),
    assumed=(),
)


@dataclass(slots=True)
class _DayWalk:
    """Looks days up and remembers whether any was provisional, and the first make-up workday."""

    workdays: WorkdayCalendar
    provisional: bool = False
    make_up: date | None = None

    def desk_day(self, day: date) -> bool:
        """Whether it is a desk day (SL-1)."""
        return self._look(day).desk_day

    def workday(self, day: date) -> bool:
        """Whether it is a workday, including make-up workdays (SL-8)."""
        return self._look(day).workday

    def _look(self, day: date) -> Workday:
        found = self.workdays.day(day)
        self.provisional = self.provisional or found.provisional
        if found.workday and not found.desk_day:
            self.make_up = self.make_up or day
        return found


def _on_or_after(day: date, fits: Callable[[date], bool]) -> date:
    """The first day from `day` on that fits."""
    while not fits(day):
        day = plus_days(day, 1)
    return day


def _nth_after(day: date, count: int, fits: Callable[[date], bool]) -> date:
    """The `count`th day after `day` that fits."""
    for _ in range(count):
        day = _on_or_after(plus_days(day, 1), fits)
    return day


def _desk(level: DeskLevel, at: datetime, zone: tzinfo, walk: _DayWalk) -> Due:
    """SL-1, SL-2: done by the end of the desk day after the one on which it counts as handed in."""
    day, in_time = at.date(), at.time() <= DESK_CLOSES
    on_desk_day = walk.desk_day(day)
    counted = day if on_desk_day and in_time else _nth_after(day, 1, walk.desk_day)
    due_on = _nth_after(counted, 1, walk.desk_day)
    soonest = day if walk.workday(day) and in_time else _nth_after(day, 1, walk.workday)
    soonest = _nth_after(soonest, 1, walk.workday)
    if level.same_evening and counted == day:
        soonest = day
    reasons = [DueReason(key=_desk_reason(on_desk_day=on_desk_day, in_time=in_time), day=day)]
    reasons.append(DueReason(key="counts_as_handed_in", day=counted))
    reasons.append(DueReason(key="done_by_next_desk_day", day=due_on))
    if level.same_evening and counted == day:
        reasons.append(DueReason(key="possibly_same_evening", day=day))
    if walk.make_up is not None and walk.make_up <= due_on:
        reasons.append(DueReason(key="make_up_day_left_out", day=walk.make_up))
    return Due(
        earliest=start_of_day(plus_days(soonest, 1), zone),
        due_on=due_on,
        due_at=start_of_day(plus_days(due_on, 1), zone),
        provisional=walk.provisional,
        rule=level.rule,
        reasons=tuple(reasons),
        assumed=() if on_desk_day and walk.make_up is None else ("SL-1",),
    )


def _desk_reason(*, on_desk_day: bool, in_time: bool) -> str:
    """The text key that explains on which day a request counts as handed in."""
    if not on_desk_day:
        return "not_a_desk_day"
    return "handed_in_in_time" if in_time else "handed_in_too_late"


def _in_workdays(level: WorkdayLevel, at: datetime, zone: tzinfo, walk: _DayWalk) -> Due:
    """SL-8: by the end of the nth workday after the day of hand-in; a range also gives `earliest`."""
    counted = _on_or_after(at.date(), walk.workday)
    due_on = _nth_after(counted, level.latest, walk.workday)
    reasons = [DueReason(key="counts_as_handed_in", day=counted), DueReason(key="workdays_counted", day=due_on)]
    if level.or_days is not None:
        due_on = max(due_on, plus_days(counted, level.or_days))
        reasons.append(DueReason(key="up_to_a_week", day=due_on))
    first = None if level.earliest is None else _nth_after(counted, level.earliest, walk.workday)
    return Due(
        earliest=None if first is None else start_of_day(plus_days(first, 1), zone),
        due_on=due_on,
        due_at=start_of_day(plus_days(due_on, 1), zone),
        provisional=walk.provisional,
        rule=level.rule,
        reasons=tuple(reasons),
        assumed=("SL-8",),
    )


def _in_days(due_on: date, rule: str, key: str, at: datetime, zone: tzinfo, *, ranged: bool) -> Due:
    """By the end of a calendar day; `ranged`: possibly by the end of the day of hand-in."""
    return Due(
        earliest=start_of_day(plus_days(at.date(), 1), zone) if ranged else None,
        due_on=due_on,
        due_at=start_of_day(plus_days(due_on, 1), zone),
        provisional=False,
        rule=rule,
        reasons=(DueReason(key=key, day=due_on),),
        assumed=(),
    )


def _by_the_clock(level: ClockLevel, at: datetime) -> Due:
    """Minutes and hours from acceptance (SL-8), longer in the first days of a month where the terms say so (SL-4)."""
    early = level.first_days_latest is not None and at.day <= FIRST_DAYS
    latest = level.first_days_latest if early and level.first_days_latest is not None else level.latest
    return Due(
        earliest=None if level.earliest is None else at + level.earliest,
        due_on=None,
        due_at=at + latest,
        provisional=False,
        rule=level.rule,
        reasons=(DueReason(key="first_days_of_month" if early else "from_acceptance"),),
        assumed=(),
    )


def _by_level(level: Level, at: datetime, zone: tzinfo, workdays: WorkdayCalendar) -> Due:
    """The due time of a service level for a request at a local instant."""
    if isinstance(level, DeskLevel):
        return _desk(level, at, zone, _DayWalk(workdays))
    if isinstance(level, WorkdayLevel):
        return _in_workdays(level, at, zone, _DayWalk(workdays))
    if isinstance(level, ClockLevel):
        return _by_the_clock(level, at)
    if isinstance(level, DayLevel):
        return _in_days(plus_days(at.date(), level.days), level.rule, "days_counted", at, zone, ranged=False)
    return _in_days(month_end(at.date()), level.rule, "within_the_month", at, zone, ranged=True)


def _level_name(policy: Terms, kind: str, rebinds_this_month: int, case: Circumstances) -> str:
    """The name under which the terms keep the level of a kind in its circumstances (DV-3, DV-4, SL-6)."""
    if kind == OperationKind.REBIND and LevelName.REBIND_OVER_BUDGET in policy.service:
        within = rebinds_this_month < (policy.rebinds_a_month.value or 0)
        return kind if within else LevelName.REBIND_OVER_BUDGET
    if kind == LevelName.DELIVERY and _ships_late(policy, case.industrial_allowance):
        return LevelName.DELIVERY_INDUSTRIAL
    if kind == OperationKind.RESUME and case.first_device and LevelName.RESUME_IN_FIRST_DEVICE in policy.service:
        return LevelName.RESUME_IN_FIRST_DEVICE
    return kind


def _ships_late(policy: Terms, industrial_allowance: int | None) -> bool:
    """SL-6: an industrial-grade SIM whose plan is over the size from which these terms ship it later."""
    size = policy.industrial_over.value
    return size is not None and industrial_allowance is not None and industrial_allowance > size


KINDS = frozenset({*(str(kind) for kind in OperationKind), str(LevelName.RESTORE), str(LevelName.DELIVERY)})
"""The kinds that `due` accepts: every operation kind, `restore` (SL-4), `delivery` (SL-6)."""


def due(
    terms: Supplier,
    carrier: Carrier,
    kind: str,
    at: datetime,
    zone: tzinfo,
    workdays: WorkdayCalendar,
    rebinds_this_month: int = 0,
    case: Circumstances = ORDINARY,
) -> Due:
    """When a request handed in at an instant is done under these terms (SL-1 to SL-8).

    `kind`: one of `KINDS`; `zone`: the carrier's; `rebinds_this_month`: successful ones (DV-3). Raises `Malformed` for
    an unknown kind or an instant without offset.
    """
    if kind not in KINDS:
        raise Malformed("KIND_UNKNOWN", "the kind is no operation kind, nor restore nor delivery")
    here = local(at, zone)
    if kind == OperationKind.RESET_NETWORK:
        return _reset(terms, carrier, here, zone, workdays, case.repeat_window)
    policy = terms_in_force(terms, carrier, here.date())
    level = policy.service.get(_level_name(policy, kind, rebinds_this_month, case))
    if level is None or level.value is None:
        return NOT_PUBLISHED
    answer = _by_level(level.value, here, zone, workdays)
    return replace(answer, assumed=tuple(dict.fromkeys(level.assumed + answer.assumed))) if level.assumed else answer


def _handed_on(answer: Due, instant: datetime) -> datetime:
    """When the second step of a two-step request is handed in: within the day at whose end the first is done."""
    return instant if answer.due_on is None else instant - _INSTANT


def _reset(
    terms: Supplier,
    carrier: Carrier,
    at: datetime,
    zone: tzinfo,
    workdays: WorkdayCalendar,
    repeat_window: timedelta,
) -> Due:
    """SL-5: a suspend and, once that shows and not before 15 min, a resume; due as the two together."""
    down = due(terms, carrier, OperationKind.SUSPEND, at, zone, workdays)
    if down.due_at is None:
        return replace(NOT_PUBLISHED, rule="SL-5")
    soonest = at + max(RESET_PAUSE, repeat_window)
    late = max(_handed_on(down, down.due_at), soonest)
    up = due(terms, carrier, OperationKind.RESUME, late, zone, workdays)
    quick = down.earliest and max(_handed_on(down, down.earliest), soonest)
    quickest = quick and due(terms, carrier, OperationKind.RESUME, quick, zone, workdays).earliest
    return replace(
        up,
        earliest=quickest,
        provisional=down.provisional or up.provisional,
        rule="SL-5",
        reasons=(DueReason(key="suspend_then_resume"), *down.reasons, *up.reasons),
        assumed=tuple(dict.fromkeys(down.assumed + up.assumed)),
    )
