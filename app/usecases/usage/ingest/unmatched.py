"""Unmatched reports: counted when their SIM is added, unmatched again when a SIM added by mistake is removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import asyncpg

from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.pools.rows import members_to_check, refs_of
from app.db.uow import UnitOfWork
from app.db.usage import ingest as rows
from app.db.usage import unmatched
from app.db.usage.limit_checks import queue_checks
from app.domain.identifiers import alternate_iccid
from app.usecases.context import Context
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.usage.ingest.counters import count
from app.usecases.usage.ingest.packed import TOO_OLD, calendar_of
from app.usecases.usage.ingest.resolve import ResolvedReport
from app.usecases.usage.ingest.sim_cache import SimLookupCache, canonical_iccid


async def attach_unmatched_reports(ctx: Context, work: UnitOfWork, tenant: str, ids: Mapping[str, int]) -> int:
    """Count the unmatched reports of SIMs that this transaction adds (row ids by ICCID); gives how many there were.

    The limits of their pools are queued (ST-4). Call it last: until the commit, ingest of unknown ICCIDs waits.
    """
    forms = {
        form: sim_id for iccid, sim_id in ids.items() for form in (iccid, alternate_iccid(iccid)) if form is not None
    }
    if not forms:
        return 0
    connection = await work.driver()
    added = list(ids.values())
    await queue_checks(connection, await members_to_check(connection, added), await refs_of(connection, added))
    await rows.lock_counting(connection)  # before the lock of unmatched reports, in the order of ingest
    reports = await unmatched.lock_reports_of(connection, tenant, forms)
    if not reports:
        return 0
    await unmatched.assign_sims(connection, reports)
    iccid_of = {sim_id: iccid for iccid, sim_id in ids.items()}
    cache = SimLookupCache(ctx)  # of its own: the SIMs are not committed yet
    resolved = await _resolved(ctx, connection, cache, tenant, [(iccid_of[row["sim_id"]], row) for row in reports])
    await work.events.add(await count(connection, cache, resolved, ctx.now(), ctx.gap_band))
    return len(reports)


async def lock_unmatched(connection: Connection) -> None:
    """Keep other unmatched reports from being added until the commit, in the order of ingest's locks."""
    await rows.lock_counting(connection)
    await unmatched.lock_reports(connection)


async def _resolved(
    ctx: Context,
    connection: Connection,
    cache: SimLookupCache,
    tenant: str,
    reports: Sequence[tuple[str, asyncpg.Record]],
) -> list[ResolvedReport]:
    """The reports with their SIMs and cycles, those of cycles no longer kept left out."""
    await cache.load(connection, tenant, sorted({iccid for iccid, _ in reports}))
    sims, tables = cache.find(tenant, [iccid for iccid, _ in reports]), cache.tables(ctx.now())
    found = []
    for index, (sim, (_, row)) in enumerate(zip(sims, reports, strict=True)):
        second = row["at"].timestamp()
        if sim is not None and (cycle := tables[calendar_of(sim)].key(second)) != TOO_OLD:
            gateway, report_id = row["gateway"], row["report_id"]
            found.append(ResolvedReport(gateway, report_id, sim, None, second, row["bytes"], cycle, 0, index))
    return found


async def count_again(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Count the reports that came while these SIMs could not be read; one that still cannot be stays set aside."""
    await handle_isolated(ctx, Task.USAGE_INGEST, sim_ids, partial(_count, ctx), kind=kind)


async def _count(ctx: Context, sim_ids: Sequence[int]) -> int:
    async with ctx.work() as work:
        records = (await work.sims.by_ids(sim_ids, for_update=True)).values()
        ids: dict[str, dict[str, int]] = {}
        for record in records:
            ids.setdefault(record.tenant, {})[record.sim.iccid] = record.id
        counted = [await attach_unmatched_reports(ctx, work, tenant, of) for tenant, of in sorted(ids.items())]
        await work.commit()
    return sum(counted)


async def detach_reports(ctx: Context, work: UnitOfWork, record: SimRecord) -> None:
    """Make the reports of a SIM that this transaction removes unmatched, and delete its counters."""
    # SIMS_LOCK after the SIM's row, which the caller has locked: who holds it shared waits for no SIM's row any more.
    connection = await work.driver()
    iccid = canonical_iccid(record.sim.iccid)
    await unmatched.detach(connection, record.tenant, record.id, iccid, ctx.now())
