"""What explains a gap between our sum and a carrier's figure (US-6).

A cause is found by what it would make of our sum: traffic of other hours left out or taken in, a constant share on top,
a figure that a person replaced. It explains a gap if it accounts for all but a twentieth of it. All of this is ours
(D): no carrier publishes how its meter differs.

    evidence = GapEvidence(gap=gap, reported=sums_of(windows(gap)), …)
    explain(evidence).cause
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import chain
from zoneinfo import ZoneInfo

from app.domain.calendar.days import HOME_ZONE, ONE_DAY, local, start_of_day
from app.domain.usage.gaps import Explanation, Gap, GapCause, GapEvidence, Replaced, Window

COUNTING_ZONES: tuple[tzinfo, ...] = (ZoneInfo("UTC"), HOME_ZONE)
"""Zones in which a carrier may begin its days, whatever the account's is (D)."""

LAG = timedelta(hours=24)
"""How far a carrier's view may lag (LC-6)."""

HEADER_PERMILLE = range(10, 71)
"""The share that headers add to the traffic: 1 to 7 % (D)."""

SAME_SHARE_PERMILLE = 20
"""Shares that differ by no more are the same share (D)."""

PROVING_DAYS = 3
"""Days with figures of their own of which a constant share is proven (D)."""

REST = 20
"""A cause explains a gap if what it leaves is no more than one part in so many (D)."""

Shift = tuple[tuple[int, Window], ...]
"""Hours taken into our sum (1) or left out of it (-1)."""


def _edge_shifts(gap: Gap) -> Iterator[Shift]:
    """The carrier's cycle without its first or last day, or with the day before or after it."""
    first, last = local(gap.opens, gap.zone).date(), local(gap.closes - timedelta.resolution, gap.zone).date()
    first_day = Window(gap.opens, start_of_day(first + ONE_DAY, gap.zone))
    day_before = Window(start_of_day(first - ONE_DAY, gap.zone), gap.opens)
    yield ((-1, first_day),)
    yield ((1, day_before),)
    if gap.is_whole:
        last_day = Window(start_of_day(last, gap.zone), gap.closes)
        day_after = Window(gap.closes, start_of_day(last + ONE_DAY + ONE_DAY, gap.zone))
        yield ((-1, last_day),)
        yield ((1, day_after),)
        yield ((1, day_before), (-1, last_day))
        yield ((-1, first_day), (1, day_after))


def _zone_shifts(gap: Gap) -> Iterator[Shift]:
    """The carrier's days begin at the midnight of another zone."""
    first = local(gap.opens, gap.zone).date()
    until = local(gap.as_of, gap.zone)
    for zone in COUNTING_ZONES:
        opens, closes = start_of_day(first, zone), gap.covered_to
        if gap.as_of == start_of_day(until.date(), gap.zone):
            closes = start_of_day(until.date(), zone)
        shift = (*_moved(gap.opens, opens, -1), *_moved(gap.covered_to, closes, 1))
        if opens != gap.opens:
            yield shift


def _moved(ours: datetime, theirs: datetime, later: int) -> Shift:
    """The hours between our edge and theirs, counted `later` where theirs is the later one."""
    if ours == theirs:
        return ()
    return ((later, Window(ours, theirs)),) if ours < theirs else ((-later, Window(theirs, ours)),)


def _lag_after(gap: Gap) -> Window:
    return Window(gap.covered_to, gap.covered_to + LAG)


def _lag_before(gap: Gap) -> Window:
    return Window(max(gap.covered_to - LAG, gap.opens), gap.covered_to)


def windows(gap: Gap) -> set[Window]:
    """The hours of which `explain` needs the reported bytes, apart from those of corrected days.

    Hours that could only widen the gap are left out.
    """
    shifts = (
        shift
        for shift in chain(_edge_shifts(gap), _zone_shifts(gap))
        if any(sign * gap.missing > 0 for sign, _ in shift)
    )
    lag = _lag_after(gap) if gap.missing > 0 else _lag_before(gap)
    return {window for shift in shifts for _, window in shift} | {lag}


def _accounts(missing: int, found: int) -> bool:
    """Whether `found` bytes are what is missing, but for a small rest."""
    return found != 0 and abs(missing - found) * REST <= abs(missing)


def _share(ours: int, theirs: int) -> int:
    """What one side has on top of the other, in permille; negative where we count more. Neither may be 0."""
    on_top = abs(theirs - ours) * 1000 // min(ours, theirs)
    return on_top if theirs >= ours else -on_top


