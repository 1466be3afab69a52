"""Pools (流量池): shared allowance, exhaustion, thresholds of postpaid pools, forming and joining (PL)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.calendar.cycles import cycle_on
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import PoolForming
from app.domain.vocabulary import Carrier, HoldCode, PlanKind, SimState, Supplier


class PoolState(StrEnum):
    """States of a postpaid pool (后向) (PL-4)."""

    IN_USE = "in_use"
    STOPPED = "stopped"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUsage:
    """A pool in one cycle, in bytes; `total` and `remaining` None: a postpaid pool has no ceiling (PL-1, PL-4)."""

    cards: int
    effective_cards: int
    total: int | None
    used: int
    remaining: int | None

    @property
    def exhausted(self) -> bool:
        """Whether every activated member gets the hold `pool_exhausted`: remaining <= 0 (PL-1, QT-8)."""
        return self.remaining is not None and self.effective_cards > 0 and self.remaining <= 0


def contributes(underlying: SimState) -> bool:
    """Whether a member adds its plan's allowance: activated, held or not, not expired or cancelled (PL-1, PL-2)."""
    return underlying is SimState.ACTIVE


def pool_usage(
    kind: PlanKind,
    allowance: int,
    members: Iterable[SimState],
    *,
    used: int,
    addons: int = 0,
) -> PoolUsage:
    """The figures of one cycle (PL-1, PL-4), in bytes; `members`: their underlying states, `used`: their sum.

    A prepaid pool's total is the whole allowance of each effective member, not pro rata (D), and the add-ons.
    """
    states = tuple(members)
    effective = sum(map(contributes, states))
    total = effective * allowance + addons if kind is PlanKind.PREPAID_POOL else None
    return PoolUsage(
        cards=len(states),
        effective_cards=effective,
        total=total,
        used=used,
        remaining=None if total is None else total - used,
    )


def pool_holds(sim: Sim, use: PoolUsage, threshold: int | None = None, *, arrears: bool = False) -> frozenset[HoldCode]:
    """The holds of this member due to its pool; members not activated are not stopped (PL-1, PL-2, PL-4, ST-12).

    `threshold`: bytes at which (reached, QT-8) a postpaid pool's rule stops its members, None: no such rule;
    `arrears`: a postpaid pool is not paid, which freezes it whatever was used.
    """
    if not contributes(sim.underlying):
        return frozenset()
    if use.total is None:
        over = threshold is not None and use.used >= threshold
        found = (HoldCode.POOL_THRESHOLD, over), (HoldCode.POOL_FROZEN, arrears)
        return frozenset(code for code, applies in found if applies)
    return frozenset({HoldCode.POOL_EXHAUSTED}) if use.exhausted else frozenset()


def member_ceiling(sim: Sim, use: PoolUsage) -> int | None:
    """The most bytes that one member may use: its own threshold, else the effective total; None: no ceiling (PL-3)."""
    return use.total if sim.threshold is None else sim.threshold


def crossed_levels(
    levels: Sequence[int], used: int, total: int | None, already_sent: frozenset[int]
) -> tuple[int, ...]:
    """The levels (percent of `total` bytes) that usage has reached and no event of this cycle has reported (PL-8)."""
    if not total:
        return ()
    return tuple(level for level in sorted(set(levels) - already_sent) if used * 100 >= level * total)


def postpaid_state(*, arrears: bool, retention_over: bool, over_threshold: bool) -> PoolState:
    """The state of a postpaid pool (PL-4); how long arrears are retained is not published."""
    if arrears and retention_over:
        return PoolState.RELEASED
    return PoolState.STOPPED if arrears or over_threshold else PoolState.IN_USE


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOrder:
    """An order whose SIMs are to form or join a pool: whole orders only (PL-5)."""

    carrier: Carrier
    plan: str
    terms: Supplier
    test_cards: bool = False
    at_purchase: bool = True
    shipped: bool = False
    whole: bool = True


def forming_refusal(kind: PlanKind, batches: Sequence[PoolOrder], on: date) -> Refusal | None:
    """Why these orders may not form one pool; None: they may, if the carrier's plan and price are unchanged (PL-5)."""
    if len({(batch.carrier, batch.plan) for batch in batches}) > 1:
        return _refused("pool_one_carrier_one_plan")
    if any(batch.test_cards for batch in batches):
        return _refused("pool_no_test_cards")
    if not all(batch.whole for batch in batches):
        return _refused("pool_whole_orders")
    late = (_too_late(kind, batch, on) for batch in batches)
    return next((refused for refused in late if refused is not None), None)


def _too_late(kind: PlanKind, batch: PoolOrder, on: date) -> Refusal | None:
    """PL-5: why it is too late for an order to enter a pool under its terms; None: it is not."""
    forming = terms_in_force(batch.terms, batch.carrier, on).pool_forming.value
    if batch.at_purchase or forming is None:
        return None
    if kind is PlanKind.POSTPAID_POOL or forming is PoolForming.AT_PURCHASE:
        return _refused("pool_at_purchase_only")
    return _refused("pool_before_shipping_only") if batch.shipped else None


def _refused(detail: str) -> Refusal:
    return Refusal(code=RefusalCode.RULE_VIOLATION, rule="PL-5", detail=detail)


def joined_by(carrier: Carrier, on: date) -> date:
    """The day by which joining a pool is in effect: the first day of the next cycle (PL-6)."""
    return cycle_on(carrier, on).end
