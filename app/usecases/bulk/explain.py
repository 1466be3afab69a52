"""Explain a fleet: the stopped SIMs of a selection by cause and remedy, with the bulk operation that helps each group.

Read a chunk at a time, without a transaction; between chunks, and after each plan that is worked out, other requests
have their turn. SIMs of one kind share one plan. One that cannot be read is counted, and keeps no other from its group.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from app.clock import monotonic
from app.db.mapping import sim_from
from app.db.sims.explained import fetch_many_explained
from app.db.sims.running import RunningPeriods
from app.db.sims.search import SimFilter, where_of
from app.db.sims.stopped import Selection, StoppedRow, count_selected, fetch_stopped, filed, named
from app.domain.calendar.cycles import cycle_at, start_instant
from app.domain.diagnosis.checklists import Situation, explain_holds
from app.domain.diagnosis.recovery.groups import SAMPLES, CauseAndRemedy, Group, GroupKey, cause_and_remedy
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid
from app.domain.operation.prices import Catalogue
from app.domain.usage.quota import USAGE_HOLDS
from app.domain.vocabulary import Carrier, HoldCode, OperationKind
from app.telemetry import get_logger
from app.usecases.bulk.selectors import (
    IccidList,
    IccidRange,
    MatchingSims,
    PoolMembers,
    Selector,
    UploadedFile,
    in_range,
    listed,
)
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.operations.validate import catalogue_for
from app.usecases.sims.explain import known_of, pool_remaining, rule_context_of_row
from app.usecases.sims.read import account_zones, current_cycles
from app.usecases.sims.views import days_at, running_periods

CHUNK = 500
"""SIMs read in one statement: a few milliseconds of a process's time."""

MOST_SECONDS = 20.0
"""How long one request reads on; what it has by then is its answer."""

MOST_NAMED = 10_000
"""How many SIMs of a group its bulk operation names."""

MOST_NAMED_OF_ALL = 100_000
"""How many SIMs the bulk operations of all groups name together: a bound on memory."""

MOST_ATTEMPTS = 3
"""How many SIMs of a kind are read until one of them can be."""

UNREADABLE = (ValueError, KeyError, TypeError, Malformed)

_SIGNIFICANT_BITS = 4

Kind = tuple[Any, ...]
"""What decides how a SIM comes back."""

log = get_logger("fleet")


@dataclass(slots=True)
class FleetExplanation:
    """The stopped SIMs of a selection by cause and remedy. `complete` False: the time was up after `stopped` of them.

    `selected`: how many SIMs the selector finds, stopped or not; `named`: how many are kept by name; `unreadable`: how
    many of the stopped ones are in no group, since they cannot be read.
    """

    selected: int = 0
    stopped: int = 0
    complete: bool = True
    named: int = 0
    unreadable: int = 0
    groups: dict[GroupKey, Group] = field(default_factory=dict)

    def add(self, iccid: str, cause_and_remedy: CauseAndRemedy | None) -> None:
        """Count a stopped SIM into its group; None: it cannot be read."""
        self.stopped += 1
        if cause_and_remedy is None:
            self.unreadable += 1
            return
        group = self.groups.get(cause_and_remedy.key)
        if group is None:
            group = self.groups[cause_and_remedy.key] = Group(cause_and_remedy=cause_and_remedy)
        self.named += group.add(iccid, cause_and_remedy, MOST_NAMED if self.named < MOST_NAMED_OF_ALL else SAMPLES)


async def explain_fleet(
    ctx: Context, tenant: str, selector: Selector, *, chunk: int = CHUNK, seconds: float = MOST_SECONDS
) -> FleetExplanation:
    """Explain the SIMs of a selection that are stopped. Raises as the selectors of bulk operations."""
    until = monotonic() + seconds
    found, fleet = FleetExplanation(), await _fleet(ctx, tenant)
    async for selection in _selections(ctx, tenant, selector, chunk):
        found.selected += await count_selected(ctx.reads, selection)
        async for rows in _chunks(ctx, selection, fleet.running, chunk):
            worked_out = await fleet.causes_and_remedies(rows)
            for row, one in zip(rows, worked_out, strict=True):
                found.add(row["iccid"], one)
            if monotonic() > until:
                found.complete = False
                return found
            await asyncio.sleep(0)
    return found


async def _chunks(
    ctx: Context, selection: Selection, running: RunningPeriods, chunk: int
) -> AsyncIterator[Sequence[StoppedRow]]:
    """The stopped SIMs of a selection, so many at a time."""
    after = 0
    while rows := await fetch_stopped(ctx.reads, selection, running, after=after, limit=chunk):
        yield rows
        if len(rows) < chunk:
            return
        after = rows[-1]["id"]


async def _selections(ctx: Context, tenant: str, selector: Selector, chunk: int) -> AsyncIterator[Selection]:
    """What a selector selects, as conditions; a list is cut into parts of a chunk. Raises `InvalidArgument`."""
    match selector:
        case PoolMembers():
            where, arguments = where_of(tenant, SimFilter(pool=selector.pool))
            yield Selection(where=where, arguments=tuple(arguments))
        case MatchingSims():
            where, arguments = where_of(tenant, replace(selector.wanted, cycles=current_cycles(ctx)))
            yield Selection(where=where, arguments=tuple(arguments))
        case UploadedFile():
            async with ctx.work() as work:
                known = await work.bulk_items.file_size(tenant, selector.file_id) is not None
            if not known:
                raise InvalidArgument([Fault(pointer="/selector/file_id", code="UNKNOWN_FILE", detail="no such file")])
            yield filed(tenant, selector.file_id)
        case _:
            names = iter(await _named(ctx, tenant, selector))
            while part := list(islice(names, chunk)):
                yield named(tenant, [form for iccid in part for form in (iccid, alternate_iccid(iccid)) if form])


