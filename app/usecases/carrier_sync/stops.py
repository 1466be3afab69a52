"""Look for the reason of stops that carriers do not explain: the device now seen, and who changed the SIM (ST-18).

Within the call budget: a few SIMs a turn, one session query each, and only where the last sighting is older than the
stop. No transaction is open while the carrier answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

from app.carriers.base import Session, SimRef, StateChange
from app.carriers.errors import CarrierError, UnsupportedOperation
from app.db.mapping import SimRecord
from app.domain.diagnosis.evidence import UNNAMED, ChangeRecord, StopFacts, name_stop
from app.domain.sim.binding import with_device
from app.domain.sim.holds import codes
from app.domain.sim.model import Hold, Sim
from app.domain.sim.transitions import Cause
from app.domain.vocabulary import HoldSource
from app.usecases.context import Context
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

AT_ONCE = 20
"""SIMs looked at in one turn."""

RETRY_AFTER = timedelta(hours=1)
"""A SIM whose carrier did not answer is looked at again after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What one SIM's carrier reported; `device`, `record`: whether answered, None: not queried or no such query."""

    device: bool | None = None
    session: Session | None = None
    record: bool | None = None
    change: StateChange | None = None


async def look_into_stops(ctx: Context) -> int:
    """Look for the reason of at most `AT_ONCE` unexplained stops; returns how many were looked at."""
    now = ctx.now()
    async with ctx.work() as work:
        ids = await work.sims.stopped_unexplained(sorted(ctx.clients), now, now - RETRY_AFTER, AT_ONCE)
    await handle_isolated(ctx, Task.STOPS, ids, partial(_look_into, ctx))
    return len(ids)


async def look_again(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Look at these SIMs again; one that cannot be handled stays set aside."""
    await handle_isolated(ctx, Task.STOPS, sim_ids, partial(_look_into, ctx), kind=kind)


async def _look_into(ctx: Context, sim_ids: Sequence[int]) -> int:
    """Query these SIMs, then store what was found in one transaction."""
    async with ctx.work() as work:
        found = (await work.sims.by_ids(sim_ids)).values()
    records = [record for record in found if codes(record.sim.holds) & UNNAMED]
    answers = await asyncio.gather(*(_query(ctx, record) for record in records))
    by_id = {record.id: answer for record, answer in zip(records, answers, strict=True)}
    async with ctx.work() as work:
        # Read again under their locks, by id: holds may have been lifted while the carriers answered.
        locked = await work.sims.by_ids(sorted(by_id), for_update=True)
        recorder = SimChangeRecorder(ctx.now(), ctx.zone)
        for record in locked.values():
            _apply(ctx, recorder, record, by_id[record.id])
        await recorder.write(work)
        await work.commit()
    return len(records)


async def _query(ctx: Context, record: SimRecord) -> _Answers:
    """The device, unless it was seen since the stop began, and the carrier's record of the change."""
    client = ctx.clients[record.account]
    ref = SimRef(iccid=record.sim.iccid, msisdn=record.msisdn, imsi=record.imsi)
    held_since = min(hold.since for hold in record.sim.holds if hold.code in UNNAMED)
    answers = _Answers()
    if record.sim.seen is None or record.sim.seen.at < held_since:
        try:
            answers = replace(answers, device=True, session=await client.session(ref))
        except UnsupportedOperation:
            answers = _Answers()
        except CarrierError:
            answers = _Answers(device=False)
    try:
        return replace(answers, record=True, change=await client.last_state_change(ref))
    except UnsupportedOperation:
        return answers
    except CarrierError:
        return replace(answers, record=False)


def _apply(ctx: Context, recorder: SimChangeRecorder, record: SimRecord, answers: _Answers) -> None:
    """Store what was found, and the name that it gives to the hold."""
    now = recorder.now
    on = now.astimezone(ctx.zone(record.account)).date()
    seen = record.sim
    if answers.session is not None and answers.session.imei:
        seen = with_device(seen, answers.session.imei, answers.session.as_of, on)
    change = answers.change
    facts = StopFacts(
        at=now,
        device_answered=answers.device,
        records_answered=answers.record,
        record=None if change is None else ChangeRecord(at=change.at, user=change.user),
    )
    named = replace(seen, holds=tuple(_named(seen, hold, facts, on) for hold in seen.holds))
    reason = ChangeReason(cause=Cause.EVIDENCE, actor="stops", effective_at=_began(record, now), rule="ST-18")
    recorder.save(recorder.change(record, named, reason))


def _named(sim: Sim, hold: Hold, facts: StopFacts, on: date) -> Hold:
    if hold.code not in UNNAMED or hold.source is not HoldSource.CARRIER:
        return hold
    return name_stop(sim, hold, facts, on)


def _began(record: SimRecord, now: datetime) -> datetime:
    return min((hold.since for hold in record.sim.holds if hold.code in UNNAMED), default=now)
