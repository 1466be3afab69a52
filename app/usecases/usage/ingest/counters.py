"""Reports summed into the counters of their SIMs' cycles: closed cycles first, then running ones, by SIM and cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from app.db.commerce.overruns import queue_changed
from app.db.connection import Connection
from app.db.disputes import gaps
from app.db.events.store import Event
from app.db.usage import deltas as rows
from app.db.usage import figures, shares
from app.db.usage.limit_checks import queue_checks
from app.domain.calendar.cycles import cycle_named, end_instant, start_instant
from app.domain.usage.gaps import Band
from app.domain.vocabulary import SimState
from app.usecases.usage.adjustments import adjusted, changed_pairs
from app.usecases.usage.ingest.packed import CounterKey, SimKey, closed_count, columns_of, counter_key, sim_id_of
from app.usecases.usage.ingest.resolve import ResolvedReport
from app.usecases.usage.ingest.sim_cache import SimLookupCache

CLOSED, RUNNING = 0, 1
"""Rounds of deltas: closed cycles are applied first, without looking at limits."""

_DELTA = partial(tuple.__new__, rows.Delta)
"""Makes a `Delta` of a row of columns: as `_make` does, without a Python call per delta."""

NEW_COUNTERS = 2
"""Added to a round: the number under which it begins the counters that do not exist yet."""


async def count(
    connection: Connection, cache: SimLookupCache, reports: Sequence[ResolvedReport], now: datetime, band: Band
) -> list[Event]:
    """Add distinct reports to the counters of their SIMs; gives the events of closed cycles that changed (US-5).

    Unmatched ones are passed over. What a carrier's figure covers changes the gap beside it (US-6).
    The transaction must hold the locks of `rows.lock_counting`.
    """
    deltas = summed(reports)
    if not deltas:
        return []
    base = await rows.stage_deltas(connection, deltas)
    closed = [(delta.sim_id, delta.cycle) for delta in deltas if delta.round == CLOSED]
    before = await figures.lock_usage(connection, closed) if closed else {}
    applied = rows.Applied()
    for number in (CLOSED, RUNNING):
        if of_round := [delta for delta in deltas if delta.round == number]:
            spare, is_closed = number + NEW_COUNTERS, number == CLOSED
            applied += await rows.apply_round(connection, of_round, spare, base=base, closed=is_closed)
    await rows.forget_deltas(connection, base)
    if applied.needs_recount or applied.covered:
        sims = {sim_id_of(report.sim): report.sim for report in reports if report.sim is not None}
        await figures.recount(connection, _spans(cache, sims, deltas, applied.needs_recount))
        await gaps.measure(connection, _spans(cache, sims, deltas, applied.covered), band)
    recounted = set(applied.needs_recount)
    passed = (deltas[index] for index in applied.passed if index not in recounted)
    running = [(delta.sim_id, delta.cycle) for delta in passed if delta.round == RUNNING]
    await shares.restate(connection, running, applied.begun)
    if not closed:
        return []
    after = await figures.lock_usage(connection, closed)
    testing = [sim_id for (sim_id, _), row in after.items() if row["underlying"] == SimState.TESTING]
    await queue_checks(connection, testing)  # a test has no cycles: traffic of any of them uses it up (LC-1)
    await queue_changed(connection, changed_pairs(before, after))
    return adjusted(before, after, now, cause="late_report")


def _spans(
    cache: SimLookupCache, sims: Mapping[int, SimKey], deltas: Sequence[rows.Delta], ordinals: Iterable[int]
) -> list[figures.CycleSpan]:
    """The counters of these deltas, by SIM and cycle."""
    counters = sorted({(deltas[index].sim_id, deltas[index].cycle) for index in ordinals})
    return [span(cache, sims[sim_id], cycle) for sim_id, cycle in counters]


def summed(reports: Iterable[ResolvedReport]) -> list[rows.Delta]:
    """One delta per SIM and cycle of the matched reports, sorted by round, SIM and cycle, numbered by `ordinal`."""
    sums: dict[CounterKey, tuple[int, float, float]] = {}
    for _, _, sim, _, second, amount, cycle, _, _ in reports:
        if sim is None:
            continue
        key = counter_key(sim, cycle)
        earlier = sums.get(key)
        if earlier is None:
            sums[key] = (amount, second, second)
        else:
            total, first, last = earlier
            sums[key] = (total + amount, min(first, second), max(last, second))
    keys = sorted(sums)
    closed = closed_count(keys)
    rounds = [CLOSED] * closed + [RUNNING] * (len(keys) - closed)
    summed_columns = zip(*map(sums.__getitem__, keys), strict=True)
    columns = zip(rounds, range(len(keys)), *columns_of(keys), *summed_columns, strict=True)
    return list(map(_DELTA, columns))


def span(cache: SimLookupCache, sim: SimKey, number: int) -> figures.CycleSpan:
    """A cached SIM's cycle (yyyymm) with the instants at which it opens and closes."""
    carrier, zone = cache.calendar(sim)
    cycle = cycle_named(carrier, f"{number // 100:04d}-{number % 100:02d}")
    opens, closes = start_instant(cycle, zone), end_instant(cycle, zone)
    return figures.CycleSpan(sim_id=sim_id_of(sim), cycle=number, opens=opens, closes=closes)
