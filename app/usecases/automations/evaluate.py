"""The automations loop: judge armed automations by the events since their last turn, or by a look at each SIM.

One automation at a time and a chunk of it in a transaction, under the lock on its row: two workers never judge the
same. What fired, its effect and the cursor behind it are committed together; a process that dies leaves the cursor
where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db.automation.automations import AutomationRecord
from app.db.automation.facts import scope_ids, scope_of
from app.db.automation.firings import FiringResult, FiringRow
from app.db.uow import UnitOfWork
from app.domain.automation.actions import FiringStatus, stops_sims
from app.domain.automation.conditions import Condition, Fact
from app.domain.automation.firing import Waiting, firings_of, judge
from app.domain.calendar.days import local
from app.usecases.automations.facts import EVENT_TYPES, fact_of, facts_of_sims
from app.usecases.automations.forms import action_of, condition_of, filter_of
from app.usecases.automations.perform import Met, Target, act, ask_for_approval_if_many, carry_out
from app.usecases.context import Context
from app.usecases.event_positions import number_events
from app.usecases.quarantine import SubjectKind, Task, handle_isolated, is_of_data, set_aside

CHUNK = 1_000
"""Events or SIMs judged in one transaction."""

EVENTS_PERIOD = timedelta(seconds=5)
"""How often an automation on events looks for new ones."""

SCOPE_PERIOD = timedelta(seconds=60)
"""How long after a pass over its scope an automation on usage or deadlines begins the next one."""


async def run_automations(ctx: Context, *, chunk: int = CHUNK) -> int:
    """Take one turn of the automation that waited longest; gives whether there was anything to do.

    Safe in any number of processes. An automation that cannot be evaluated is set aside, the others go on.
    """
    chosen: list[UUID] = []
    try:
        return await _turn(ctx, chunk, chosen)
    except Exception as error:
        if not chosen or not is_of_data(error):
            raise
        await set_aside(ctx, Task.AUTOMATIONS, SubjectKind.AUTOMATION, str(chosen[0]), error)
        return 1


async def evaluate_again(ctx: Context, kind: SubjectKind, keys: Sequence[Any]) -> None:
    """Evaluate automations that were set aside; what cannot be evaluated stays set aside."""

    async def evaluate(ids: Sequence[str]) -> int:
        return sum([await _turn(ctx, CHUNK, [], only=UUID(one)) for one in ids])

    for key in keys:  # each by itself: a turn commits
        await handle_isolated(ctx, Task.AUTOMATIONS, [key], evaluate, kind=kind)


async def _turn(ctx: Context, chunk: int, chosen: list[UUID], *, only: UUID | None = None) -> int:
    """Evaluate a chunk of one automation, which is added to `chosen`; 0: none is due."""
    async with ctx.work() as work:
        due = await work.automations.lock_next_due(ctx.now(), only=only)
    if due is None:
        return 0
    await number_events(ctx)
    async with ctx.work() as work:
        automation = await work.automations.lock_next_due(ctx.now(), only=due.id)
        if automation is None:
            return 0  # another worker has taken it, or it was disarmed
        chosen.append(automation.id)
        turn = _Turn(ctx=ctx, work=work, automation=automation, chunk=chunk, now=ctx.now())
        changes = await turn.take()
        await work.automations.change(automation.id, evaluated_at=turn.now, **changes)
        await work.commit()
    return 1


@dataclass(slots=True, kw_only=True)
class _Turn:
    """One turn of one locked automation."""

    ctx: Context
    work: UnitOfWork
    automation: AutomationRecord
    chunk: int
    now: datetime
    condition: Condition = field(init=False)

    async def take(self) -> Mapping[str, Any]:
        """Judge the next chunk; gives the columns of the automation that have changed."""
        self.condition = condition_of(self.automation.condition)
        await self._release()
        types = EVENT_TYPES.get(type(self.condition))
        return await (self._look_at_sims() if types is None else self._read_events(types))

    async def _release(self) -> None:
        """Carry out what was behind the brake of accounts that a person has released."""
        rows = await self.work.firings.released(self.automation.id, self.chunk)
        if rows:
            await act(self.ctx, self.work, self.automation, await self._targets(rows), released=True)

    async def _targets(self, rows: Sequence[Mapping[str, Any]]) -> list[Target]:
        """Stored firings with their SIMs, locked; those of deleted SIMs are ended."""
        records = await self.work.sims.by_ids([row["sim_id"] for row in rows], for_update=True)
        gone = [FiringResult(id=row["id"], status=FiringStatus.LAPSED) for row in rows if row["sim_id"] not in records]
        await self.work.firings.settle(gone, self.now)
        return [
            Target(firing=row["id"], record=records[row["sim_id"]], occasion=row["occasion"])
            for row in rows
            if row["sim_id"] in records
        ]

    # ------------------------------------------------------------------------------------------- usage and deadlines
    async def _look_at_sims(self) -> Mapping[str, Any]:
        """Judge the next SIMs of the scope by what they have used, or by the days ahead of them."""
        wanted = filter_of(self.ctx, self.automation.sim_filter)
        connection = await self.work.driver()
        ids = await scope_ids(connection, self.automation.tenant, wanted, self.automation.last_sim_id, self.chunk)
        facts = await facts_of_sims(self.ctx, self.work, self.condition, ids, self._today)
        met = [
            Met(sim_id=sim_id, occasion=firing.occasion, at=self.now)
            for sim_id, of_sim in facts.items()
            for firing in firings_of(self.condition, of_sim, since=self.automation.since, until=self.now)
        ]
        if await carry_out(self.ctx, self.work, self.automation, met) is None:
            return {}
        if len(ids) == self.chunk:
            return {"last_sim_id": ids[-1], "next_run_at": self.now}
        return {"last_sim_id": 0, "next_run_at": self.now + SCOPE_PERIOD}

    def _today(self, zone: ZoneInfo) -> tuple[date, date]:
        today = local(self.now, zone).date()
        return today, today

    # --------------------------------------------------------------------------------------------------------- events
    async def _read_events(self, types: Sequence[str]) -> Mapping[str, Any]:
        """Judge the next events, then what has lasted long enough once no more events are known."""
        position = self.automation.position or 0
        rows = await self.work.feed.read(self.automation.tenant, position, types=tuple(types), limit=self.chunk)
        if not await self._judge_events(rows):
            return {}
        judged = {"position": rows[-1]["position"]} if rows else {}
        if len(rows) == self.chunk:
            return judged | {"next_run_at": self.now}
        await self._end_waits()
        return judged | {"next_run_at": self.now + EVENTS_PERIOD}

    async def _judge_events(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Judge events in their order; False where the automation waits for approval now, and nothing was stored."""
        subjects = sorted({row["subject"] for row in rows if row["subject"]})
        if not subjects:
            return True
        wanted = filter_of(self.ctx, self.automation.sim_filter)
        inside = await scope_of(await self.work.driver(), self.automation.tenant, wanted, subjects)
        waits = _Waits(
            since=self.automation.since,
            stored=await self.work.firings.waiting(self.automation.id, list(inside.values())),
        )
        met: list[Met] = []
        for row in rows:
            if (sim_id := inside.get(row["subject"])) is not None:
                met += waits.judge(self.condition, sim_id, fact_of(row))
        if await carry_out(self.ctx, self.work, self.automation, met) is None:
            return False
        await self._keep(waits)
        return True

    async def _keep(self, waits: _Waits) -> None:
        """Store what begins to wait, and end what waits no longer."""
        lapsed = [FiringResult(id=firing, status=FiringStatus.LAPSED) for firing in waits.lapsed]
        await self.work.firings.settle(lapsed, self.now)
        records = await self.work.sims.by_ids([sim_id for sim_id, _ in waits.begun])
        rows = [
            FiringRow(
                sim_id=sim_id,
                iccid=records[sim_id].sim.iccid,
                account=records[sim_id].account,
                occasion=waiting.occasion,
                at=waiting.due_at,
                due_at=waiting.due_at,
                status=FiringStatus.WAITING,
            )
            for (sim_id, _), waiting in waits.begun.items()
            if sim_id in records
        ]
        stops = stops_sims(action_of(self.automation.action))
        await self.work.firings.add(self.automation.id, self.automation.version, rows, stops=stops)

    async def _end_waits(self) -> None:
        """Carry out what has lasted longer than it had to; it goes on waiting where approval is asked for now."""
        rows = await self.work.firings.due(self.automation.id, self.now, self.chunk)
        sim_ids = {row["sim_id"] for row in rows}
        if rows and not await ask_for_approval_if_many(self.ctx, self.work, self.automation, sim_ids):
            await act(self.ctx, self.work, self.automation, await self._targets(rows))


