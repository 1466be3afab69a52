"""Carrier notifications: stored before they are acknowledged, then verified by a query (a hint, never a result)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.carriers.base import Failures, SimRef
from app.carriers.errors import CarrierError
from app.carriers.notifications import Push, Received
from app.db.events.inbox import InboxRow
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.usecases.carrier_sync.snapshots import apply_snapshots, mark_unknown
from app.usecases.context import Context

CHUNK = 100
HINTS = {True: "done", False: "failed"}
"""What a notification says of a change -> the hint stored with the operation."""


async def store_push(ctx: Context, account: str, push: Push) -> Received:
    """Store a carrier's push; returns the acknowledgement. Raises `NotAuthentic`, `CarrierProtocolError`."""
    received = ctx.receive(account, push)
    notice = received.notice
    row = InboxRow(
        account=account,
        external_id=notice.external_id,
        protocol=ctx.accounts[account].protocols[0].protocol.value,
        kind=notice.kind.value,
        payload=json.dumps(dict(notice.payload)),
        received_at=ctx.now(),
        iccid=notice.iccid,
        msisdn=notice.msisdn,
        reference=notice.reference,
        succeeded=notice.succeeded,
    )
    async with ctx.work() as work:
        await work.inbox.add(row)
        await work.commit()
    return received


async def process_notifications(ctx: Context) -> int:
    """Process at most `CHUNK` stored notifications; returns how many.

    The operation that a notification is about is polled at once; where there is none, the SIM is queried.
    """
    async with ctx.work() as work:
        # Two workers process different notifications: the second skips what the first has locked.
        notices = await work.inbox.unhandled(CHUNK)
        queries: dict[str, list[SimRef]] = {}
        for notice in notices:
            record = await _sim_of(work, notice)
            if not await _poll_operation(ctx, work, notice, record) and record is not None:
                ref = SimRef(iccid=record.sim.iccid, msisdn=record.msisdn, imsi=record.imsi)
                queries.setdefault(record.account, []).append(ref)
        await work.inbox.handled([(n["account"], n["external_id"]) for n in notices], ctx.now())
        await work.commit()
    # Carriers are called after the commit: no transaction is open while we wait for someone else's server.
    for account, refs in queries.items():
        await _query(ctx, account, refs)
    return len(notices)


async def _poll_operation(ctx: Context, work: UnitOfWork, notice: Mapping[str, Any], record: SimRecord | None) -> bool:
    """Make the open operation due now, with the notification as a hint; whether there was one."""
    polled = await work.operations.make_due(
        notice["account"],
        reference=notice["reference"],
        hint=HINTS.get(notice["succeeded"]),
        sim_id=record.id if record else None,
        now=ctx.now(),
    )
    return bool(polled)


async def _sim_of(work: UnitOfWork, notice: Mapping[str, Any]) -> SimRecord | None:
    if notice["iccid"]:
        found = await work.sims.by_iccids([notice["iccid"]])
        return found.get(notice["iccid"])
    if notice["msisdn"]:
        return await work.sims.by_msisdn(notice["account"], notice["msisdn"])
    return None


async def _query(ctx: Context, account: str, refs: Sequence[SimRef]) -> None:
    """Query and apply snapshots; what fails, of one SIM or of the account, is left to the next daily pull."""
    failures: Failures = {}
    try:
        snapshots = await ctx.clients[account].snapshot(refs, failures=failures)
    except CarrierError:
        return
    await apply_snapshots(ctx, snapshots)
    await mark_unknown(ctx, failures)
