"""Two meters (QT-10): a rule stops a SIM once per cycle and limit, whatever reports and carrier figures do.

Gateways' reports and the carrier's figure may differ. A stop that a later, lower figure has lifted is not repeated at
the same limit in that cycle; one `usage.meters_disagree` gives both figures. A new limit, by an add-on pack or another
threshold, may stop the SIM again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.db.connection import Connection
from app.db.disputes import gaps
from app.db.usage import counters as rows
from app.db.usage.figures import CycleSpan
from app.domain.calendar.cycles import cycle_named, end_instant, start_instant
from app.domain.events import EventType
from app.domain.sim.holds import codes, without_hold
from app.domain.sim.transitions import Cause
from app.domain.usage.quota import Limit, limits
from app.domain.vocabulary import HoldCode
from app.usecases.context import Context
from app.usecases.limits.evaluation import LimitEvaluation, SimUsage
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

STOPPED_MARK = "stopped:"
"""Before `<hold code>:<bytes of the limit>`: a rule has stopped the SIM at that limit in the cycle."""

DISAGREE_MARK = "meters_disagree"
RULE = "QT-10"

Marks = Mapping[int, set[str]]


def _limits_of(one: LimitEvaluation) -> dict[HoldCode, Limit]:
    return {limit.code: limit for limit in limits(one.tested, one.usage.addons, one.usage.today)}


def _mark(limit: Limit) -> str:
    return f"{STOPPED_MARK}{limit.code.value}:{limit.at}"


def _lifted(one: LimitEvaluation) -> frozenset[HoldCode]:
    return frozenset(codes(one.tested.holds) - codes(one.sim.holds))


async def stop_marks(connection: Connection, evaluations: Sequence[LimitEvaluation]) -> Marks:
    """By SIM row id, the marks of the stops in its cycle; of SIMs on which a hold is put or lifted."""
    pairs = [(one.usage.record.id, one.usage.cycle) for one in evaluations if one.added or _lifted(one)]
    return await rows.marks_of(connection, pairs, STOPPED_MARK) if pairs else {}


def without_repeats(evaluations: Sequence[LimitEvaluation], marks: Marks) -> list[LimitEvaluation]:
    """The evaluations without the holds of limits at which the SIM has been stopped in this cycle already."""
    return [_without_repeats(one, marks.get(one.usage.record.id, set())) for one in evaluations]


def _without_repeats(one: LimitEvaluation, stopped: set[str]) -> LimitEvaluation:
    if not stopped or not one.added:
        return one
    sim, known = one.sim, _limits_of(one)
    for code in one.added & known.keys():
        if _mark(known[code]) in stopped:
            sim = without_hold(sim, code)
    return replace(one, sim=sim)


async def record_stops(
    ctx: Context,
    connection: Connection,
    recorder: SimChangeRecorder,
    evaluations: Sequence[LimitEvaluation],
    marks: Marks,
) -> None:
    """Mark the limits that stop these SIMs now, and emit `usage.meters_disagree` where a lower figure lifts a stop.

    The reconciliation then lists the SIM, however narrow its gap (US-6).
    """
    stops = [
        (one.usage.record.id, one.usage.cycle, _mark(limit))
        for one in evaluations
        for code, limit in _limits_of(one).items()
        if code in one.added
    ]
    disagreeing = [one for one in evaluations if _meters_disagree(one, marks.get(one.usage.record.id, set()))]
    disagreements = [(one.usage.record.id, one.usage.cycle, DISAGREE_MARK) for one in disagreeing]
    if not stops and not disagreements:
        return
    fresh = await rows.mark(connection, stops + disagreements, recorder.now)
    for one in disagreeing:
        if (one.usage.record.id, DISAGREE_MARK) in fresh:
            _emit(recorder, one.usage)
    await gaps.measure(connection, [_span(ctx, one.usage) for one in disagreeing], ctx.gap_band)


def _span(ctx: Context, usage: SimUsage) -> CycleSpan:
    zone = ctx.zone(usage.record.account)
    cycle = cycle_named(usage.record.sim.carrier, f"{usage.cycle // 100:04d}-{usage.cycle % 100:02d}")
    opens, closes = start_instant(cycle, zone), end_instant(cycle, zone)
    return CycleSpan(sim_id=usage.record.id, cycle=usage.cycle, opens=opens, closes=closes)


def _meters_disagree(one: LimitEvaluation, stopped: set[str]) -> bool:
    """Whether a stop is lifted at an unchanged limit that the reports alone still pass."""
    known = _limits_of(one)
    return one.usage.carrier is not None and any(
        _mark(known[code]) in stopped and known[code].stops(one.usage.reported) for code in _lifted(one) & known.keys()
    )


def _emit(recorder: SimChangeRecorder, usage: SimUsage) -> None:
    """`usage.meters_disagree` with the sum of the reports and the carrier's figure, in bytes."""
    figure = usage.carrier
    data = {
        "cycle": usage.cycle,
        "reported": usage.reported,
        "carrier": {"bytes": figure.used, "as_of": figure.as_of.isoformat()} if figure else None,
        "before": {},
        "after": {"used": usage.used},
    }
    reason = ChangeReason(cause=Cause.USAGE, actor="limits", effective_at=recorder.now, rule=RULE)
    recorder.add_event(usage.record, EventType.USAGE_METERS_DISAGREE, reason, data)
