"""Reconcile SIMs with what carriers show (LC-6): query snapshots, apply them, then explain what still disagrees.

Snapshots are queried with no transaction open and applied by the rules (`snapshots`). What disagrees afterwards is
explained, repaired or reported by `drifts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.carriers.base import Failures, SimRef
from app.carriers.errors import CarrierError
from app.domain.operation.capabilities import CAPABILITIES
from app.domain.sim.snapshot import VIEW_LAG
from app.usecases.carrier_sync.drifts import MAX_SIMS, explain_drifts
from app.usecases.carrier_sync.snapshots import apply_snapshots, mark_unknown
from app.usecases.context import Context

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
    for account in ctx.accounts:
        state = states.get(account, {})
        if account in ctx.clients and not state.get("paused_at"):
            report.update(await _reconcile_account(ctx, account, state.get("changes_seen_at"), chunk))
    return dict(report)


async def _reconcile_account(ctx: Context, account: str, seen_at: datetime | None, chunk: int) -> Counter[str]:
    """`seen_at`: up to when the account's change list was read. Drift is explained even where the carrier fails."""
    report: Counter[str] = Counter()
    began, client = ctx.now(), ctx.clients[account]
    try:
        changed = await client.changed_since((seen_at or began) - VIEW_LAG) or []
        limit = MAX_CALLS * (CAPABILITIES[client.protocol].read_batch.value or 1)
        refs = await _sims_to_query(ctx, account, changed, limit, chunk)
        for start in range(0, len(refs), CHUNK):
            failures: Failures = {}
            snapshots = await client.snapshot(refs[start : start + CHUNK], failures=failures)
            report["seen"] += len(snapshots)
            report["unanswered"] += len(failures)
            report["changed"] += await apply_snapshots(ctx, snapshots)
            await mark_unknown(ctx, failures)
    except CarrierError:
        report["unreachable"] += 1
    else:
        await _store_changes_seen(ctx, account, began)
    report.update(await explain_drifts(ctx, account))
    return report


async def _sims_to_query(ctx: Context, account: str, changed: Sequence[str], limit: int, chunk: int) -> list[SimRef]:
    """SIMs on the change list, SIMs that disagree, and SIMs not queried for `RECHECK_AFTER` (these at most `limit`)."""
    async with ctx.work() as work:
        ids: list[int] = []
        for start in range(0, len(changed), chunk):  # all of it: the list is stored as seen afterwards
            listed = await work.sims.by_iccids(changed[start : start + chunk])
            ids += [record.id for record in listed.values() if record.account == account]
        stale = await work.drifts.to_reconcile(account, ctx.now() - RECHECK_AFTER, limit)
        known = await work.sims.identities(list(dict.fromkeys([*ids, *stale])))
    return [SimRef(iccid=iccid, msisdn=msisdn, imsi=imsi) for iccid, msisdn, imsi in known.values()]


async def _store_changes_seen(ctx: Context, account: str, began: datetime) -> None:
    async with ctx.work() as work:
        await work.account_states.set(account, changes_seen_at=began)
        await work.commit()
