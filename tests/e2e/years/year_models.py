"""A plain model of what must become of cards and pools in a year: it adds bytes up by cycle and knows nothing of the
product. It says on which day which card is stopped and freed, and how often its carrier is asked to run it again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

MB = 1 << 20
GB = 1 << 30
ALLOWANCE = 100 * MB
CUTOFF = 3 * GB


class Kind(StrEnum):
    """What kind of card it is, by what stops it."""

    GSL = "gsl"
    FLEXEM = "flexem"
    STOPS = "standard_auto_stop"
    CHARGED = "standard"
    PREPAID = "prepaid_pool"
    POSTPAID = "postpaid_pool"


def cycle_of(carrier: str, day: date) -> str:
    """The cycle's name: China Unicom's begins on the 27th of the month before."""
    if carrier == "cucc" and day.day >= 27:
        day = day.replace(day=1) + timedelta(days=32)
    return day.strftime("%Y-%m")


@dataclass
class Card:
    """One card by the book: its plan's 100 MB or its cut-off of 3 GB stops it, the cycle frees it, expiry ends it.

    The next cycle frees an expired card of its stop too (ST-2, ST-15), but nothing runs for that: no resume.
    `desk`: its carrier has no API, so that people do what is asked of it.
    """

    name: str
    account: str
    carrier: str
    kind: Kind
    expires_on: date
    active: bool = True
    desk: bool = False
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stop: str | None = None
    expired: bool = False
    story: list[tuple[str, str]] = field(default_factory=list)
    resumes: int = 0

    @property
    def uses(self) -> bool:
        """Whether data flows."""
        return self.active and not self.stop and not self.expired

    @property
    def freed_by_others(self) -> bool:
        """By people at a desk, or by the carrier itself, which stops and frees a card opened with `auto_stop`."""
        return self.desk or self.kind is Kind.STOPS

    def begin(self, day: date) -> None:
        """What the start of a day does."""
        if self.stop and cycle_of(self.carrier, day) != cycle_of(self.carrier, day - timedelta(days=1)):
            self.story.append(("lifted", self.stop))
            self.stop = None
            self.resumes += not self.expired
        if day > self.expires_on and not self.expired:
            self.expired = True
            self.story.append(("added", "plan_expired"))

    def use(self, day: date, amount: int) -> None:
        """Traffic of a day."""
        self.used[cycle_of(self.carrier, day)] += amount
        used = self.used[cycle_of(self.carrier, day)]
        if self.kind is Kind.GSL and used > ALLOWANCE:
            self.hold("over_quota")
        if self.kind is Kind.STOPS and used >= ALLOWANCE:
            self.hold("over_quota")
        if self.kind is Kind.FLEXEM and used >= CUTOFF:
            self.hold("policy_cutoff")

    def hold(self, reason: str) -> None:
        """A stop comes, once."""
        if self.stop is None:
            self.stop = reason
            self.story.append(("added", reason))


@dataclass
class Pool:
    """A pool by the book: nothing left of a prepaid one stops every member, a postpaid one stops at its threshold."""

    name: str
    carrier: str
    kind: Kind
    members: list[Card]
    stop_at: int = 0

    def look(self, day: date) -> None:
        """After a day's traffic of all members."""
        cycle = cycle_of(self.carrier, day)
        limit = self.stop_at or ALLOWANCE * sum(member.active and not member.expired for member in self.members)
        if sum(member.used.get(cycle, 0) for member in self.members) >= limit:
            for member in self.members:
                if member.active and not member.expired:
                    member.hold("pool_threshold" if self.stop_at else "pool_exhausted")
