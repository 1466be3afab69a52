"""The values that the terms of a supplier can have, each with its source (TM-1, TM-2, TM-4).

A value that no source publishes for a supplier is None; it is never borrowed from another supplier (TM-4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from app.domain.vocabulary import (
    Actor,
    AfterSalesRequest,
    Carrier,
    DirectedEntryState,
    HoldCode,
    SimState,
    Supplier,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Generic[T]):
    """One value of the terms. `assumed` names the D rules it rests on; `source` is as docs/catalogue.md cites."""

    value: T | None
    source: str
    assumed: tuple[str, ...] = ()


def unpublished() -> Term[Any]:
    """A value that no source gives for this supplier (TM-4)."""
    return Term(value=None, source="not published")


class Counting(StrEnum):
    """How months of validity are counted (VD-2, VD-3)."""

    CALENDAR_MONTHS = "calendar_months"
    ANNIVERSARY = "anniversary"


class ForcedDay(StrEnum):
    """The day of forced activation of an unused SIM (LC-1 to LC-3)."""

    END_OF_PERIOD = "end_of_period"
    FIRST_OF_NEXT_MONTH = "first_of_next_month"


class AllowanceStop(StrEnum):
    """Whether a SIM is stopped at its own allowance (QT-1 to QT-3)."""

    NEVER = "never"
    ALWAYS = "always"
    CHOSEN = "chosen"


class ThresholdRight(StrEnum):
    """On which SIMs a usage threshold may be set (QT-4, QT-6)."""

    ANY = "any"
    POOL_MEMBERS = "pool_members"
    CAP_ONLY = "cap_only"
    NONE = "none"


class Edge(StrEnum):
    """Whether a limit applies when it is reached (≥) or only when it is passed (>) (QT-8)."""

    REACHED = "reached"
    PASSED = "passed"


class PoolForming(StrEnum):
    """Until when SIMs may enter a prepaid pool (PL-5)."""

    AT_PURCHASE = "at_purchase"
    BEFORE_SHIPPING = "before_shipping"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLevel:
    """The carrier's desk (SL-1); `same_evening`: handed in in time, it may be done that evening (SL-2)."""

    rule: str
    same_evening: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkdayLevel:
    """A number of workdays (SL-8), a range where `earliest` is given; `or_days`: or up to that many calendar days."""

    rule: str
    latest: int
    earliest: int | None = None
    or_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLevel:
    """A number of calendar days."""

    rule: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLevel:
    """Minutes or hours from acceptance (SL-8); `first_days_latest` holds in the first 3 days of a month (SL-4)."""

    rule: str
    latest: timedelta
    earliest: timedelta | None = None
    first_days_latest: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthLevel:
    """The same day or within the month (SL-4, `standard`)."""

    rule: str


Level = DeskLevel | WorkdayLevel | DayLevel | ClockLevel | MonthLevel


def service_level(*, level: Level, source: str, assumed: tuple[str, ...] = ()) -> Term[Level]:
    """A service level as a value of the terms."""
    return Term(value=level, source=source, assumed=assumed)


