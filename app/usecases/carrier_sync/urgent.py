"""The urgent SIMs of an account, queried between the pages of its pull (US-2; `app.domain.usage.freshness`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from app.carriers.config import Account
from app.db.mapping import SimRecord
from app.db.usage import pulls
from app.db.usage.pulls import Urgent
from app.domain.calendar.cycles import cycle_number, cycle_on
from app.domain.calendar.days import local
from app.domain.usage.freshness import QUERY_BATCHES, RECENTLY_STOPPED, Budget, UrgentRota, attainable
from app.domain.usage.sync_policy import may_have_used
from app.usecases.carrier_sync.usage_page import (
    AccountPull,
    current_carrier_state,
    pull_page,
    pull_snapshots,
    pull_usage,
)
from app.usecases.context import Context
from app.usecases.pools.views import running_pools


def budget_of(account: Account) -> Budget | None:
    """The call budget of the protocol that an account's usage is queried from; None where it has no queries."""
    entry = next((one for one in account.protocols if one.covers("usage")), None)
    batches = QUERY_BATCHES.get(entry.protocol) if entry else None
    if entry is None or batches is None:
        return None
    return Budget(batches=batches, per_second=entry.settings.per_second, in_flight=entry.settings.in_flight)


async def open_rota(ctx: Context, account: str) -> UrgentRota | None:
    """The rota of an account's urgent SIMs as stored now; None where the account has no queries."""
    budget = budget_of(ctx.accounts[account])
    if budget is None:
        return None
    found = await urgent_sims(ctx, account)
    interval = attainable(budget, urgent=len(found), rest=0).urgent
    return UrgentRota(((one.sim_id, one.last_queried) for one in found), interval, budget.batches.cycle)


async def urgent_sims(ctx: Context, account: str) -> list[Urgent]:
    """SIMs near a limit, members of pools near theirs, and SIMs stopped recently, with the age of their figures."""
    carrier, now = ctx.accounts[account].carrier, ctx.now()
    number = cycle_number(cycle_on(carrier, local(now, ctx.zone(account)).date()))
    async with ctx.pool.acquire() as connection:
        running = await running_pools(ctx, connection, [carrier])
        pools = await pulls.near_pools(connection, running) if running else []
        return await pulls.urgent(connection, account, number, pools, now - RECENTLY_STOPPED)


async def pull_urgent(pull: AccountPull, rota: UrgentRota, size: int) -> bool:
    """Query the urgent SIMs that are due, at most `size`; False where none is.

    The first time in a run they are queried for all that the pull in turn queries, which then leaves them out; later
    for usage alone. Raises: carrier errors about the account.
    """
    now = pull.ctx.now()
    ids = rota.take(now, size)
    if not ids:
        return False
    async with pull.ctx.work() as work:
        found = await work.sims.by_ids(ids)
    page = [found[sim_id] for sim_id in ids if sim_id in found]
    again = [record for record in page if record.id in pull.done]
    await pull_page(pull, [record for record in page if record.id not in pull.done])
    pull.done.update(ids)
    using = [record for record in again if may_have_used(record.sim, current_carrier_state(record), now)]
    await pull.batch.run(using, partial(pull_usage, pull, cycle_on(pull.carrier, pull.today())))
    await pull.batch.run(_stopped(page, pull), partial(pull_snapshots, pull))
    pull.report.urgent += len(page)
    return True


def _stopped(page: Sequence[SimRecord], pull: AccountPull) -> list[SimRecord]:
    """The SIMs whose stop the carrier has not confirmed since it was made."""
    now, none = pull.ctx.now(), timedelta()
    return [
        record
        for record in page
        if record.sim.holds
        and record.carrier_changed_at is not None
        and none <= now - record.carrier_changed_at <= RECENTLY_STOPPED
        and current_carrier_state(record) is None
    ]
