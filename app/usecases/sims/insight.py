"""What a SIM can say of itself: whether it is online, and which deadlines lie ahead of it."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime
from typing import Any

from app.carriers.base import Session, SimRef
from app.carriers.errors import (
    CarrierError,
    CarrierRateLimited,
    CarrierRejected,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.carriers.http.slots import on_request
from app.db.mapping import SimRecord
from app.domain.calendar.cycles import cycle_at
from app.domain.sim.binding import with_device
from app.domain.sim.deadlines import Deadline, DeadlineKind, deadlines
from app.domain.sim.transitions import Cause
from app.usecases.context import Context
from app.usecases.errors import CarrierTrouble, NotFound
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

READ_DEADLINE_S = 10.0
"""Seconds within which a carrier's answer to a caller's query is there, the wait for the call's turn included."""


async def _card(ctx: Context, tenant: str, iccid: str) -> SimRecord:
    async with ctx.work() as work:
        record = await work.sims.get(tenant, iccid)
    if record is None:
        raise NotFound("sim")
    return record


async def session_of(ctx: Context, tenant: str, iccid: str) -> dict[str, Any]:
    """Query the carrier whether a SIM is online now, within `READ_DEADLINE_S`. Raises `NotFound`, `CarrierTrouble`."""
    record = await _card(ctx, tenant, iccid)
    client = ctx.clients.get(record.account)
    if client is None:
        raise CarrierTrouble("UNAVAILABLE", "the card's account is no longer configured")
    try:
        with on_request():
            async with asyncio.timeout(READ_DEADLINE_S):
                found = await client.session(SimRef(iccid=record.sim.iccid, msisdn=record.msisdn, imsi=record.imsi))
    except TimeoutError:
        raise CarrierTrouble("UNAVAILABLE", "the carrier does not answer in time", retry_after=30) from None
    except CarrierError as error:
        raise _trouble(error) from None
    await _store_session(ctx, record, found)
    return {
        "online": found.online,
        "ip": found.ip,
        "rat": found.rat,
        "imei": found.imei,
        "apn": found.apn,
        "since": found.since.isoformat() if found.since else None,
        "as_of": found.as_of.isoformat(),
        "source": "carrier",
    }


async def _store_session(ctx: Context, record: SimRecord, found: Session) -> None:
    """Store what a session shows: whether the SIM was online, and its device (DV-6).

    The first device binds, a later one is evidence (DV-1).
    """
    at = found.as_of
    on = at.astimezone(ctx.zone(record.account)).date()
    async with ctx.work() as work:
        # Read again under its lock: `record` is from before the carrier was asked, and may have changed since.
        locked = (await work.sims.by_ids([record.id], for_update=True)).get(record.id)
        if locked is not None and found.imei:
            recorder = SimChangeRecorder(ctx.now(), ctx.zone)
            reason = ChangeReason(cause=Cause.CARRIER_WORD, actor="carrier", effective_at=at, rule="DV-6")
            recorder.save(recorder.change(locked, with_device(locked.sim, found.imei, at, on), reason))
            await recorder.write(work)
        await work.sims.keep_session(record.id, online=found.online, as_of=at, now=ctx.now())
        await work.commit()


def _trouble(error: CarrierError) -> CarrierTrouble:
    if isinstance(error, UnsupportedOperation):
        return CarrierTrouble("NOT_SUPPORTED_BY_CARRIER", "this card's protocol has no such query")
    if isinstance(error, CarrierRateLimited):
        wait = 1 if error.retry_after is None else max(1, math.ceil(error.retry_after))
        return CarrierTrouble("CARRIER_QUOTA_EXCEEDED", "the carrier takes no more calls now", retry_after=wait)
    if isinstance(error, CarrierRejected):
        return CarrierTrouble("CARRIER_REJECTED", "the carrier refused", carrier_code=error.carrier_code)
    wait = 5 if isinstance(error, CarrierUnavailable) else 30
    return CarrierTrouble(
        "UNAVAILABLE", "the carrier gave no usable answer", retry_after=wait, carrier_code=error.carrier_code
    )


async def deadlines_of(ctx: Context, tenant: str, iccid: str) -> dict[str, Any]:
    """The deadlines that lie ahead of a SIM, by day, each with its rule. Raises `NotFound`."""
    return deadlines_view(ctx, await _card(ctx, tenant, iccid), ctx.now())


def deadlines_view(ctx: Context, record: SimRecord, at: datetime) -> dict[str, Any]:
    """The deadlines that lie ahead of a SIM at an instant, as JSON."""
    today = at.astimezone(ctx.zone(record.account)).date()
    cycle = cycle_at(record.sim.carrier, at, ctx.zone(record.account))
    found = (*deadlines(record.sim), Deadline(kind=DeadlineKind.CYCLE_END, on=cycle.last_day, rule="BC-4"))
    items = [
        {"kind": one.kind.value, "on": one.on.isoformat(), "rule": one.rule, "assumed": list(one.assumed)}
        for one in sorted(found, key=lambda one: (one.on, one.kind))
        if one.on >= today
    ]
    return {"iccid": record.sim.iccid, "items": items}
