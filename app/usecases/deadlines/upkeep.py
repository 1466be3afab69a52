"""Keep the groups of deadlines: work out those that are missing, and once a day look at every SIM's (ADR 22).

A SIM that the rules store has its group at once. Missing are the groups of SIMs that were there before their column,
and of those whose plan or terms a file has changed. Outdated ones come from a replica of an older version, or from a
plan whose test months were changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.db.deadline_groups import group_of
from app.db.deadlines.groups import add_groups, dates_after, forget_groups, lock_without_group, set_groups
from app.domain.sim.deadlines import Deadline, deadlines
from app.domain.sim.model import Plan, Sim
from app.domain.vocabulary import Carrier, SimState, Supplier
from app.telemetry import get_logger
from app.usecases.context import Context

log = get_logger("deadlines")

CHUNK = 2_000


async def group_sims(ctx: Context) -> int:
    """Work out the groups of the next SIMs that have none; gives how many."""
    async with ctx.work() as work:
        connection = await work.driver()
        found = {row["id"]: _deadlines_of(row) for row in await lock_without_group(connection, CHUNK)}
        if found:
            await add_groups(connection, {group_of(days): days for days in found.values()})
            await set_groups(connection, {sim_id: group_of(days) for sim_id, days in found.items()})
            await work.commit()
    return len(found)


async def check_groups(ctx: Context) -> int:
    """Compare every SIM's group with what the rules say today; gives how many are to be worked out anew."""
    after = outdated = 0
    while True:
        async with ctx.pool.acquire() as connection:
            rows = await dates_after(connection, after, CHUNK)
            wrong = [row["id"] for row in rows if row["deadline_group"] != group_of(_deadlines_of(row))]
            if wrong:
                await forget_groups(connection, wrong)
        outdated += len(wrong)
        if len(rows) < CHUNK:
            return outdated
        after = rows[-1]["id"]


def _deadlines_of(row: Mapping[str, Any]) -> tuple[Deadline, ...]:
    """The deadlines of a SIM; none of one whose row cannot be read: it keeps no other from having theirs."""
    try:
        return deadlines(_sim_of(row))
    except ValueError:
        log.warning("deadlines.row_unreadable", sim_id=row["id"])
        return ()


def _sim_of(row: Mapping[str, Any]) -> Sim:
    """A SIM with what its deadlines follow from, and nothing else. Raises `ValueError`."""
    carrier = Carrier(row["carrier"])
    return Sim(
        iccid="",
        carrier=carrier,
        terms=Supplier(row["terms"]),
        plan=Plan(id="", carrier=carrier, allowance=0, months=1, test_months=row["plan_test_months"]),
        underlying=SimState(row["underlying"]),
        opened_on=row["opened_on"],
        purchased_on=row["purchased_on"],
        silent_since=row["silent_since"],
        expires_on=row["expires_on"],
        retained_until=row["retained_until"],
        test_months=row["test_months"],
    )
