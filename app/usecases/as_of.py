"""Read a SIM as it was at an instant, as it was known at another (LC-12; ADR 29)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.db.connection import Connection
from app.db.mapping import SimRecord, sim_columns, sim_from
from app.db.sims import past
from app.domain.sim.past import LateChange, with_late_changes
from app.usecases.context import Context
from app.usecases.errors import BeforeRecords, Fault, InvalidArgument, NotFound

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is read: the state at `as_of`, by all that was known at `known_at`, which is never before it."""

    as_of: datetime
    known_at: datetime

    @property
    def pair(self) -> tuple[datetime, datetime]:
        """Both instants, in this order."""
        return self.as_of, self.known_at


def moment_of(ctx: Context, as_of: datetime | None, known_at: datetime | None) -> Moment | None:
    """The moment that a query names; None: now. Without `as_of` it is `known_at`, without that, now.

    Raises `InvalidArgument` for an instant ahead of the clock, and for knowledge from before what it is of.
    """
    if as_of is None and known_at is None:
        return None
    now = ctx.now()
    moment = Moment(as_of=as_of or known_at or now, known_at=known_at or now)
    faults = [
        Fault(code="AHEAD_OF_NOW", detail="not after the gateway's clock", pointer=f"query:{name}")
        for name, given in (("as_of", as_of), ("known_at", known_at))
        if given is not None and given > now
    ]
    if not faults and moment.known_at < moment.as_of:
        detail = "not before as_of: nothing was known of it then"
        faults = [Fault(code="KNOWN_TOO_EARLY", detail=detail, pointer="query:known_at")]
    if faults:
        raise InvalidArgument(faults)
    return moment


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """A part of a past state that cannot be rebuilt, why, and since when it is kept (None: it never is)."""

    part: str
    reason: str
    since: datetime | None = None


def read_as_of_view(moment: Moment, not_kept: Iterable[NotKept] = ()) -> dict[str, Any]:
    """`read_as_of` of an answer: which state it shows, and what of it is not kept."""
    return {
        "as_of": moment.as_of.isoformat(),
        "known_at": moment.known_at.isoformat(),
        "not_kept": [
            {"part": one.part, "reason": one.reason, "since": one.since.isoformat() if one.since else None}
            for one in not_kept
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSim:
    """A SIM at a moment: as the rules see it, and the columns of its row."""

    record: SimRecord
    row: dict[str, Any]


async def past_sim(ctx: Context, connection: Connection, tenant: str, iccid: str, moment: Moment) -> PastSim:
    """The SIM of a tenant at a moment. Raises `NotFound`, `BeforeRecords`."""
    present = await past.present_sim(connection, tenant, iccid)
    if present is None:
        raise NotFound("sim")
    kept = ctx.retention.past_states_since(ctx.now())
    begins = max(present.created_at, present.kept_since or present.created_at, kept)
    if moment.as_of < begins:
        raise BeforeRecords("sim", begins)
    found = await _known_at(connection, tenant, present, moment.as_of)
    late = await past.late_entries(connection, present.id, *moment.pair)
    changes = [await _late_change(connection, tenant, present, entry) for entry in late]
    sim = with_late_changes(found.record.sim, changes)
    return PastSim(record=replace(found.record, sim=sim), row=found.row | sim_columns(sim))


async def _known_at(connection: Connection, tenant: str, present: past.PresentSim, at: datetime) -> PastSim:
    row = await past.row_known_at(connection, present, at)
    plan = await past.plan_columns(connection, tenant, row["plan"])
    return PastSim(record=sim_from(row | plan), row=row)


async def _late_change(
    connection: Connection, tenant: str, present: past.PresentSim, entry: past.LateEntry
) -> LateChange:
    was = await _known_at(connection, tenant, present, entry.known_at - _INSTANT)
    became = await _known_at(connection, tenant, present, entry.known_at)
    return LateChange(
        what=entry.what, before=entry.before, after=entry.after, was=was.record.sim, became=became.record.sim
    )
