"""One transaction of usage ingest: the new reports of some requests are stored and counted.

A report has three forms: an index into the columns of its request (`Reports`), resolved against gateways, SIMs and
cycles (`ResolvedReport`), and summed with others of its SIM and cycle (`Delta`). `resolve` works before the
transaction, `write` within it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from app.db.connection import Connection
from app.db.events.outbox import add_events
from app.db.usage import ingest as rows
from app.domain.calendar.days import ONE_DAY
from app.domain.usage.gaps import DEFAULT_BAND, Band
from app.usecases.usage.ingest.counters import count
from app.usecases.usage.ingest.duplicates import (
    Content,
    Identity,
    Screened,
    gateway_of,
    identity_of,
    moved_marks,
    possible_duplicates,
    screen,
)
from app.usecases.usage.ingest.packed import TOO_OLD, SimKey, calendar_of, sim_id_of
from app.usecases.usage.ingest.reports import Submission, Tally
from app.usecases.usage.ingest.resolve import ResolvedReport, Resolver, rejected_instant
from app.usecases.usage.ingest.sim_cache import SimLookupCache, canonical_iccid


class StaleSimCache(Exception):
    """The batch was resolved by a cache of another epoch than the one it is written in."""

    def __init__(self, epoch: int) -> None:
        super().__init__("a SIM was removed since the batch was resolved")
        self.epoch = epoch


class Batch:
    """The reports of some requests, on one connection; `tallies` has the result of each request."""

    def __init__(self, connection: Connection, cache: SimLookupCache, now: datetime, band: Band = DEFAULT_BAND) -> None:
        self._connection = connection
        self._cache = cache
        self._now = now
        self._band = band
        self._epoch = cache.epoch
        self._requests: Sequence[Submission] = ()
        self._reports: list[ResolvedReport] = []
        self._has_unmatched = False
        self.tallies: list[Tally] = []

    async def resolve(self, requests: Sequence[Submission]) -> None:
        """Find the gateway, SIM and cycle of each report; reject what cannot be stored."""
        self._requests = requests
        self.tallies = [Tally() for _ in requests]
        self._epoch = self._cache.epoch
        resolver = Resolver(self._cache, self._now)
        for number, request in enumerate(requests):
            self._cache.evict()
            reports, tenant = request.reports, request.tenant
            gateways = await self._cache.gateways(self._connection, tenant, set(reports.gateways))
            sims = await self._sims(tenant, reports.iccids)
            found, self.tallies[number].rejected = resolver.resolve(number, reports, gateways, sims)
            self._reports += found
            self._has_unmatched = self._has_unmatched or None in sims

    async def _sims(self, tenant: str, iccids: Sequence[str]) -> list[SimKey | None]:
        """The SIM of each ICCID by the cache, which first loads those it lacks."""
        sims = self._cache.find(tenant, iccids)
        if None in sims:
            missing = {iccid for iccid, sim in zip(iccids, sims, strict=True) if sim is None}
            await self._cache.load(self._connection, tenant, sorted(missing))
            sims = self._cache.find(tenant, iccids)
            await self._cache.load_blocks(self._connection, tenant)
        return sims

    async def write(self) -> None:
        """Store and count what is new. Raises `StaleSimCache`, `asyncpg.PostgresError`."""
        if not self._reports:
            return
        # Locks: SIMS_LOCK shared, gateways by id, UNMATCHED_LOCK shared, counters (order: `app.db.usage.ingest`).
        gateways = sorted(set(map(gateway_of, self._reports)))
        epoch, marks = await rows.lock_batch(self._connection, gateways)
        if epoch != self._epoch:  # compared with the batch's own: another batch may have renewed the cache since
            raise StaleSimCache(epoch)
        if self._has_unmatched:
            await self._resolve_unmatched()
        identities = list(map(identity_of, self._reports))
        screened = screen(self._reports, identities, await self._stored(identities, marks))
        self._tally(screened)
        new = screened.new
        if not new:
            return
        await rows.copy_reports(self._connection, _binary(new, self._now))
        if moved := moved_marks(new, marks):
            await rows.move_water_marks(self._connection, moved)
        await self._store_unmatched([report for report in new if report.sim is None])
        events = await count(self._connection, self._cache, new, self._now, self._band)
        await add_events(self._connection, events)

    async def _resolve_unmatched(self) -> None:
        """Look unknown ICCIDs up once more, now that no SIM can be added before this batch is committed."""
        await rows.lock_unmatched_shared(self._connection)
        sims: dict[tuple[int, str | None], SimKey | None] = {}
        for number, request in enumerate(self._requests):
            iccids = sorted({r.iccid for r in self._reports if r.request == number and r.iccid is not None})
            if iccids:
                await self._cache.load(self._connection, request.tenant, iccids)
                found = self._cache.find(request.tenant, iccids)
                sims |= {(number, iccid): sim for iccid, sim in zip(iccids, found, strict=True)}
        resolved = [
            report if report.iccid is None else self._again(report, report.iccid, sims[report.request, report.iccid])
            for report in self._reports
        ]
        self._reports = [report for report in resolved if report.cycle != TOO_OLD]
        for report in resolved:
            if report.cycle == TOO_OLD:  # the SIM's own calendar keeps less than the longest one
                self.tallies[report.request].rejected.append(rejected_instant(report.row, too_old=True))

    def _again(self, report: ResolvedReport, iccid: str, sim: SimKey | None) -> ResolvedReport:
        """A report of an unknown ICCID with its SIM, or with the form under which unmatched reports are stored."""
        if sim is None:
            return report._replace(iccid=canonical_iccid(iccid))
        cycle = self._cache.tables(self._now)[calendar_of(sim)].key(report.second)
        return report._replace(sim=sim, iccid=None, cycle=cycle)

    async def _stored(
        self, identities: Sequence[Identity], marks: Mapping[int, rows.WaterMarks]
    ) -> dict[Identity, Content]:
        """What is stored under these identities."""
        suspects = possible_duplicates(identities, marks)
        if not suspects:
            return {}
        found = await rows.find_reports(self._connection, suspects)
        return {suspects[index]: (sim_id, at.timestamp(), amount, iccid) for index, sim_id, at, amount, iccid in found}

    def _tally(self, screened: Screened) -> None:
        yesterday = (self._now - ONE_DAY).timestamp()
        accepted = [0] * len(self.tallies)
        for _, _, sim, _, second, _, _, request, index in screened.new:
            if sim is None:
                self.tallies[request].unknown.append(index)
                continue
            accepted[request] += 1
            if second < yesterday:
                self.tallies[request].late += 1
        for tally, count_of_new in zip(self.tallies, accepted, strict=True):
            tally.accepted += count_of_new
        for report in screened.duplicates:
            self.tallies[report.request].duplicates += 1
        for report in screened.conflicts:
            self.tallies[report.request].conflicts.append(report.row)

    async def _store_unmatched(self, reports: Sequence[ResolvedReport]) -> None:
        if reports:
            await rows.insert_unmatched(
                self._connection,
                [
                    (
                        self._requests[report.request].tenant,
                        report.iccid or "",
                        report.gateway,
                        report.report_id,
                        datetime.fromtimestamp(report.second, UTC),
                        report.amount,
                    )
                    for report in reports
                ],
                self._now,
            )


def _binary(new: Sequence[ResolvedReport], now: datetime) -> list[bytes]:
    """The reports as rows of binary COPY, received now."""
    known, unmatched, received = rows.pack_report, rows.pack_unmatched_report, rows.packed_instant(now)
    return [
        known(sim_id_of(sim), second, amount, gateway, report_id, received)
        if sim is not None
        else unmatched(iccid or "", second, amount, gateway, report_id, received)
        for gateway, report_id, sim, iccid, second, amount, _, _, _ in new
    ]
