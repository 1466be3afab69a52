"""Validity (有效期): counted from activation, by calendar months or by anniversary (VD), until cancellation (LC-9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

from app.domain.calendar.days import ONE_DAY, add_to_month, corresponding_day, month_end, plus_days
from app.domain.errors import Malformed
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Counting
from app.domain.vocabulary import Carrier, SimState, Supplier


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How long a SIM is valid: through `last_valid_day`; `cancels_on` None where the terms name no day (LC-9)."""

    last_valid_day: date
    cancels_on: date | None
    rule: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """The day on which an expired SIM is cancelled; None where the carrier decides (LC-9)."""

    on: date | None
    assumed: tuple[str, ...]


def _through_calendar_months(start: date, months: int) -> date:
    """VD-2: the month of activation is the first, the last valid day a month's last day."""
    return month_end(add_to_month(start, months - 1))


def _through_anniversary(start: date, months: int) -> date:
    """VD-3: the day before the corresponding day; where that month has no such day, the month's last day."""
    corresponding = corresponding_day(start, months)
    return month_end(add_to_month(start, months)) if corresponding is None else corresponding - ONE_DAY


COUNT: Mapping[Counting, tuple[str, Callable[[date, int], date]]] = MappingProxyType(
    {
        Counting.CALENDAR_MONTHS: ("VD-2", _through_calendar_months),
        Counting.ANNIVERSARY: ("VD-3", _through_anniversary),
    },
)
"""The rule of each way of counting, and the last valid day of a start and a number of months."""


def _checked(months: int) -> int:
    """The months, one or more. Raises `Malformed`."""
    if months < 1:
        raise Malformed("MONTHS_OUT_OF_RANGE", "months of validity are one or more")
    return months


def cancellation(terms: Supplier, carrier: Carrier, expires_on: date) -> Cancellation:
    """When a SIM with the last valid day `expires_on` is cancelled unless it is renewed (LC-9, RN-1).

    Raises `Malformed` where that is outside the calendar.
    """
    policy = terms_in_force(terms, carrier, expires_on)
    if policy.cancels_on_day.value is not None:
        day = add_to_month(expires_on, 1).replace(day=policy.cancels_on_day.value)
        policy = terms_in_force(terms, carrier, day)
        return Cancellation(on=day, assumed=policy.cancels_on_day.assumed)
    after = policy.cancels_after_days
    if after.value is None:
        return Cancellation(on=None, assumed=())
    return Cancellation(on=plus_days(expires_on, after.value + 1), assumed=after.assumed)


def _answer(terms: Supplier, carrier: Carrier, last_valid_day: date, rule: str, assumed: tuple[str, ...]) -> Validity:
    """The validity with the cancellation that follows it."""
    end = cancellation(terms, carrier, last_valid_day)
    return Validity(
        last_valid_day=last_valid_day,
        cancels_on=end.on,
        rule=rule,
        assumed=tuple(dict.fromkeys(assumed + end.assumed)),
    )


def validity(terms: Supplier, carrier: Carrier, activated_on: date, months: int) -> Validity:
    """How long a SIM activated on a day is valid (VD-1 to VD-3).

    Raises `Malformed` for fewer months than one, and for an end outside the calendar.
    """
    counting = terms_in_force(terms, carrier, activated_on).counting
    rule, count = COUNT[counting.value or Counting.ANNIVERSARY]
    return _answer(terms, carrier, count(activated_on, _checked(months)), rule, counting.assumed)


def with_reported_end(sim: Sim, reported: date) -> Sim:
    """VD-6: the last valid day that the carrier reports counts from then on; our own count stays beside it.

    Only for a SIM in use: an expired one comes back by its renewal (VD-5), not by a date.
    """
    if sim.underlying is not SimState.ACTIVE or sim.expires_on is None or sim.expires_on == reported:
        return sim
    forecast = sim.expires_forecast_on or sim.expires_on
    return replace(sim, expires_on=reported, expires_forecast_on=None if forecast == reported else forecast)


def renewed(terms: Supplier, carrier: Carrier, expires_on: date, months: int, in_force_on: date) -> Validity:
    """The validity after a renewal (VD-5): from the current end, after it from the day the plan is in force.

    Raises `Malformed` as `validity`.
    """
    counting = terms_in_force(terms, carrier, in_force_on).counting
    _, count = COUNT[counting.value or Counting.ANNIVERSARY]
    start = max(expires_on + ONE_DAY, in_force_on)
    extends = in_force_on <= expires_on and counting.value is Counting.CALENDAR_MONTHS
    end = month_end(add_to_month(expires_on, _checked(months))) if extends else count(start, _checked(months))
    return _answer(terms, carrier, end, "VD-5", (*counting.assumed, "VD-5"))