def _no_reports(evidence: GapEvidence) -> Explanation | None:
    """Nothing was reported of what the figure covers."""
    gap = evidence.gap
    return Explanation(cause=GapCause.NO_REPORTS, accounts_for=gap.missing) if gap.ours == 0 else None


def _replaced_figures(evidence: GapEvidence) -> Explanation | None:
    """With the figures that corrections replaced there would be no gap."""
    replaced = [one for one in evidence.replaced if one.former is not None]
    return _correction(evidence.gap, [(one, one.used - (one.former or 0)) for one in replaced])


def _corrected_days(evidence: GapEvidence) -> Explanation | None:
    """The gap lies on the days of which a person submitted the figure."""
    days = [(one, one.of) for one in evidence.replaced if one.of is not None]
    return _correction(evidence.gap, [(one, one.used - evidence.reported.get(day, 0)) for one, day in days])


def _correction(gap: Gap, replaced: Sequence[tuple[Replaced, int]]) -> Explanation | None:
    found = sum(amount for _, amount in replaced)
    if not _accounts(gap.missing, found):
        return None
    return Explanation(
        cause=GapCause.CORRECTION,
        accounts_for=found,
        windows=tuple(one.of for one, _ in replaced if one.of is not None),
        corrected_at=max(one.at for one, _ in replaced),
    )


def _headers(evidence: GapEvidence, *, proven: bool) -> Explanation | None:
    """One side has a constant share of 1 to 7 % more: proven by days or by the cycle before, or by the sum alone."""
    gap = evidence.gap
    if not gap.ours or not gap.theirs:
        return None
    share = _share(gap.ours, gap.theirs)
    if abs(share) not in HEADER_PERMILLE or (proven and not _is_constant(evidence, share)):
        return None
    return Explanation(cause=GapCause.HEADERS, accounts_for=gap.missing, share_permille=share)


def _is_constant(evidence: GapEvidence, share: int) -> bool:
    shares = [_share(day.ours, day.theirs) for day in evidence.days if day.ours and day.theirs]
    if len(shares) < PROVING_DAYS:
        before = evidence.before
        shares = [_share(*before)] if before is not None and all(before) else []
    same = all(abs(one - share) <= SAME_SHARE_PERMILLE and abs(one) in HEADER_PERMILLE for one in shares)
    return bool(shares) and same


def _shifted(cause: GapCause, shifts_of: Callable[[Gap], Iterator[Shift]], evidence: GapEvidence) -> Explanation | None:
    """The gap is the traffic of the hours by which the carrier counts earlier or later."""
    for shift in shifts_of(evidence.gap):
        found = sum(sign * evidence.reported.get(window, 0) for sign, window in shift)
        if _accounts(evidence.gap.missing, found):
            return Explanation(cause=cause, accounts_for=found, windows=tuple(window for _, window in shift))
    return None


def _reported_later(evidence: GapEvidence) -> Explanation | None:
    """What is missing was reported within a day after the figure's `as_of`: the figure knew of it before."""
    missing, window = evidence.gap.missing, _lag_after(evidence.gap)
    later = evidence.reported.get(window, 0)
    if missing <= 0 or not (missing <= later or _accounts(missing, later)):
        return None
    return Explanation(cause=GapCause.LAG, accounts_for=min(missing, later), windows=(window,))


def _counted_later(evidence: GapEvidence) -> Explanation | None:
    """The figure is younger than the carrier's lag, and lacks no more than was reported in its last day (LC-6)."""
    gap, window = evidence.gap, _lag_before(evidence.gap)
    lately = evidence.reported.get(window, 0)
    if gap.missing >= 0 or evidence.now >= gap.as_of + LAG or -gap.missing > lately:
        return None
    return Explanation(cause=GapCause.LAG, accounts_for=gap.missing, windows=(window,))


def explain(evidence: GapEvidence) -> Explanation:
    """The first cause that explains a gap, the surest kind of evidence first; else `unexplained` (US-6)."""
    found = (
        _no_reports(evidence)
        or _replaced_figures(evidence)
        or _headers(evidence, proven=True)
        or _shifted(GapCause.ZONE, _zone_shifts, evidence)
        or _shifted(GapCause.CYCLE_EDGE, _edge_shifts, evidence)
        or _reported_later(evidence)
        or _headers(evidence, proven=False)
        or _counted_later(evidence)
        or _corrected_days(evidence)
    )
    return found or Explanation(cause=GapCause.UNEXPLAINED)