@dataclass(slots=True, kw_only=True)
class _Waits:
    """What waits for its state to last, while events are judged in their order.

    A stored wait that is over by the time of an event stays stored: it is due, and is carried out as such.
    """

    since: datetime
    stored: Mapping[int, Mapping[str, Any]]
    begun: dict[tuple[int, str], Waiting] = field(default_factory=dict)
    lapsed: list[int] = field(default_factory=list)
    current: dict[int, Waiting | None] = field(default_factory=dict)

    def judge(self, condition: Condition, sim_id: int, fact: Fact) -> list[Met]:
        """What one fact about a SIM leads to."""
        before = self._waiting(sim_id)
        judged = judge(condition, fact, before)
        over = before is not None and any(one.occasion == before.occasion for one in judged.fired)
        if before is not None and not over:
            self._lapse(sim_id, before)
        self.current[sim_id] = judged.waiting
        if judged.waiting is not None and judged.waiting.due_at >= self.since:
            self.begun[sim_id, judged.waiting.occasion] = judged.waiting
        fired = [one for one in judged.fired if before is None or one.occasion != before.occasion]
        return [
            Met(sim_id=sim_id, occasion=one.occasion, at=one.at)
            for one in fired
            if one.at is not None and one.at >= self.since
        ]

    def _waiting(self, sim_id: int) -> Waiting | None:
        if sim_id in self.current:
            return self.current[sim_id]
        row = self.stored.get(sim_id)
        return Waiting(occasion=row["occasion"], due_at=row["due_at"]) if row else None

    def _lapse(self, sim_id: int, waiting: Waiting) -> None:
        if self.begun.pop((sim_id, waiting.occasion), None) is None and sim_id in self.stored:
            row = self.stored[sim_id]
            if row["occasion"] == waiting.occasion:
                self.lapsed.append(row["id"])
