"""Pull the final figure of a closed cycle (US-5, ST-21), whatever the SIM's state is now.

A SIM is queried as long as its counter's carrier figure ends before the cycle does, so an account that was paused, or a
SIM that has expired since, gets its figure late rather than never. Only the preceding cycle is pulled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from app.db.usage import pulls
from app.domain.calendar.cycles import Cycle, cycle_number, cycle_on, end_instant, preceding, start_instant
from app.domain.usage.sync_policy import (
    DAILY_FIGURES_IN_BATCHES,
    closing_pull_due,
    closing_pull_repeats,
    day_of_cycle,
    may_have_used_since,
)
from app.usecases.carrier_sync.usage_page import AccountPull, current_carrier_state, pull_day, pull_usage
from app.usecases.quarantine import Task, handle_isolated


async def pull_final_figures(pull: AccountPull, after: int, upto: int | None) -> None:
    """Pull the preceding cycle of SIMs with row ids in (after, upto] whose figure of it is incomplete.

    Raises: carrier errors about the account.
    """
    today = pull.today()
    running = cycle_on(pull.carrier, today)
    protocol, day = pull.client.protocol, day_of_cycle(running, today)
    if not closing_pull_due(protocol, day):
        return
    cycle = preceding(pull.carrier, running)
    ids = await _incomplete(pull, cycle, after, upto, also_complete=closing_pull_repeats(protocol, day))
    await handle_isolated(pull.ctx, Task.USAGE_PULL, ids, partial(_pull_cycle, pull, cycle))


async def _pull_cycle(pull: AccountPull, cycle: Cycle, sim_ids: Sequence[int]) -> int:
    async with pull.ctx.work() as work:
        records = (await work.sims.by_ids(sim_ids)).values()
    opens = start_instant(cycle, pull.ctx.zone(pull.account))
    page = [one for one in records if may_have_used_since(one.sim, current_carrier_state(one), opens)]
    await pull.batch.run(page, partial(pull_usage, pull, cycle))
    if pull.client.protocol in DAILY_FIGURES_IN_BATCHES:
        await pull.batch.run(page, partial(pull_day, pull, cycle.last_day))
    return pull.settled(page)


async def _incomplete(
    pull: AccountPull, cycle: Cycle, after: int, upto: int | None, *, also_complete: bool
) -> list[int]:
    """The activated SIMs of a range that lack the cycle's final figure."""
    closes = end_instant(cycle, pull.ctx.zone(pull.account))
    wanted = pulls.Closing(
        account=pull.account,
        after=after,
        upto=upto,
        cycle=cycle_number(cycle),
        start=cycle.start,
        end=cycle.end,
        figures_to=None if also_complete else closes,
    )
    async with pull.ctx.pool.acquire() as connection:
        return await pulls.sims_to_close(connection, wanted)
