"""The fee of a number retention, charged to the balance as each month begins (LC-10).

At once when the retention succeeds, then daily; each month of a SIM is charged once, whenever it is looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial

from app.db.commerce import retention as rows
from app.db.mapping import SimRecord
from app.db.uow import UnitOfWork
from app.domain.calendar.days import local
from app.domain.commerce.balance import Draft
from app.domain.commerce.retention import retention_fees
from app.domain.vocabulary import SimState
from app.usecases.balance.entries import post_entries
from app.usecases.context import Context
from app.usecases.quarantine import SubjectKind, Task, handle_isolated

CHUNK = 500


async def charge_retained(ctx: Context, work: UnitOfWork, retained: Iterable[tuple[SimRecord, datetime]]) -> int:
    """Charge the months that have begun of SIMs, each with the instant since when; gives how many entries.

    The SIMs are locked; the balances are locked here.
    """
    drafts: dict[str, list[Draft]] = defaultdict(list)
    for record, since in retained:
        if record.sim.retained_until is not None and record.sim.underlying is SimState.EXPIRED:
            zone = ctx.zone(record.account)
            days = local(since, zone).date(), local(ctx.now(), zone).date()
            drafts[record.tenant] += retention_fees(record.sim, *days)
    posted = [await post_entries(ctx, work, tenant, fees) for tenant, fees in sorted(drafts.items()) if fees]
    return sum(len(one.entries) for one in posted)


async def charge_zone(ctx: Context, zone: tzinfo) -> dict[str, int]:
    """Charge the months that have begun of one zone's retained SIMs."""
    accounts, charged, after = _accounts(ctx, zone), 0, 0
    while accounts:
        async with ctx.pool.acquire() as connection:
            found = await rows.retained(connection, accounts, after, CHUNK)
        since = {row["id"]: row["retained_at"] for row in found if row["retained_at"] is not None}
        charged += await handle_isolated(ctx, Task.RETENTION, list(since), partial(_charge_chunk, ctx, since))
        if len(found) < CHUNK:
            break
        after = found[-1]["id"]
    return {"charged": charged}


async def charge_again(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Charge the months that have begun of these SIMs; one that cannot be charged stays set aside."""
    async with ctx.pool.acquire() as connection:
        since = {row["id"]: row["retained_at"] for row in await rows.retained_at(connection, sim_ids)}
    await handle_isolated(ctx, Task.RETENTION, sim_ids, partial(_charge_chunk, ctx, since), kind=kind)


async def _charge_chunk(ctx: Context, since: Mapping[int, datetime], sim_ids: Sequence[int]) -> int:
    async with ctx.work() as work:
        records = await work.sims.by_ids(sim_ids, for_update=True)
        charged = await charge_retained(ctx, work, [(r, since[r.id]) for r in records.values() if r.id in since])
        await work.commit()
    return charged


async def is_nothing_retained(ctx: Context, zone: tzinfo) -> bool:
    """Whether no number of this zone's SIMs is retained."""
    async with ctx.pool.acquire() as connection:
        return not await rows.is_any_retained(connection, _accounts(ctx, zone))


def _accounts(ctx: Context, zone: tzinfo) -> list[str]:
    return [code for code in ctx.accounts if str(ctx.zone(code)) == str(zone)]
