"""Reconciliation with carriers: gaps between their figures and our sums, widest first, each with a cause (US-6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.db.connection import Connection
from app.db.disputes import evidence as rows
from app.db.usage.figures import CycleSpan
from app.domain.calendar.cycles import (
    Cycle,
    cycle_at,
    cycle_named,
    cycle_number,
    end_instant,
    preceding,
    start_instant,
)
from app.domain.calendar.days import HOME_ZONE
from app.domain.usage.gap_causes import explain, windows
from app.domain.usage.gaps import DayPair, Explanation, Gap, GapEvidence, Replaced, Window
from app.domain.vocabulary import Carrier
from app.usecases.context import Context

RULE = "US-6"

Position = rows.Position


@dataclass(frozen=True, slots=True, kw_only=True)
class SimGap:
    """A SIM's gap with what explains it. `reported`: bytes of all distinct reports of the cycle."""

    row: asyncpg.Record
    gap: Gap
    explanation: Explanation
    reported: Mapping[Window, int]

    @property
    def position(self) -> Position:
        """Its place in the list."""
        return self.row["width"], self.row["sim_id"]


def cycle_to_reconcile(ctx: Context, carrier: Carrier, name: str | None) -> Cycle:
    """The cycle of a name, else the running one. Raises `Malformed`.

    While some account's zone is still in the day before a new cycle, the running one is the cycle that ends.
    """
    if name is not None:
        return cycle_named(carrier, name)
    zones = [ctx.zone(code) for code, account in ctx.accounts.items() if account.carrier is carrier]
    cycles = [cycle_at(carrier, ctx.now(), zone) for zone in zones or [HOME_ZONE]]
    return min(cycles, key=lambda cycle: cycle.start)


async def reconciliation(
    ctx: Context, tenant: str, carrier: Carrier, cycle_id: str | None, *, after: Position | None, limit: int
) -> tuple[dict[str, Any], Position | None]:
    """A page of a carrier's gaps in a cycle, in bytes, and its end where more follow; drift = ours - theirs.

    SIMs without reports and gaps within the band are left out. Raises `Malformed`.
    """
    cycle = cycle_to_reconcile(ctx, carrier, cycle_id)
    number = cycle_number(cycle)
    async with ctx.pool.acquire() as connection:
        found = await rows.page(connection, tenant, carrier, number, after or rows.BEFORE_ALL, limit + 1)
        gaps = await explained(ctx, connection, carrier, cycle, found[:limit])
    shown = {
        "carrier": carrier.value,
        "cycle": cycle.id,
        "band": {"bytes": ctx.gap_band.bytes, "percent": ctx.gap_band.percent},
        "items": [_view(gap) for gap in gaps],
        "assumed": [RULE],
    }
    return shown, gaps[-1].position if len(found) > limit else None


async def explained(
    ctx: Context, connection: Connection, carrier: Carrier, cycle: Cycle, found: Sequence[asyncpg.Record]
) -> list[SimGap]:
    """These gaps with their causes: the evidence of all is read in a few statements."""
    if not found:
        return []
    gaps = {row["sim_id"]: _gap(ctx, cycle, row) for row in found}
    spans = [
        CycleSpan(sim_id=sim_id, cycle=cycle_number(cycle), opens=gap.opens, closes=gap.closes)
        for sim_id, gap in gaps.items()
    ]
    replaced = _replaced(await rows.corrections(connection, list(gaps), cycle_number(cycle)))
    before = await rows.sums_before(connection, list(gaps), cycle_number(preceding(carrier, cycle)))
    days = _days(await rows.days(connection, spans))
    wanted = [
        (sim_id, window)
        for sim_id, gap in gaps.items()
        for window in windows(gap) | {one.of for one in replaced[sim_id] if one.of is not None}
    ]
    sums = await rows.sums(connection, [(sim_id, window.opens, window.closes) for sim_id, window in wanted])
    reported: dict[int, dict[Window, int]] = defaultdict(dict)
    for (sim_id, window), amount in zip(wanted, sums, strict=True):
        reported[sim_id][window] = amount
    return [
        SimGap(
            row=row,
            gap=gaps[sim_id],
            reported=reported[sim_id],
            explanation=explain(
                GapEvidence(
                    gap=gaps[sim_id],
                    now=ctx.now(),
                    reported=reported[sim_id],
                    days=days[sim_id],
                    before=before.get(sim_id),
                    replaced=replaced[sim_id],
                )
            ),
        )
        for row in found
        for sim_id in [row["sim_id"]]
    ]


def _gap(ctx: Context, cycle: Cycle, row: asyncpg.Record) -> Gap:
    zone = ctx.zone(row["account"])
    return Gap(
        ours=row["ours"],
        theirs=row["theirs"],
        opens=start_instant(cycle, zone),
        closes=end_instant(cycle, zone),
        as_of=row["as_of"],
        zone=zone,
    )


def _days(found: Iterable[asyncpg.Record]) -> Mapping[int, list[DayPair]]:
    days: dict[int, list[DayPair]] = defaultdict(list)
    for row in found:
        days[row["sim_id"]].append(DayPair(day=row["day"], ours=int(row["ours"]), theirs=row["theirs"]))
    return days


def _replaced(found: Iterable[asyncpg.Record]) -> Mapping[int, list[Replaced]]:
    replaced: dict[int, list[Replaced]] = defaultdict(list)
    for row in found:
        of = Window(row["starts_at"], row["as_of"]) if row["day"] is not None else None
        replaced[row["sim_id"]].append(Replaced(at=row["at"], used=row["bytes"], former=row["former"], of=of))
    return replaced


def _view(one: SimGap) -> dict[str, Any]:
    gap, found = one.gap, one.explanation
    hours = [
        {"from": window.opens.isoformat(), "to": window.closes.isoformat(), "bytes": one.reported.get(window, 0)}
        for window in found.windows
    ]
    return {
        "iccid": one.row["iccid"],
        "ours": gap.ours,
        "carrier": {"bytes": gap.theirs, "as_of": gap.as_of.isoformat()},
        "drift": -gap.missing,
        "reported": one.row["reported"],
        "cause": found.cause.value,
        "evidence": {
            "accounts_for": found.accounts_for,
            "hours": hours,
            "share_permille": found.share_permille,
            "corrected_at": found.corrected_at.isoformat() if found.corrected_at else None,
        },
        "meters_disagree": one.row["meters_disagree"],
    }
