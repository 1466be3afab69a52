"""Reconcile SIMs with what carriers show (LC-6): query snapshots, apply them, then explain what still disagrees.

Snapshots are queried with no transaction open and applied by the rules (`snapshots`). What disagrees afterwards is
explained, repaired or reported by `drifts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app.carriers.base import Failures, SimRef
from app.carriers.errors import CarrierError, CarrierProtocolError, CarrierUnavailable
from app.domain.operation.capabilities import CAPABILITIES
from app.domain.sim.snapshot import VIEW_LAG
from app.usecases.accounts import require_unused
from app.usecases.carrier_sync.drifts import MAX_SIMS, explain_chunk, explain_drifts
from app.usecases.carrier_sync.snapshots import apply_snapshots, mark_unknown
from app.usecases.context import Context
from app.usecases.quarantine import PartlyHandled, SubjectKind, Task, handle_isolated

MAX_CALLS = 60
"""Calls that one pass may make to an account, beside those for SIMs on its change list."""

RECHECK_AFTER = timedelta(days=7)
"""A SIM in agreement is queried again once its snapshot is so old; the daily pull sees changes sooner."""

CHUNK = 500
"""SIMs whose snapshots are applied in one transaction."""


async def reconcile(ctx: Context, *, chunk: int = MAX_SIMS) -> dict[str, Any]:
    """One pass over every account that is not paused; returns the counts of what was seen, explained and repaired.

    `chunk`: SIMs of a change list that are looked up at once.
    """
    report: Counter[str] = Counter(
        seen=0, changed=0, lag=0, cycle_start=0, repairing=0, drift=0, unreachable=0, unanswered=0
    )
    async with ctx.work() as work:
        states = await work.account_states.all()
        accounts = dict.fromkeys([*ctx.accounts, *await work.sims.accounts()])
    wanted = [account for account in accounts if not states.get(account, {}).get("paused_at")]
    handle = partial(_reconcile_accounts, ctx, report, states, chunk)
    for account in wanted:  # each by itself: what one account's failure costs is that account's
        await handle_isolated(ctx, Task.RECONCILE, [account], handle, kind=SubjectKind.ACCOUNT)
    return dict(report)


async def reconcile_again(ctx: Context, kind: SubjectKind, keys: Sequence[Any]) -> None:
    """Reconcile what was set aside: accounts, or SIMs by row id. Raises: carrier errors."""
    async with ctx.work() as work:
        states = await work.account_states.all()
        by_account = {} if kind is SubjectKind.ACCOUNT else await work.sims.by_account(keys)
    if kind is SubjectKind.ACCOUNT:
        handle = partial(_reconcile_accounts, ctx, Counter(), states, MAX_SIMS)
        await handle_isolated(ctx, Task.RECONCILE, keys, handle, kind=kind)
    for account, ids in by_account.items():
        if account not in ctx.clients or states.get(account, {}).get("paused_at"):
            raise CarrierUnavailable("the account is paused or not configured")
        await handle_isolated(ctx, Task.RECONCILE, ids, partial(_query_and_explain, ctx, account))


async def _reconcile_accounts(
    ctx: Context,
    report: Counter[str],
    states: Mapping[str, Mapping[str, Any]],
    chunk: int,
    accounts: Sequence[str],
) -> int:
    for account in accounts:
        if account not in ctx.clients:
            return await require_unused(ctx, account)
        report.update(await _reconcile_account(ctx, account, states.get(account, {}).get("changes_seen_at"), chunk))
    return len(accounts)


async def _query_and_explain(ctx: Context, account: str, sim_ids: Sequence[int]) -> int:
    await _query_chunk(ctx, account, Counter(), sim_ids)
    return sum((await explain_chunk(ctx, sim_ids)).values())


async def _reconcile_account(ctx: Context, account: str, seen_at: datetime | None, chunk: int) -> Counter[str]:
    """`seen_at`: up to when the account's change list was read. Drift is explained even where the carrier fails."""
    report: Counter[str] = Counter()
    began, client = ctx.now(), ctx.clients[account]
    try:
        changed = await client.changed_since((seen_at or began) - VIEW_LAG) or []
        limit = MAX_CALLS * (CAPABILITIES[client.protocol].read_batch.value or 1)
        ids = await _sims_to_query(ctx, account, changed, limit, chunk)
        query = partial(_query_chunk, ctx, account, report)
        for start in range(0, len(ids), CHUNK):
            await handle_isolated(ctx, Task.RECONCILE, ids[start : start + CHUNK], query)
    except CarrierError:
        report["unreachable"] += 1
    else:
        await _store_changes_seen(ctx, account, began)
    report.update(await explain_drifts(ctx, account))
    return report


async def _query_chunk(ctx: Context, account: str, report: Counter[str], sim_ids: Sequence[int]) -> int:
    """Query and apply the snapshots of these SIMs. Raises `PartlyHandled` with those whose answers cannot be read."""
    async with ctx.work() as work:
        known = await work.sims.identities(sim_ids)
    refs = {i: SimRef(iccid=iccid, msisdn=msisdn, imsi=imsi) for i, (iccid, msisdn, imsi) in known.items()}
    failures: Failures = {}
    snapshots = await ctx.clients[account].snapshot(list(refs.values()), failures=failures)
    changed = await apply_snapshots(ctx, snapshots)
    await mark_unknown(ctx, failures)
    report.update(seen=len(snapshots), unanswered=len(failures), changed=changed)
    errors = {i: failures[ref.iccid] for i, ref in refs.items() if ref.iccid in failures}
    unreadable = {i: error for i, error in errors.items() if isinstance(error, CarrierProtocolError)}
    if unreadable:
        raise PartlyHandled(unreadable, changed)
    return changed


async def _sims_to_query(ctx: Context, account: str, changed: Sequence[str], limit: int, chunk: int) -> list[int]:
    """SIMs on the change list, SIMs that disagree, and SIMs not queried for `RECHECK_AFTER` (these at most `limit`)."""
    async with ctx.work() as work:
        ids: list[int] = []
        for start in range(0, len(changed), chunk):  # all of it: the list is stored as seen afterwards
            listed = await work.sims.owners(changed[start : start + chunk])
            ids += [row.id for row in listed.values() if row.account == account]
        stale = await work.drifts.to_reconcile(account, ctx.now() - RECHECK_AFTER, limit)
    return list(dict.fromkeys([*ids, *stale]))


async def _store_changes_seen(ctx: Context, account: str, began: datetime) -> None:
    async with ctx.work() as work:
        await work.account_states.set(account, changes_seen_at=began)
        await work.commit()
