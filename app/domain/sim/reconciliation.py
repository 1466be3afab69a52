"""What to make of a carrier's word that disagrees with ours: lag, something to repair, or drift to be told (LC-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType

from app.domain.calendar.days import local
from app.domain.sim.holds import lagging
from app.domain.sim.model import Sim
from app.domain.sim.snapshot import VIEW_LAG, Drift
from app.domain.vocabulary import OperationKind


class DriftExplanation(StrEnum):
    """Why a disagreement stands."""

    LAG = "lag"
    CYCLE_START = "cycle_start"
    REPAIRING = "repairing"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What was asked of the carrier to repair a disagreement: when, and whether that has failed."""

    requested_at: datetime
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDecision:
    """Why the disagreement stands, and what to ask of the carrier now."""

    explanation: DriftExplanation
    ask: OperationKind | None = None


REPAIRS: Mapping[Drift, OperationKind] = MappingProxyType(
    {Drift.RUNNING_THOUGH_HELD: OperationKind.SUSPEND, Drift.RUNNING_THOUGH_EXPIRED: OperationKind.SUSPEND}
)
"""What brings the carrier to where we are; for the others nothing may be done that nobody asked for."""


def _waits_for_the_cycle(sim: Sim, now: datetime, zone: tzinfo) -> bool:
    """ST-21: whether a hold of the cycle before may still be on at the carrier."""
    today = local(now, zone).date()
    return any(lagging(sim.carrier, hold.code, sim.terms, today, local(hold.since, zone).date()) for hold in sim.holds)


def classify_drift(
    sim: Sim, drift: Drift, *, since: datetime, now: datetime, zone: tzinfo, repair: Repair | None
) -> DriftDecision:
    """A disagreement seen since then: explained by lag (LC-6, ST-21), repaired once, or told (ST-24).

    `zone` is the card's zone; `repair` what was asked for this disagreement before.
    """
    if now - since < VIEW_LAG:
        return DriftDecision(explanation=DriftExplanation.LAG)
    stopped_there = drift not in REPAIRS
    if stopped_there and _waits_for_the_cycle(sim, now, zone):
        return DriftDecision(explanation=DriftExplanation.CYCLE_START)
    if repair is None and drift in REPAIRS:
        return DriftDecision(explanation=DriftExplanation.REPAIRING, ask=REPAIRS[drift])
    if repair is not None and not repair.failed and now - repair.requested_at < VIEW_LAG:
        return DriftDecision(explanation=DriftExplanation.REPAIRING)
    return DriftDecision(explanation=DriftExplanation.DRIFT)
