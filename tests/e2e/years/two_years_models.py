"""What must become of bought, renewed, expired and charged cards in two years, written from the rule catalogue (LC-8 to
LC-10, RN-1 to RN-3, RN-6, RN-8, RN-11, QT-3). It knows nothing of the product.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.e2e.years.two_years_dates import (
    DAY,
    cancelled_on,
    cycle_of,
    in_months,
    is_paused,
    last_renewal_day,
    last_valid_day,
)
from tests.e2e.years.two_years_money import Entry

if TYPE_CHECKING:
    from tests.e2e.years.two_years_money import Tenant

ALLOWANCE_MB = 100
RETENTION_FEN = 500
RETENTION_MONTHS = 3
OVERRUN_FEN_PER_MB = 3


class Use(StrEnum):
    """What traffic beyond the allowance does to a card."""

    NOTHING = "nothing"
    STOPS = "stops"
    CHARGED = "charged"


@dataclass
class Card:
    """One card by the book. `price_fen` is of twelve months; `renewals_max` None: no limit."""

    name: str
    tenant: Tenant
    account: str
    carrier: str
    terms: str
    ends: date
    price_fen: int
    use_is: Use = Use.NOTHING
    renewals_max: int | None = None
    state: str = "active"
    holds: set[str] = field(default_factory=set)
    story: list[tuple[str, str, str]] = field(default_factory=list)
    """Day, added or lifted, hold."""
    moves: list[tuple[str, str]] = field(default_factory=list)
    """Day, new state."""
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    charged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """MB beyond the allowance, by cycle."""
    renewals: int = 0
    suspends: int = 0
    resumes: int = 0
    auto_months: int | None = None
    """The last order renews it by itself, by so many months."""
    retained_since: date | None = None
    months_charged: set[int] = field(default_factory=set)

    def price(self, months: int) -> int:
        """A renewal's share of the plan's price, rounded up to the fen."""
        return -(-self.price_fen * months // 12)

    def hold(self, code: str, day: date) -> None:
        """A stop comes; the carrier is told by whichever is the first."""
        if code not in self.holds:
            self.suspends += not self.holds
            self.holds.add(code)
            self.story.append((day.isoformat(), "added", code))

    def lift(self, code: str, day: date) -> None:
        """A stop goes; the carrier is told once the last one has gone and the card is in use."""
        if code in self.holds:
            self.holds.remove(code)
            self.story.append((day.isoformat(), "lifted", code))
            self.resumes += self.state == "active" and not self.holds

    def _move(self, state: str, day: date) -> None:
        self.state = state
        self.moves.append((day.isoformat(), state))

    def turn(self, day: date, last_looked: date) -> None:
        """A new cycle frees a card stopped at its allowance."""
        if cycle_of(self.carrier, day) != cycle_of(self.carrier, last_looked) and self.state != "cancelled":
            self.lift("over_quota", day)

    def sweep(self, day: date, *, kept: bool) -> None:
        """The dates at the start of a day: LC-8, LC-9, and RN-11: a renewal that has not ended keeps the card."""
        if self.state == "active" and day > self.ends:
            self._move("expired", self.ends + DAY)
            self.hold("plan_expired", self.ends + DAY)
        ends_on = cancelled_on(self.terms, self.ends)
        if self.state == "expired" and ends_on and day >= ends_on and not kept:
            self._move("cancelled", ends_on)
            self.retained_since = None
        self.charge_retention(day)

    def refusal(self, months: int, day: date) -> str | None:
        """What a cart answers to a renewal on a day: the rule, or the code where the state forbids it."""
        if self.state == "cancelled":
            return "INCOMPATIBLE_STATE"
        if is_paused(self.terms, self.carrier, day):
            return "RN-2"
        if day > last_renewal_day(self.terms, self.ends):
            return "RN-1" if self.terms == "flexem" else "RN-3"
        if self.renewals_max is not None and self.renewals >= self.renewals_max:
            return "RN-6"
        return "RN-10" if months == 2 else None

    def renewed_to(self, months: int, day: date) -> date:
        """VD-5: from the end, after it from the day on which the plan is in force."""
        return last_valid_day(self.terms, max(self.ends + DAY, day), months)

    def renew(self, months: int, day: date, *, auto: bool) -> None:
        """The carrier has the new plan in force (RN-8); `auto`: as the order says, it is renewed by itself from now on."""
        self.ends = self.renewed_to(months, day)
        self.auto_months = months if auto else None
        self.renewals += 1
        self.retained_since = None
        self.months_charged.clear()
        if self.state == "expired":
            self._move("active", day)
            self.lift("plan_expired", day)

    def use(self, day: date, megabytes: int) -> None:
        """Traffic of a day, in whole MB: beyond the allowance it stops the card or is charged (QT-3, QT-2)."""
        cycle = cycle_of(self.carrier, day)
        self.used[cycle] += megabytes
        over = max(0, self.used[cycle] - ALLOWANCE_MB)
        if self.use_is is Use.STOPS and (over or (self.terms == "standard" and self.used[cycle] == ALLOWANCE_MB)):
            self.hold("over_quota", day)
        more = over - self.charged[cycle]
        if self.use_is is Use.CHARGED and more:
            self.charged[cycle] = over
            fen = -more * OVERRUN_FEN_PER_MB
            self.tenant.add(Entry(day, "overrun", fen, self.name, cycle))

    def retain(self, day: date) -> None:
        """Number retention was done at the desk (LC-10)."""
        self.retained_since = day
        self.charge_retention(day)

    def charge_retention(self, day: date) -> None:
        """500 fen as each month from expiry begins, of China Mobile alone, three at most, while it is retained."""
        if self.retained_since is None or self.carrier != "cmcc":
            return
        for month in range(RETENTION_MONTHS):
            begins, ends = (in_months(self.ends + DAY, month + more) for more in (0, 1))
            if self.retained_since < ends and begins <= day and month not in self.months_charged:
                self.months_charged.add(month)
                self.tenant.add(Entry(day, "retention", -RETENTION_FEN, self.name))
