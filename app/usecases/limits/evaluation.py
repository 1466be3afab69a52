"""What a SIM's usage means for it: the holds its limits put on or lift, the end of its test, the next check.

Values and pure functions; `app.usecases.limits.evaluate` loads and stores them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from app.db.mapping import SimRecord
from app.domain.sim.holds import codes
from app.domain.sim.lifecycle import allowed_test_bytes, end_test_early, has_used_test_traffic
from app.domain.sim.model import Sim
from app.domain.sim.transitions import Transition
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Edge
from app.domain.units import MB
from app.domain.usage.figures import CarrierFigure
from app.domain.usage.overrun import is_charged, next_charge_at
from app.domain.usage.quota import apply_usage_holds, limits, with_overrun_charged
from app.domain.usage.reminders import Reminders, usage_due
from app.domain.vocabulary import HoldCode, SimState

MAX_COUNTER = (1 << 63) - 1
"""The most bytes a counter can hold; what lies above is never reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimUsage:
    """A SIM and its usage in the running cycle (`cycle`: yyyymm), in bytes.

    `addons`: packs in force; `lifetime`: used in all cycles, of a testing SIM only; `today`: in the account's zone;
    `reported`, `carrier`: the two meters, in bytes;
    `liftable`: the usage holds that lower usage or a higher limit may lift in this cycle.
    """

    record: SimRecord
    cycle: int
    used: int
    addons: int
    lifetime: int
    today: date
    reminders: Reminders
    reported: int
    carrier: CarrierFigure | None
    liftable: frozenset[HoldCode]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEvaluation:
    """What limits make of a SIM: `tested`: after its test, which `ended` if set; `sim`: with the holds on top."""

    usage: SimUsage
    tested: Sim
    ended: Transition | None
    sim: Sim

    @property
    def added(self) -> frozenset[HoldCode]:
        """The holds that a rule puts on."""
        return frozenset(codes(self.sim.holds) - codes(self.tested.holds))

    @property
    def reached_levels(self) -> tuple[int, ...]:
        """The reminder levels (MB) that an active SIM has reached (RM-1)."""
        if self.sim.underlying is not SimState.ACTIVE:
            return ()
        return usage_due(self.usage.reminders, self.sim.underlying, self.usage.used)

    @property
    def next_check_bytes(self) -> int | None:
        """The used bytes of the cycle at which limits must next be evaluated; None: at none."""
        used = self.usage.used
        points: list[int] = []
        if self.sim.underlying is SimState.TESTING:
            allowed = allowed_test_bytes(self.sim)
            points += [] if allowed is None else [used + max(1, allowed - self.usage.lifetime)]
        elif self.sim.underlying is SimState.ACTIVE:
            of_limits = limits(self.sim, self.usage.addons, self.usage.today)
            points += [limit.at + (limit.edge is Edge.PASSED) for limit in of_limits]
            points += [level * MB for level in self.usage.reminders.usage_mb if level > 0]
        if is_charged(self.sim, self.usage.today):
            points.append(next_charge_at(used, self.sim.plan.allowance + self.usage.addons))
        return min((point for point in points if used < point <= MAX_COUNTER), default=None)


def evaluate(usage: SimUsage, now: datetime) -> LimitEvaluation:
    """The SIM with its test ended where its traffic is used up (LC-1, LC-3), and its usage holds (ST-24).

    Traffic beyond the test is charged at once where the terms say so (LC-3).
    """
    tested, ended = _after_test(usage, now)
    usage = replace(usage, used=_used_of_plan(usage, tested))
    sim, _ = apply_usage_holds(tested, usage.used, usage.addons, at=now, today=usage.today, may_lift=usage.liftable)
    if ended is not None:
        policy = terms_in_force(sim.terms, sim.carrier, usage.today)
        allowed = allowed_test_bytes(usage.record.sim) or 0
        sim, _ = with_overrun_charged(sim, policy, allowed=allowed, used=usage.lifetime, at=now)
    return LimitEvaluation(usage=usage, tested=tested, ended=ended, sim=sim)


def _used_of_plan(usage: SimUsage, tested: Sim) -> int:
    """The cycle's used; of a SIM whose test its traffic has just used up, what goes beyond the test (QT-9)."""
    allowed = allowed_test_bytes(usage.record.sim)
    if usage.record.sim.underlying is not SimState.TESTING or tested.underlying is not SimState.ACTIVE:
        return usage.used
    return min(usage.used, max(0, usage.lifetime - (allowed or 0)))


def _after_test(usage: SimUsage, now: datetime) -> tuple[Sim, Transition | None]:
    sim = usage.record.sim
    if not has_used_test_traffic(sim, usage.lifetime):
        return sim, None
    tested, [ended] = end_test_early(sim, usage.today, at=now)
    return tested, ended
