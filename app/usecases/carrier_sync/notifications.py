"""Carriers' notices: stored before they are answered, then followed up by a question (a hint, never a result)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from app.carriers.base import SimRef
from app.carriers.errors import CarrierError
from app.carriers.notifications import Push, Received
from app.db.events.inbox import InboxRow
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.usecases.carrier_sync.snapshots import apply_snapshots
from app.usecases.context import Context

CHUNK = 100
HINTS = {True: "done", False: "failed"}


async def store_push(ctx: Context, account: str, push: Push) -> Received:
    """Keep a carrier's push; what to answer it with. Raises `NotAuthentic`, `CarrierProtocolError`."""
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
    """Follow up notices: hurry the operation they speak of, and where there is none ask the carrier about the card."""
    async with ctx.work() as work:
        notices = await work.inbox.unhandled(CHUNK)
        asked: dict[str, list[SimRef]] = {}
        for notice in notices:
            record = await _card_of(work, notice)
            hurried = await work.operations.poll_now(
                notice["account"],
                reference=notice["reference"],
                hint=HINTS.get(notice["succeeded"]),
                sim_id=record.id if record else None,
                now=ctx.now(),
            )
            if not hurried and record is not None:
                ref = SimRef(iccid=record.sim.iccid, msisdn=record.msisdn, imsi=record.imsi)
                asked.setdefault(record.account, []).append(ref)
        await work.inbox.handled([(n["account"], n["external_id"]) for n in notices], ctx.now())
        await work.commit()
    for account, refs in asked.items():
        await _ask(ctx, account, refs)
    return len(notices)


async def _card_of(work: UnitOfWork, notice: dict[str, Any]) -> SimRecord | None:
    if notice["iccid"]:
        found = await work.sims.by_iccids([notice["iccid"]])
        return found.get(notice["iccid"])
    if notice["msisdn"]:
        return await work.sims.by_msisdn(notice["account"], notice["msisdn"])
    return None


async def _ask(ctx: Context, account: str, refs: Sequence[SimRef]) -> None:
    """A question that fails is asked again by the next pull."""
    try:
        words = await ctx.clients[account].snapshot(refs)
    except CarrierError:
        return
    await apply_snapshots(ctx, words)
