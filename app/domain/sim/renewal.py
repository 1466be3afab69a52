"""Renewal windows (续费, RN): on which days a SIM may be renewed, and when a window closes and the next opens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.domain.calendar.days import ONE_DAY, add_months, add_to_month, month_end, plus_days
from app.domain.sim.validity import cancellation
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Terms
from app.domain.vocabulary import Carrier, Supplier


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalAnswer:
    """Whether a SIM may be renewed on a day.

    `closes_on` is the last day of the window that day lies in, or of the next; `opens_on` the first day of the next;
    `reason` a text key below `renewal.`; None where there is none.
    """

    renewable: bool
    opens_on: date | None
    closes_on: date | None
    cancels_on: date | None
    rule: str
    reason: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """The last day on which a SIM may be renewed at all, and the rule."""

    last: date
    rule: str
    assumed: tuple[str, ...]


def _last_day(policy: Terms, expires_on: date) -> _Window:
    """The end of the last window: a day of the month after expiry (RN-1), or a number of days after expiry (RN-3)."""
    if policy.renewable_until_day.value is not None:
        day = add_to_month(expires_on, 1).replace(day=policy.renewable_until_day.value)
        return _Window(last=day, rule="RN-1", assumed=policy.renewable_until_day.assumed)
    days = policy.renewable_after_days
    return _Window(last=plus_days(expires_on, days.value or 0), rule="RN-3", assumed=days.assumed)


def renewal(terms: Supplier, carrier: Carrier, expires_on: date, on: date) -> RenewalAnswer:
    """Whether a SIM with the last valid day `expires_on` may be renewed `on` a day, and the windows (RN-1 to RN-3).

    Raises `Malformed` where a window is outside the calendar.
    """
    policy = terms_in_force(terms, carrier, on)
    window = _last_day(policy, expires_on)
    end = cancellation(terms, carrier, expires_on)
    pause = policy.renewal_pause_from_day.value
    opens_on, closes_on, rule = None, window.last, window.rule
    renewable = on <= window.last
    reason = "open" if renewable else "closed"
    if renewable and pause is not None:
        opens_on = _next_opening(on, window.last)
        renewable = on.day < pause
        month = on if renewable else add_to_month(on, 1)
        closes_on = min(window.last, month.replace(day=pause) - ONE_DAY)
        rule, reason = (rule, reason) if renewable else ("RN-2", "paused")
    return RenewalAnswer(
        renewable=renewable,
        opens_on=opens_on,
        closes_on=None if reason == "closed" else closes_on,
        cancels_on=end.on,
        rule=rule,
        reason=reason,
        assumed=tuple(dict.fromkeys(window.assumed + end.assumed)),
    )


def _next_opening(on: date, last: date) -> date | None:
    """The first day after the pause at the month's end; None where the last window has closed by then (RN-2)."""
    opening = month_end(on) + ONE_DAY
    return opening if opening <= last else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeDay:
    """The last safe day for a renewal, which reminders and deadlines name."""

    on: date
    rule: str
    assumed: tuple[str, ...]


def last_safe_day(terms: Supplier, carrier: Carrier, expires_on: date) -> SafeDay:
    """The day before the last where the last is disputed (RN-1), a month before expiry (RN-3), else the last day.

    Raises `Malformed` as `renewal`.
    """
    policy = terms_in_force(terms, carrier, expires_on)
    window = _last_day(policy, expires_on)
    if policy.renewal_last_safe_day.value is not None:
        day = window.last.replace(day=policy.renewal_last_safe_day.value)
        return SafeDay(on=day, rule=window.rule, assumed=policy.renewal_last_safe_day.assumed)
    ahead = policy.renewal_reminder_months
    day = window.last if ahead.value is None else add_months(expires_on, -ahead.value)
    return SafeDay(on=day, rule=window.rule, assumed=tuple(dict.fromkeys(window.assumed + ahead.assumed)))