class LevelName(StrEnum):
    """Names of service levels beside the operation kinds."""

    RESTORE = "restore"
    DELIVERY = "delivery"
    DELIVERY_INDUSTRIAL = "delivery_industrial"
    REBIND_OVER_BUDGET = "rebind_over_budget"
    RESUME_IN_FIRST_DEVICE = "resume_in_first_device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One supplier's terms for one carrier, from `since` on (None: from the beginning). Amounts are bytes and fen."""

    supplier: Supplier
    carrier: Carrier
    since: date | None = None
    period_rule: str
    """The rule that states the periods before activation; answers about them cite it (LC-1, LC-2, LC-3)."""

    test_months: Term[int] = field(default_factory=unpublished)
    test_bytes: Term[int] = field(default_factory=unpublished)
    test_choice_months: Term[tuple[int, int]] = field(default_factory=unpublished)
    test_choice_bytes: Term[tuple[int, int]] = field(default_factory=unpublished)
    test_bytes_of_plan: Term[bool] = field(default_factory=unpublished)
    test_ends_in: Term[SimState] = field(default_factory=unpublished)
    test_order_shows_unused: Term[bool] = field(default_factory=unpublished)
    test_overrun_charged: Term[bool] = field(default_factory=unpublished)
    silent_months: Term[int] = field(default_factory=unpublished)
    forced_day: Term[ForcedDay] = field(default_factory=unpublished)
    unverified_is_held: Term[bool] = field(default_factory=unpublished)

    counting: Term[Counting] = field(default_factory=unpublished)
    cancels_on_day: Term[int] = field(default_factory=unpublished)
    cancels_after_days: Term[int] = field(default_factory=unpublished)
    retention_months: Term[int] = field(default_factory=unpublished)
    retention_fee_fen: Term[int] = field(default_factory=unpublished)
    retention_offered: Term[bool] = field(default_factory=unpublished)

    renewable_until_day: Term[int] = field(default_factory=unpublished)
    renewable_after_days: Term[int] = field(default_factory=unpublished)
    renewal_pause_from_day: Term[int] = field(default_factory=unpublished)
    renewal_last_safe_day: Term[int] = field(default_factory=unpublished)
    renewal_reminder_months: Term[int] = field(default_factory=unpublished)
    plan_change: Term[bool] = field(default_factory=unpublished)

    allowance_stop: Term[AllowanceStop] = field(default_factory=unpublished)
    allowance_edge: Term[Edge] = field(default_factory=unpublished)
    cutoffs: Term[Mapping[int, int]] = field(default_factory=unpublished)
    threshold_right: Term[ThresholdRight] = field(default_factory=unpublished)
    threshold_cap: Term[int] = field(default_factory=unpublished)
    threshold_edge: Term[Edge] = field(default_factory=unpublished)
    addons: Term[bool] = field(default_factory=unpublished)

    resume_lifts: Term[frozenset[HoldCode]] = field(default_factory=unpublished)
    binds_at: Term[str] = field(default_factory=unpublished)
    bound_digits: Term[int] = field(default_factory=unpublished)
    bound_devices: Term[int] = field(default_factory=unpublished)
    rebind_by: Term[Actor] = field(default_factory=unpublished)
    rebinds_a_month: Term[int] = field(default_factory=unpublished)
    rebind_refused_beyond: Term[bool] = field(default_factory=unpublished)

    region_limited: Term[bool] = field(default_factory=unpublished)
    networks: Term[tuple[str, ...]] = field(default_factory=unpublished)
    card_type: Term[str] = field(default_factory=unpublished)
    directed_by: Term[tuple[str, ...]] = field(default_factory=unpublished)
    directed_protocols: Term[tuple[str, ...]] = field(default_factory=unpublished)
    directed_may_be_empty: Term[bool] = field(default_factory=unpublished)
    directed_deletable: Term[frozenset[DirectedEntryState]] = field(default_factory=unpublished)
    directed_reversible: Term[bool] = field(default_factory=unpublished)
    general_up_to: Term[int] = field(default_factory=unpublished)
    after_sales_refused: Term[frozenset[AfterSalesRequest]] = field(default_factory=unpublished)
    profile_required: Term[bool] = field(default_factory=unpublished)
    """Whether a buyer's profile must be complete before anything is ordered (RN-9)."""
    small_order_cards: Term[int] = field(default_factory=unpublished)
    """Up to how many new SIMs an order is a small one, which has conditions (OR-3)."""
    invoice_over_fen: Term[int] = field(default_factory=unpublished)
    """What the sum of an invoice must be greater than, in fen (IV-1)."""
    invoice_within_months: Term[int] = field(default_factory=unpublished)
    """Months after its payment within which an order may be invoiced (IV-1)."""
    invoice_details: Term[tuple[str, ...]] = field(default_factory=unpublished)
    """The details of the buyer that an invoice must have (IV-1)."""
    pool_forming: Term[PoolForming] = field(default_factory=unpublished)
    pool_retention_days: Term[int] = field(default_factory=unpublished)
    industrial_over: Term[int] = field(default_factory=unpublished)

    service: Mapping[str, Term[Level]] = field(default_factory=lambda: MappingProxyType({}))
    """By operation kind or `LevelName`; what is missing is not published (SL-7)."""
