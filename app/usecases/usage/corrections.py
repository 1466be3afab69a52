"""Corrections: carrier figures that a person submits (US-3). They replace, unless a later one is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.db.access import AuditRow
from app.db.mapping import SimRecord
from app.domain.calendar.cycles import cycle_named, cycle_on, end_instant, oldest_cycle, start_instant
from app.domain.calendar.days import ONE_DAY, start_of_day
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid
from app.usecases.context import Context
from app.usecases.usage.carrier_usage import CORRECTION, CarrierUsageBatch, apply_carrier_usage

MAX_CORRECTIONS = 10_000
MAX_USED = 1 << 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A carrier's figure for a day or a cycle (one of the two), in bytes, with its `as_of` where known (US-3)."""

    index: int
    iccid: str
    used: int
    day: date | None = None
    cycle: str | None = None
    as_of: datetime | None = None


async def correct(ctx: Context, tenant: str, corrections: Sequence[Correction], *, actor: str) -> dict[str, Any]:
    """Apply corrections in one transaction, with an entry in the audit log. A later figure held is not replaced."""
    batch, rejected, unknown, taken = CarrierUsageBatch(), [], [], 0
    async with ctx.work() as work:
        records = await work.sims.by_iccids(sorted({one.iccid for one in corrections}), tenant=tenant)
        for one in corrections:
            record = records.get(one.iccid) or records.get(alternate_iccid(one.iccid) or "")
            if record is None:
                unknown.append({"index": one.index})
            elif fault := _add(ctx, batch, record, one):
                rejected.append({"index": one.index, "code": fault, "detail": "no such day or cycle can be corrected"})
            else:
                taken += 1
        applied = len(await apply_carrier_usage(ctx, work, batch, cause=CORRECTION))
        counts = {"applied": applied, "unchanged": taken - applied}
        after: dict[str, object] = {**counts, "unknown": len(unknown), "rejected": len(rejected)}
        row = AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="usage.corrected", after=after)
        await work.access.add_audit([row])
        await work.commit()
    return {**counts, "unknown": unknown, "rejected": rejected}


def _add(ctx: Context, batch: CarrierUsageBatch, record: SimRecord, one: Correction) -> str | None:
    """Add a correction to the batch; gives a code where its day, cycle or `as_of` is not accepted."""
    zone, now, carrier = ctx.zone(record.account), ctx.now(), record.sim.carrier
    try:
        cycle = cycle_on(carrier, one.day) if one.day else cycle_named(carrier, one.cycle or "")
    except Malformed:
        return "CYCLE_MALFORMED"
    starts = start_of_day(one.day, zone) if one.day else start_instant(cycle, zone)
    if cycle.start < oldest_cycle(carrier, now, zone, ctx.retention.report_cycles).start:
        return "TOO_OLD"
    if starts >= now or (one.as_of is not None and not starts < one.as_of <= now):
        return "AS_OF_OUT_OF_TIME"
    ends = start_of_day(one.day + ONE_DAY, zone) if one.day else end_instant(cycle, zone)
    as_of = min(one.as_of or now, ends)
    if one.day:
        batch.add_day(record, one.day, one.used, as_of, zone)
    else:
        batch.add_cycle(record, cycle, one.used, as_of, zone)
    return None