async def _named(ctx: Context, tenant: str, selector: Selector) -> Sequence[str]:
    if isinstance(selector, IccidList):
        return await asyncio.to_thread(listed, selector.iccids)
    if not isinstance(selector, IccidRange):
        raise TypeError(selector)
    async with ctx.work() as work:
        return await in_range(work, tenant, selector, activates=False)


async def _fleet(ctx: Context, tenant: str) -> _Fleet:
    """What is the same for all SIMs of one request."""
    zones, now = account_zones(ctx), ctx.now()
    async with ctx.work() as work:
        catalogue = await catalogue_for(work, tenant, OperationKind.ORDER_ADDON)
    running = running_periods(days_at(now, zones), zones)
    return _Fleet(ctx=ctx, tenant=tenant, now=now, running=running, catalogue=catalogue)


@dataclass(slots=True)
class _Fleet:
    """The plans worked out so far, by the kind of SIM."""

    ctx: Context
    tenant: str
    now: datetime
    running: RunningPeriods
    catalogue: Catalogue
    worked_out: dict[Kind, CauseAndRemedy] = field(default_factory=dict)
    pools: dict[str, int | None] = field(default_factory=dict)
    cycles: dict[tuple[str, str], datetime] = field(default_factory=dict)

    async def causes_and_remedies(self, rows: Sequence[StoppedRow]) -> list[CauseAndRemedy | None]:
        """Cause and remedy of each SIM, None: it cannot be read; the whole row is read for one SIM of each new kind."""
        await self._look_at_pools(rows)
        kinds = [self._kind(row) for row in rows]
        new: dict[Kind, list[int]] = {}
        for kind, row in zip(kinds, rows, strict=True):
            if kind not in self.worked_out:
                new.setdefault(kind, []).append(row["id"])
        for attempt in range(MOST_ATTEMPTS):
            await self._work_out_one_of_each(
                [ids[attempt] for kind, ids in new.items() if kind not in self.worked_out and attempt < len(ids)],
                {id_: kind for kind, ids in new.items() for id_ in ids},
            )
        return [self.worked_out.get(kind) for kind in kinds]

    async def _work_out_one_of_each(self, ids: Sequence[int], kinds: Mapping[int, Kind]) -> None:
        """Work out the kinds of these SIMs, but for those that were deleted meanwhile or cannot be read."""
        if not ids:
            return
        for row in await fetch_many_explained(self.ctx.reads, self.tenant, ids, self.running):
            try:
                self.worked_out[kinds[row["id"]]] = self._work_out(row)
            except UNREADABLE as error:
                log.warning("fleet.sim_unreadable", sim_id=row["id"], error=type(error).__name__)
            await asyncio.sleep(0)

    async def _look_at_pools(self, rows: Sequence[StoppedRow]) -> None:
        """What the pools of SIMs that are held for them have left, each looked at once."""
        for row in rows:
            pool = row["pool"]
            if pool in self.pools or not any(hold["code"] == HoldCode.POOL_EXHAUSTED for hold in row["holds"]):
                continue
            try:
                self.pools[pool] = None if pool is None else await pool_remaining(self.ctx, self.tenant, pool)
            except NotFound:
                self.pools[pool] = None

    def _kind(self, row: StoppedRow) -> Kind:
        """What decides how a SIM comes back: SIMs of one kind have one plan."""
        begins = self._cycle_start(row["carrier"], row["account"])
        holds = tuple((hold["code"], datetime.fromisoformat(hold["since"]) < begins) for hold in row["holds"])
        codes = {code for code, _ in holds}
        columns = (
            "account",
            "carrier",
            "terms",
            "plan",
            "underlying",
            "real_name",
            "region_limited",
            "pool",
            "rebinds",
        )
        return (
            *(row[name] for name in columns),
            holds,
            row["renewals"],
            row["expires_on"] if HoldCode.PLAN_EXPIRED in codes else None,
            row["threshold"] if codes & _OF_THRESHOLD else row["threshold"] is None,
            row["threshold_off_until"] if codes & USAGE_HOLDS else None,
            row["auto_stop"],
            row["first_device"] if HoldCode.DEVICE_MISMATCH in codes else None,
            (_rounded_up(row["used"]), row["addons"]) if codes & USAGE_HOLDS else None,
            row["open_kind"],
            row["open_due_at"],
        )

    def _cycle_start(self, carrier: str, account: str) -> datetime:
        found = self.cycles.get((carrier, account))
        if found is None:
            zone = self.ctx.zone(account)
            found = self.cycles[carrier, account] = start_instant(cycle_at(Carrier(carrier), self.now, zone), zone)
        return found

    def _work_out(self, row: Mapping[str, Any]) -> CauseAndRemedy:
        """Causes, recovery and first operation of one SIM."""
        record = sim_from(row)
        left = self.pools.get(record.sim.pool) if record.sim.pool else None
        context = rule_context_of_row(self.ctx, record, row, self.catalogue, now=self.now)
        known = replace(known_of(row, left, None), used=_rounded_up(row["used"]))
        holds = explain_holds(record.sim, context, Situation(pool_remaining=left))
        return cause_and_remedy(record.sim, holds, context, known)


_OF_THRESHOLD = frozenset({HoldCode.OVER_THRESHOLD, HoldCode.OUT_OF_REGION})


def _rounded_up(used: int | None) -> int | None:
    """Bytes rounded up to four significant bits, an eighth at most: packs and thresholds must suffice, not fit."""
    shift = 0 if used is None else max(used.bit_length() - _SIGNIFICANT_BITS, 0)
    return None if used is None else -(-used >> shift) << shift
