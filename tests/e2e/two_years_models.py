"""What must become of bought, renewed, expired and charged cards in two years: plain date arithmetic written from the
rule catalogue (VD, LC-8 to LC-10, RN-1 to RN-3, RN-6, RN-8, RN-11, QT-3, ST-14). It knows nothing of the product.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

MB = 1 << 20
DAY = timedelta(days=1)
ALLOWANCE_MB = 100
RETENTION_FEN = 500
RETENTION_MONTHS = 3
OVERRUN_FEN_PER_MB = 3


def agree(what: str, told: Any, expected: Any) -> None:
    """Both are the same; else what differs is shown."""
    if told == expected:
        return
    if isinstance(told, dict) and isinstance(expected, dict):
        keys = [key for key in told.keys() | expected.keys() if told.get(key) != expected.get(key)]
        told, expected = ({key: one.get(key) for key in keys} for one in (told, expected))
    raise AssertionError(f"{what}: the product says {told}, the rules say {expected}")


class Use(StrEnum):
    """What traffic beyond the allowance does to a card."""

    NOTHING = "nothing"
    STOPS = "stops"
    CHARGED = "charged"


def month_end(day: date) -> date:
    """The last day of a day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def in_months(day: date, months: int) -> date:
    """The same day number so many months on, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def last_valid_day(terms: str, begins: date, months: int) -> date:
    """VD-2: calendar months, the first one whole; VD-3: the day before the corresponding day, or the month's last."""
    there = in_months(begins, months)
    if terms == "flexem":
        return month_end(in_months(begins, months - 1))
    return there if there.day < begins.day else there - DAY


def last_renewal_day(terms: str, ends: date) -> date:
    """RN-1: the 22nd of the month after; RN-3: the 90th day after, or the last valid day itself."""
    if terms == "flexem":
        return (month_end(ends) + DAY).replace(day=22)
    return ends + timedelta(days=90) if terms == "standard" else ends


def cancelled_on(terms: str, ends: date) -> date | None:
    """LC-9: the day after the last renewal day; of gsl the platform's own decision."""
    return None if terms == "gsl" else last_renewal_day(terms, ends) + DAY


def is_paused(terms: str, carrier: str, day: date) -> bool:
    """RN-2: China Mobile's cards under flexem are not renewed from the 23rd to the month's end."""
    return terms == "flexem" and carrier == "cmcc" and day.day >= 23


def cycle_of(carrier: str, day: date) -> str:
    """BC-1, BC-2: the month, of China Unicom from the 27th of the month before."""
    if carrier == "cucc" and day.day >= 27:
        day = day.replace(day=1) + timedelta(days=32)
    return day.strftime("%Y-%m")


@dataclass
class Entry:
    """An entry of a balance."""

    day: date
    kind: str
    amount_fen: int
    card: str | None = None
    cycle: str | None = None

    @property
    def told(self) -> tuple[str, str, int, str, str]:
        """As it is compared: the order within a day is nobody's."""
        return self.day.isoformat(), self.kind, self.amount_fen, self.card or "", self.cycle or ""


@dataclass
class Tenant:
    """A buyer with a balance, of zero at the beginning."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)

    @property
    def balance_fen(self) -> int:
        """The sum of all entries."""
        return sum(entry.amount_fen for entry in self.entries)

    def settle_arrears(self, day: date) -> None:
        """ST-14: an empty balance stops what overran in its running cycle, a payment frees all."""
        empty = self.balance_fen <= 0
        for card in self.cards:
            if not empty:
                card.lift("arrears", day)
            elif card.state == "active" and card.charged[cycle_of(card.carrier, day)]:
                card.hold("arrears", day)

    def pay(self, day: date, amount_fen: int) -> None:
        """A payment into the balance."""
        self.entries.append(Entry(day, "payment", amount_fen))
        self.settle_arrears(day)


@dataclass
class Order:
    """An order with what must become of each of its cards."""

    amount_fen: int
    items: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Done where every item succeeded (OR-1)."""
        return "done" if set(self.items.values()) == {"succeeded"} else "failed"


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

    def renew(self, months: int, day: date) -> None:
        """The carrier has the new plan in force (RN-8)."""
        self.ends = self.renewed_to(months, day)
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
            self.tenant.entries.append(Entry(day, "overrun", fen, self.name, cycle))

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
                self.tenant.entries.append(Entry(day, "retention", -RETENTION_FEN, self.name))
