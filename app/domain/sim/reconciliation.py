"""Classifies a disagreement between carrier and gateway: lag, something to repair, or drift to report (LC-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType

from app.domain.calendar.days import local
from app.domain.sim.holds import is_ours, lagging
from app.domain.sim.model import Sim
from app.domain.sim.snapshot import VIEW_LAG, Drift
from app.domain.vocabulary import OperationKind


class DriftExplanation(StrEnum):
    """Why carrier and gateway disagree."""

    LAG = "lag"
    CYCLE_START = "cycle_start"
    REPAIRING = "repairing"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """An operation that was requested to repair a disagreement: when, and whether it failed."""

    requested_at: datetime
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDecision:
    """The explanation of a disagreement, and the operation to request now, if any."""

    explanation: DriftExplanation
    repair_with: OperationKind | None = None


REPAIRS: Mapping[Drift, OperationKind] = MappingProxyType(
    {Drift.RUNNING_THOUGH_HELD: OperationKind.SUSPEND, Drift.RUNNING_THOUGH_EXPIRED: OperationKind.SUSPEND}
)
"""The operation that repairs a drift; of the others none is repaired without a caller's request."""


def _waits_for_the_cycle(sim: Sim, now: datetime, zone: tzinfo) -> bool:
    """ST-21: whether a hold of the previous cycle may still be on at the carrier."""
    today = local(now, zone).date()
    return any(lagging(sim.carrier, hold.code, sim.terms, today, local(hold.since, zone).date()) for hold in sim.holds)


def classify_drift(
    sim: Sim, drift: Drift, *, since: datetime, now: datetime, zone: tzinfo, repair: Repair | None
) -> DriftDecision:
    """Explain a disagreement seen since `since`: lag (LC-6, ST-21), repaired once, or drift to report (ST-24).

    `zone`: the carrier's zone; `repair`: the operation requested earlier for this disagreement, if any.
    """
    if now - since < VIEW_LAG:
        return DriftDecision(explanation=DriftExplanation.LAG)
    repairable = drift in REPAIRS and any(map(is_ours, sim.holds))
    if drift not in REPAIRS and _waits_for_the_cycle(sim, now, zone):
        return DriftDecision(explanation=DriftExplanation.CYCLE_START)
    if repair is None and repairable:
        return DriftDecision(explanation=DriftExplanation.REPAIRING, repair_with=REPAIRS[drift])
    if repair is not None and not repair.failed and now - repair.requested_at < VIEW_LAG:
        return DriftDecision(explanation=DriftExplanation.REPAIRING)
    return DriftDecision(explanation=DriftExplanation.DRIFT)
