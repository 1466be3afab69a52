"""Explain a SIM as it was at a moment, by what was known at another (LC-12, DG; ADR 29).

Prices, plans and the lists of directed targets are those of now: what they were is not kept, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.sims import past
from app.db.usage.past import used_before
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, oldest_cycle
from app.domain.calendar.days import local, start_of_day
from app.usecases.as_of import Moment, NotKept, PastSim, past_sim
from app.usecases.context import Context
from app.usecases.pools.past import pool_remaining_at
from app.usecases.sims.explain import Explanation, ExplanationFacts, exhausted_pool, explained
from app.usecases.sims.past import usage_not_kept
from app.usecases.usage.read import counters_at

PRICES = NotKept(part="recovery.cost_fen", reason="prices_of_now")
DIRECTED = NotKept(part="checklists.directed", reason="lists_not_kept")
PAID_RENEWAL = NotKept(part="renewal", reason="orders_not_kept")
"""What is never kept: the catalogue's former prices, directed lists as they were, and orders paid but not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastExplanation:
    """An explanation of a moment, and what of it could not be rebuilt."""

    explanation: Explanation
    not_kept: tuple[NotKept, ...]


async def explain_at(
    ctx: Context, tenant: str, iccid: str, device: Mapping[str, Any], moment: Moment
) -> PastExplanation:
    """Explain a SIM as it was at a moment. Raises `NotFound`, `BeforeRecords`."""
    async with ctx.pool.acquire() as connection:
        found = await past_sim(ctx, connection, tenant, iccid, moment)
        pool = exhausted_pool(found.record)
        facts = ExplanationFacts(
            at=moment.as_of,
            record=found.record,
            row=await _row(ctx, connection, found, moment),
            pool_remaining=None if pool is None else await pool_remaining_at(ctx, connection, tenant, pool, moment),
        )
    return PastExplanation(explanation=explained(ctx, facts, device), not_kept=_not_kept(ctx, found, moment))


async def _row(ctx: Context, connection: Connection, found: PastSim, moment: Moment) -> dict[str, Any]:
    """The columns of an `ExplainedRow` beside the SIM's, as they were."""
    record, zone = found.record, ctx.zone(found.record.account)
    month = start_of_day(local(moment.as_of, zone).date().replace(day=1), zone)
    # Only a stopped SIM's remedies cost anything.
    packs = await past.packs_of(connection, record.tenant) if record.sim.holds else None
    return {
        **found.row,
        **await _usage(ctx, connection, record, moment),
        **await past.open_columns_at(connection, record.id, moment.as_of),
        "rebinds": await past.rebinds_between(connection, record.id, month, moment.as_of),
        "renewals": await past.renewals_until(connection, record.id, moment.as_of),
        "packs": packs,
        "paid_renewal": None,
        "directed": None,
    }


async def _usage(ctx: Context, connection: Connection, record: SimRecord, moment: Moment) -> dict[str, Any]:
    """`used` (bytes; None: no counters of the cycle), `addons` and `ever_used`."""
    cycle = _cycle(ctx, record, moment)
    counters = await counters_at(ctx, connection, record, [cycle], moment)
    row = None if cycle.start < _oldest(ctx, record).start else counters.get(cycle_number(cycle))
    used_then = row is not None and (row["figures"] or 0) > 0
    return {
        "used": None if row is None else max((row["figures"] or 0) + row["reported_since"] - row["tested"], 0),
        "addons": row["addons"] if row else 0,
        "ever_used": used_then or await used_before(connection, record.id, cycle_number(cycle), moment.pair),
    }


def _not_kept(ctx: Context, found: PastSim, moment: Moment) -> tuple[NotKept, ...]:
    record, oldest = found.record, _oldest(ctx, found.record)
    parts = [PAID_RENEWAL]
    if record.sim.holds:
        parts.append(PRICES)
    if found.row["order_id"] is not None:
        parts.append(DIRECTED)
    if _cycle(ctx, record, moment).start < oldest.start:
        parts.append(usage_not_kept(start_of_day(oldest.start, ctx.zone(record.account))))
    return tuple(parts)


def _cycle(ctx: Context, record: SimRecord, moment: Moment) -> Cycle:
    return cycle_at(record.sim.carrier, moment.as_of, ctx.zone(record.account))


def _oldest(ctx: Context, record: SimRecord) -> Cycle:
    return oldest_cycle(record.sim.carrier, ctx.now(), ctx.zone(record.account), ctx.retention.report_cycles)
