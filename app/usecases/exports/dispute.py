"""The dispute file: every gap of a carrier's cycle with both sides' figures and times, for the carrier (US-6).

It is written while it is downloaded, in chunks of SIMs chosen at the start, so that each SIM comes once and no
transaction is open while the caller takes what there is.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.disputes import evidence as rows
from app.domain.calendar.cycles import Cycle, cycle_number
from app.domain.calendar.days import local
from app.domain.vocabulary import Carrier
from app.usecases.context import Context
from app.usecases.exports.sheets import Cell, open_sheet
from app.usecases.usage.reconciliation import SimGap, explained

MAX_ROWS = 500_000
"""The most gaps in a file, the widest; a spreadsheet holds a million rows."""

CHUNK = 500
"""SIMs read at a time."""

COLUMNS = (
    "iccid",
    "msisdn",
    "account",
    "cycle",
    "cycle_from",
    "cycle_to",
    "carrier_bytes",
    "carrier_as_of",
    "our_bytes",
    "our_last_report_at",
    "our_bytes_whole_cycle",
    "difference_bytes",
    "cause",
    "cause_accounts_for_bytes",
    "cause_hours",
    "cause_share_permille",
    "cause_corrected_at",
    "meters_disagree",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """Which gaps: a tenant's, with a carrier, in a cycle."""

    tenant: str
    carrier: Carrier
    cycle: Cycle


async def dispute_file(ctx: Context, wanted: Dispute, form: str) -> AsyncIterator[bytes]:
    """The parts of the file in a format (`csv`, `xlsx`); amounts in bytes, instants in the account's zone."""
    async with ctx.pool.acquire() as connection:
        of = (wanted.tenant, wanted.carrier, cycle_number(wanted.cycle))
        ids = array("q", await rows.sims_with_gaps(connection, *of, MAX_ROWS))
    sheet = open_sheet(form, COLUMNS)
    try:
        for start in range(0, len(ids), CHUNK):
            gaps = await _chunk(ctx, wanted, ids[start : start + CHUNK])
            await asyncio.to_thread(sheet.add, [_cells(wanted.cycle, gap) for gap in gaps])
            for part in sheet.take():
                yield part
        for part in await asyncio.to_thread(lambda: list(sheet.take(whole=True))):
            yield part
    finally:
        sheet.close()


async def _chunk(ctx: Context, wanted: Dispute, ids: Sequence[int]) -> list[SimGap]:
    async with ctx.pool.acquire() as connection:
        found = await rows.gaps_of(connection, wanted.tenant, list(ids), cycle_number(wanted.cycle))
        return await explained(ctx, connection, wanted.carrier, wanted.cycle, found)


def _cells(cycle: Cycle, one: SimGap) -> list[Cell]:
    gap, found = one.gap, one.explanation

    def at(instant: datetime | None) -> str | None:
        return local(instant, gap.zone).isoformat() if instant else None

    return [
        one.row["iccid"],
        one.row["msisdn"],
        one.row["account"],
        cycle.id,
        at(gap.opens),
        at(gap.closes),
        gap.theirs,
        at(gap.as_of),
        gap.ours,
        at(one.row["reported_at"]),
        one.row["reported"],
        -gap.missing,
        found.cause.value,
        found.accounts_for,
        ";".join(f"{at(window.opens)}/{at(window.closes)}" for window in found.windows) or None,
        found.share_permille,
        at(found.corrected_at),
        "true" if one.row["meters_disagree"] else "false",
    ]
