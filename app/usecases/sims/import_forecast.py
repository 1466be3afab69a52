"""The SIMs of an import that a rule would stop within a day of it: by their limits, and by their dates.

The limits are evaluated in the transaction of the import, which the caller rolls back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.domain.sim.holds import HOLDS, codes
from app.domain.sim.lifecycle import sweep
from app.domain.vocabulary import HoldCode
from app.usecases.context import Context
from app.usecases.csv_files import MAX_FAULTS
from app.usecases.limits.evaluate import evaluate_sims
from app.usecases.sims.import_file import CHUNK, ImportReport

AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The SIM of a line would get this hold; `rule`: of the hold."""

    line: int | None
    hold: HoldCode
    rule: str


async def stops_within_a_day(ctx: Context, work: UnitOfWork, report: ImportReport) -> tuple[list[Stop], int]:
    """The first stops by line, and how many SIMs would be stopped."""
    found: list[Stop] = []
    stopped = 0
    for start in range(0, len(report.subjects), CHUNK):
        ids = report.subjects[start : start + CHUNK]
        before = await work.sims.by_ids(ids)
        await evaluate_sims(ctx, work, await work.driver(), ids)
        after = await work.sims.by_ids(ids)
        for sim_id, record in after.items():
            stops = list(_stops(ctx, before[sim_id], record, report))
            stopped += bool(stops)
            found.extend(stops[: MAX_FAULTS - len(found)])
        await asyncio.sleep(0)
    return found, stopped


def _stops(ctx: Context, before: SimRecord, after: SimRecord, report: ImportReport) -> Iterator[Stop]:
    now = ctx.now()
    tomorrow = (now + AHEAD).astimezone(ctx.zone(after.account)).date()
    swept, _ = sweep(after.sim, tomorrow, now)
    for code in sorted(codes(swept.holds) - codes(before.sim.holds)):
        yield Stop(line=report.lines.get(after.sim.iccid), hold=code, rule=HOLDS[code].rule)
