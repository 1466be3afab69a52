"""Reports resolved: which gateway, SIM and billing cycle each belongs to, or why it is rejected."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import NamedTuple, cast

from app.domain.errors import Malformed
from app.domain.identifiers import parse_iccid
from app.usecases.usage.ingest.cycle_table import CycleTable
from app.usecases.usage.ingest.packed import TOO_OLD, CycleKey, SimKey, calendar_of
from app.usecases.usage.ingest.reports import MAX_AHEAD, Rejected, Reports
from app.usecases.usage.ingest.sim_cache import SimLookupCache


class ResolvedReport(NamedTuple):
    """One report that can be stored: exactly one of `sim` and `iccid` (of a SIM the tenant does not have) is set.

    `second`: epoch seconds, exact to the microsecond; `request`, `row`: the index of the request in its batch and of
    the report in the request.
    """

    gateway: int
    report_id: str
    sim: SimKey | None
    iccid: str | None
    second: float
    amount: int
    cycle: CycleKey
    request: int
    row: int


_RESOLVED = partial(tuple.__new__, ResolvedReport)
"""Makes a `ResolvedReport` of a row of columns: as `_make` does, without a Python call per report."""


class Resolver:
    """Resolves the reports of one batch against the cache, by the clock of the batch."""

    def __init__(self, cache: SimLookupCache, now: datetime) -> None:
        self._cache = cache
        self._now = now
        self._latest = (now + MAX_AHEAD).timestamp()

    def resolve(
        self, request: int, reports: Reports, gateways: Mapping[str, int], sims: Sequence[SimKey | None]
    ) -> tuple[list[ResolvedReport], list[Rejected]]:
        """The reports of one request and those that are rejected: too old, too far ahead, or of an impossible ICCID.

        `gateways`: row ids by name; `sims`: what the cache found, one per report.
        """
        seconds = list(map(datetime.timestamp, reports.instants))
        if None not in sims:
            known = cast("Sequence[SimKey]", sims)
            cycles = _cycles(self._cache.tables(self._now), known, seconds)
            if TOO_OLD not in cycles and max(seconds, default=0.0) <= self._latest:
                columns = zip(
                    map(gateways.__getitem__, reports.gateways),
                    reports.ids,
                    known,
                    repeat(None),
                    seconds,
                    reports.amounts,
                    cycles,
                    repeat(request),
                    range(len(reports)),
                    strict=False,
                )
                return list(map(_RESOLVED, columns)), []
        return self._resolve_each(request, reports, gateways, sims, seconds)

    def _resolve_each(
        self,
        request: int,
        reports: Reports,
        gateways: Mapping[str, int],
        sims: Sequence[SimKey | None],
        seconds: Sequence[float],
    ) -> tuple[list[ResolvedReport], list[Rejected]]:
        """The same, report by report, where not all are of a known SIM and in time."""
        found: list[ResolvedReport] = []
        rejected: list[Rejected] = []
        tables, all_tables = self._cache.tables(self._now), self._cache.all_tables(self._now)
        for index, (sim, second) in enumerate(zip(sims, seconds, strict=True)):
            try:
                iccid = parse_iccid(reports.iccids[index]) if sim is None else None
            except Malformed as error:
                rejected.append(Rejected(index=index, code=error.code, detail=error.detail))
                continue
            candidates = all_tables if sim is None else (tables[calendar_of(sim)],)
            cycle = max(table.key(second) for table in candidates)
            if cycle == TOO_OLD or second > self._latest:
                rejected.append(rejected_instant(index, too_old=cycle == TOO_OLD))
                continue
            gateway, report_id = gateways[reports.gateways[index]], reports.ids[index]
            amount = reports.amounts[index]
            found.append(ResolvedReport(gateway, report_id, sim, iccid, second, amount, cycle, request, index))
        return found, rejected


def _cycles(tables: Sequence[CycleTable], sims: Sequence[SimKey], seconds: Sequence[float]) -> list[CycleKey]:
    """The cycle of each report by its SIM's calendar."""
    if len(tables) == 1:
        keys, starts = tables[0].keys, tables[0].starts
        return [keys[bisect_right(starts, second)] for second in seconds]
    return [tables[calendar_of(sim)].key(second) for sim, second in zip(sims, seconds, strict=True)]


def rejected_instant(index: int, *, too_old: bool) -> Rejected:
    """The rejection of a report for its instant."""
    if too_old:
        return Rejected(index=index, code="AT_TOO_OLD", detail="at lies before the six cycles that are kept")
    return Rejected(index=index, code="AT_TOO_FAR_AHEAD", detail="at lies more than 10 minutes ahead")
