"""The SIMs of an import that a rule would stop within a day of it: by their limits, and by their dates.

One that its dates have ended already is not stopped by the import (LC-17). Where the carrier shows it running, it is as
any card is that runs though it has expired: a day after the carrier has first shown it so (LC-6, ST-5, ST-24).

The limits are evaluated in the transaction of the import, which the caller rolls back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from app.db.imports.storing import next_subjects
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.domain.sim.holds import HOLDS, codes, is_ours
from app.domain.sim.lifecycle import sweep
from app.domain.vocabulary import HoldCode, SimState
from app.usecases.context import Context
from app.usecases.csv_files import MAX_FAULTS
from app.usecases.limits.evaluate import evaluate_sims

AHEAD = timedelta(days=1)

CHUNK = 1_000
"""SIMs that are evaluated at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The SIM of a line would get this hold; `rule`: of the hold.

    `if_running`: it has the hold by its dates, and is stopped only where the carrier lets it run.
    """

    line: int | None
    hold: HoldCode
    rule: str
    if_running: bool = False


@dataclass(slots=True)
class Forecast:
    """The first stops by line, how many SIMs would be stopped, and how many more if they run at their carriers."""

    stops: list[Stop] = field(default_factory=list)
    stopped: int = 0
    stopped_if_running: int = 0


async def stops_within_a_day(ctx: Context, work: UnitOfWork) -> Forecast:
    """What rules would stop of the SIMs that an import in this transaction added, or whose limits it changed."""
    forecast, connection, line = Forecast(), await work.driver(), 0
    while subjects := await next_subjects(connection, line, CHUNK):
        lines = {row["id"]: row["line"] for row in subjects}
        before = await work.sims.by_ids(lines)
        await evaluate_sims(ctx, work, connection, list(lines))
        after = await work.sims.by_ids(lines)
        for sim_id, number in lines.items():
            stops = list(_stops(ctx, before[sim_id], after[sim_id], number))
            forecast.stopped += any(not stop.if_running for stop in stops)
            forecast.stopped_if_running += bool(stops) and all(stop.if_running for stop in stops)
            forecast.stops.extend(stops[: MAX_FAULTS - len(forecast.stops)])
        line = subjects[-1]["line"]
        await asyncio.sleep(0)
    return forecast


def _stops(ctx: Context, before: SimRecord, after: SimRecord, line: int) -> Iterator[Stop]:
    now = ctx.now()
    tomorrow = (now + AHEAD).astimezone(ctx.zone(after.account)).date()
    swept, _ = sweep(after.sim, tomorrow, now)
    for code in sorted(codes(swept.holds) - codes(before.sim.holds)):
        yield Stop(line=line, hold=code, rule=HOLDS[code].rule)
    ended = before.sim.underlying is SimState.EXPIRED and before.carrier_as_of is None
    if ended and any(hold.code is HoldCode.PLAN_EXPIRED and is_ours(hold) for hold in before.sim.holds):
        code = HoldCode.PLAN_EXPIRED
        yield Stop(line=line, hold=code, rule=HOLDS[code].rule, if_running=True)
