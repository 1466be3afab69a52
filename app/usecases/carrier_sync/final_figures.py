"""The last figure of a closed cycle (US-5, ST-21): asked for by what is held, whatever the card's state is now.

A card is asked about while its counter's carrier figure ends before the cycle does, so an account that was paused, or
a card that has expired since, gets its figure late rather than never. Only the cycle before is looked at.
"""

from __future__ import annotations

from functools import partial

from app.db.mapping import SimRecord
from app.db.usage import pulls as rows
from app.domain.calendar.cycles import Cycle, cycle_number, cycle_on, end_instant, preceding, start_instant
from app.domain.usage.sync_policy import (
    DAILY_FIGURES_IN_BATCHES,
    closing_pull_due,
    closing_pull_repeats,
    day_of_cycle,
    may_have_used_since,
)
from app.usecases.carrier_sync.usage_page import AccountPull, current_carrier_state, pull_day, pull_usage


async def pull_final_figures(run: AccountPull, after: int, upto: int | None) -> None:
    """Ask for the cycle before, of the cards with row ids in (after, upto] whose figure of it is not complete.

    Raises: the tree's errors about the account.
    """
    today = run.today()
    running = cycle_on(run.carrier, today)
    protocol, day = run.client.protocol, day_of_cycle(running, today)
    if not closing_pull_due(protocol, day):
        return
    cycle = preceding(run.carrier, running)
    page = await _incomplete(run, cycle, after, upto, also_complete=closing_pull_repeats(protocol, day))
    await run.batch.run(page, partial(pull_usage, run, cycle))
    if protocol in DAILY_FIGURES_IN_BATCHES:
        await run.batch.run(page, partial(pull_day, run, cycle.last_day))


async def _incomplete(
    run: AccountPull, cycle: Cycle, after: int, upto: int | None, *, also_complete: bool
) -> list[SimRecord]:
    """The activated cards of a range that may have used in the cycle and lack its last figure."""
    zone = run.ctx.zone(run.account)
    opens, closes = start_instant(cycle, zone), end_instant(cycle, zone)
    wanted = rows.Closing(
        account=run.account,
        after=after,
        upto=upto,
        cycle=cycle_number(cycle),
        start=cycle.start,
        end=cycle.end,
        figures_to=None if also_complete else closes,
    )
    async with run.ctx.pool.acquire() as connection:
        ids = await rows.sims_to_close(connection, wanted)
    if not ids:
        return []
    async with run.ctx.work() as work:
        records = await work.sims.by_ids(ids)
    return [
        record for record in records.values() if may_have_used_since(record.sim, current_carrier_state(record), opens)
    ]
