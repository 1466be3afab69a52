"""Carrier notifications: stored before they are acknowledged, then verified by a query (a hint, never a result)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from app.carriers.base import Failures, SimRef
from app.carriers.errors import CarrierError
from app.carriers.http.slots import in_background
from app.carriers.notifications import Push, Received
from app.db.events.inbox import InboxRow
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.usecases.accounts import AccountNotConfigured
from app.usecases.carrier_sync.snapshots import apply_snapshots, mark_unknown
from app.usecases.context import Context
from app.usecases.quarantine import SubjectKind, Task, handle_isolated

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

    The operation that a notification is about is polled at once; where there is none, the SIM is queried. One that
    cannot be handled is set aside.
    """
    async with ctx.work() as work:
        keys = await work.inbox.unhandled(ctx.now(), CHUNK)
    if not keys:
        return 0
    to_query: list[int] = []
    handle = partial(_process, ctx, to_query)
    await handle_isolated(ctx, Task.INBOX, keys, handle, kind=SubjectKind.NOTIFICATION)
    # Carriers are called after the commit: no transaction is open while we wait for someone else's server.
    await query_sims(ctx, SubjectKind.SIM, sorted(set(to_query)))
    return len(keys)


async def _process(ctx: Context, to_query: list[int], keys: Sequence[str]) -> int:
    """Process notifications in one transaction; the SIMs to query are added to `to_query`."""
    found: list[int] = []
    async with ctx.work() as work:
        # Two workers that have read the same keys: the second skips what the first has locked.
        notices = await work.inbox.lock(keys)
        records = [await _sim_of(work, notice) for notice in notices]
        await work.operations.lock_referred(
            sorted({notice["account"] for notice in notices}),
            sorted({notice["reference"] for notice in notices if notice["reference"]}),
            sorted({record.id for record in records if record is not None}),
        )
        for notice, record in zip(notices, records, strict=True):
            if not await _poll_operation(ctx, work, notice, record) and record is not None:
                found.append(record.id)
        await work.inbox.handled([(n["account"], n["external_id"]) for n in notices], ctx.now())
        await work.commit()
    to_query += found
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


async def process_again(ctx: Context, kind: SubjectKind, keys: Sequence[Any]) -> None:
    """Process notifications, or query SIMs by row id, that were set aside."""
    if kind is SubjectKind.SIM:
        await query_sims(ctx, kind, keys)
        return
    to_query: list[int] = []
    await handle_isolated(ctx, Task.INBOX, keys, partial(_process, ctx, to_query), kind=kind)
    await query_sims(ctx, SubjectKind.SIM, sorted(set(to_query)))


async def query_sims(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Query the SIMs that notifications were about; one that cannot be handled is set aside."""
    async with ctx.work() as work:
        by_account = await work.sims.by_account(sim_ids)
    for account, ids in by_account.items():
        await handle_isolated(ctx, Task.INBOX, ids, partial(_query, ctx, account), kind=kind)


async def _query(ctx: Context, account: str, sim_ids: Sequence[int]) -> int:
    """Query and apply snapshots; what the carrier does not answer is left to the next daily pull.

    Raises `AccountNotConfigured`.
    """
    if account not in ctx.clients:
        raise AccountNotConfigured(account)
    async with ctx.work() as work:
        known = await work.sims.identities(sim_ids)
    refs = [SimRef(iccid=iccid, msisdn=msisdn, imsi=imsi) for iccid, msisdn, imsi in known.values()]
    failures: Failures = {}
    try:
        # Some carriers' pushes bear no signature: whoever sends them spends what operations leave of the call budget.
        with in_background():
            snapshots = await ctx.clients[account].snapshot(refs, failures=failures)
    except CarrierError:
        return 0
    await mark_unknown(ctx, failures)
    return await apply_snapshots(ctx, snapshots)
