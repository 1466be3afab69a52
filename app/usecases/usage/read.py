"""Usage as callers read it: by day, cycle and report, reconciled with carriers, and unmatched reports (US)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from app.db.connection import Connection
from app.db.mapping import SimRecord
from app.db.sims.past import allowance_at
from app.db.usage import allowances, past, unmatched
from app.db.usage import counters as rows
from app.domain.calendar.cycles import (
    CYCLES_KEPT,
    Cycle,
    cycle_at,
    cycle_named,
    cycle_number,
    cycle_on,
    end_instant,
    following,
    oldest_cycle,
    start_instant,
)
from app.domain.calendar.days import ONE_DAY, day_named, local, start_of_day
from app.domain.errors import Malformed
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.usage.figures import CarrierFigure, day_usage
from app.domain.vocabulary import Carrier
from app.usecases.as_of import Moment, past_sim
from app.usecases.context import Context
from app.usecases.errors import BeforeRecords, Fault, InvalidArgument, NotFound
from app.usecases.usage.ingest.reports import MAX_AHEAD
from app.usecases.usage.views import shows_used, usage_view

GRANULARITIES = ("day", "cycle", "report")
MAX_DAYS = 190


async def card_usage(
    ctx: Context,
    tenant: str,
    iccid: str,
    granularity: str,
    span: tuple[str | None, str | None],
    moment: Moment | None = None,
) -> dict[str, Any]:
    """A SIM's usage by day (of this and the last cycle by default) or by cycle (six), in bytes, now or at a moment.

    Raises `NotFound`, `InvalidArgument`, `Malformed`, `BeforeRecords`.
    """
    show = {"day": _days, "cycle": _cycles}.get(granularity)
    if show is None:
        detail = f"one of {', '.join(GRANULARITIES)}"
        raise InvalidArgument([Fault(code="UNKNOWN_WORD", detail=detail, pointer="query:granularity")])
    record = await _card(ctx, tenant, iccid, moment)
    items = await show(ctx, record, *span, moment)
    return {"iccid": record.sim.iccid, "granularity": granularity, "items": items}


async def _card(ctx: Context, tenant: str, iccid: str, moment: Moment | None) -> SimRecord:
    if moment is not None:
        return await _past_card(ctx, tenant, iccid, moment)
    async with ctx.work() as work:
        record = await work.sims.get(tenant, iccid)
    if record is None:
        raise NotFound("sim")
    return record


async def _past_card(ctx: Context, tenant: str, iccid: str, moment: Moment) -> SimRecord:
    """The SIM at a moment of which reports are kept. Raises `NotFound`, `BeforeRecords`."""
    async with ctx.pool.acquire() as connection:
        record = (await past_sim(ctx, connection, tenant, iccid, moment)).record
    zone = ctx.zone(record.account)
    oldest = start_instant(oldest_cycle(record.sim.carrier, ctx.now(), zone, ctx.retention.report_cycles), zone)
    if moment.as_of < oldest:
        raise BeforeRecords("usage", oldest)
    return record


async def _cycles(
    ctx: Context, record: SimRecord, first: str | None, last: str | None, moment: Moment | None
) -> list[dict[str, Any]]:
    carrier, now = record.sim.carrier, _running(ctx, record, moment)
    reported = CYCLES_KEPT if moment is None else ctx.retention.report_cycles  # the past is counted from reports
    oldest = oldest_cycle(carrier, ctx.now(), ctx.zone(record.account), reported)
    start = _cycle_of(carrier, first, oldest, "from")
    end = _cycle_of(carrier, last, now, "to")
    shown: list[Cycle] = []
    cycle = max(start, oldest, key=lambda c: c.start)
    while cycle.start <= min(end, now, key=lambda c: c.start).start:
        shown.append(cycle)
        cycle = following(carrier, cycle)
    zone = ctx.zone(record.account)
    async with ctx.pool.acquire() as connection:
        ends = {cycle_number(cycle): end_instant(cycle, zone) for cycle in shown}
        allowed = await allowances.held_in(connection, record.id, ends)
        if moment is None:
            found = await rows.cycles_of(connection, record.id, cycle_number(start), cycle_number(end))
            kept: Mapping[int, Mapping[str, Any]] = {row["cycle"]: row for row in found}
        else:
            kept = await counters_at(ctx, connection, record, shown, moment)
            allowance = await allowance_at(connection, record.tenant, record.sim.plan.id, moment.as_of)
            allowed |= {cycle_number(now): allowance}
    return [
        _cycle_shown(record, cycle, kept.get(cycle_number(cycle)), allowed.get(cycle_number(cycle)))
        | {"closed": cycle.start < now.start}
        for cycle in shown
    ]


async def counters_at(
    ctx: Context, connection: Connection, record: SimRecord, cycles: Iterable[Cycle], moment: Moment
) -> dict[int, Mapping[str, Any]]:
    """The counters of a SIM's cycles at a moment by cycle (yyyymm); `record`: the SIM at that moment."""
    zone, activated = ctx.zone(record.account), record.sim.underlying not in NOT_YET_ACTIVATED
    wanted = [
        past.PastCycle(
            sim_id=record.id,
            cycle=cycle_number(cycle),
            opens=start_instant(cycle, zone),
            closes=end_instant(cycle, zone),
            activated=activated,
        )
        for cycle in cycles
    ]
    found = await past.counters_at(connection, wanted, moment.pair)
    return {cycle: row for (_, cycle), row in found.items()}


def _running(ctx: Context, record: SimRecord, moment: Moment | None) -> Cycle:
    """The cycle a SIM is in now or at a moment, by the zone of its account."""
    return cycle_at(record.sim.carrier, moment.as_of if moment else ctx.now(), ctx.zone(record.account))


def _cycle_shown(
    record: SimRecord, cycle: Cycle, counters: Mapping[str, Any] | None, allowance: int | None
) -> dict[str, Any]:
    """A cycle with the allowance that applied to it, whatever the plan is now."""
    sim = record.sim
    card = {"underlying": sim.underlying.value, "activated_on": sim.activated_on, "allowance": allowance}
    named = {"id": cycle.id, "start": cycle.start.isoformat(), "end": cycle.end.isoformat()}
    return usage_view(counters, card, named)


def _cycle_of(carrier: Carrier, given: str | None, default: Cycle, name: str) -> Cycle:
    """A cycle given as YYYY-MM, or as a day within it."""
    if given is None:
        return default
    try:
        return cycle_named(carrier, given) if len(given) == len("YYYY-MM") else cycle_on(carrier, _day(given, name))
    except Malformed:
        raise _wrong(name, "YYYY-MM or YYYY-MM-DD") from None


def _day(given: str, name: str) -> date:
    try:
        return day_named(given)
    except ValueError:
        raise _wrong(name, "YYYY-MM-DD") from None


def _wrong(name: str, detail: str) -> InvalidArgument:
    return InvalidArgument([Fault(code="DAY_MALFORMED", detail=detail, pointer=f"query:{name}")])


async def _days(
    ctx: Context, record: SimRecord, first: str | None, last: str | None, moment: Moment | None
) -> list[dict[str, Any]]:
    zone, carrier = ctx.zone(record.account), record.sim.carrier
    at = moment.as_of if moment else ctx.now()
    today = local(at, zone).date()
    now = _running(ctx, record, moment)
    start = _day(first, "from") if first is not None else cycle_on(carrier, now.start - ONE_DAY).start
    ahead = local(at + MAX_AHEAD, zone).date()  # a report may lie so far ahead, over midnight
    end = min(_day(last, "to"), ahead) if last is not None else today
    oldest = oldest_cycle(carrier, ctx.now(), zone, ctx.retention.report_cycles)
    start = max(start, oldest.start, end - timedelta(days=MAX_DAYS))
    wanted = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    cycles = {day: cycle_on(carrier, day) for day in wanted}
    opens, closes = start_of_day(start, zone), start_of_day(end + ONE_DAY, zone)
    async with ctx.pool.acquire() as connection:
        if moment is None:
            reported: Mapping[date, Mapping[str, Any]] = await rows.days_of(
                connection, record.id, opens, closes, str(zone)
            )
            figures = await rows.carrier_days(connection, record.id, start, end)
        else:
            reported = await past.days_at(connection, record.id, (opens, closes), str(zone), moment.pair)
            numbers = sorted({cycle_number(cycle) for cycle in cycles.values()})
            figures = await past.carrier_days_at(connection, record.id, (start, end), numbers, moment.pair)
    shows = shows_used(record.sim.underlying.value, record.sim.activated_on)
    return [_day_shown(day, reported.get(day), figures.get(day), cycle, shows=shows) for day, cycle in cycles.items()]


def _day_shown(
    day: date, reports: Mapping[str, Any] | None, figure: CarrierFigure | None, cycle: Cycle, *, shows: bool
) -> dict[str, Any]:
    """A day's usage (US-5) as of the carrier's figure for it, else of the last of its reports."""
    reported = reports["bytes"] if reports else 0
    as_of = figure.as_of if figure else reports["as_of"] if reports else None
    return {
        "day": day.isoformat(),
        "cycle": cycle.id,
        "used": day_usage(figure, reported) if shows else None,
        "source": "carrier" if figure else "gateway_report",
        "as_of": as_of.isoformat() if as_of else None,
        "carrier": {"bytes": figure.used, "as_of": figure.as_of.isoformat()} if figure else None,
        "reported": reported,
    }


async def card_reports(
    ctx: Context,
    tenant: str,
    iccid: str,
    first: str | None,
    last: str | None,
    *,
    after: rows.ReportPosition | None,
    limit: int,
    moment: Moment | None = None,
) -> tuple[dict[str, Any], rows.ReportPosition | None]:
    """A page of the distinct reports of a day, by default today (US-1), and its end where more follow.

    Raises `NotFound`, `InvalidArgument`, `BeforeRecords`.
    """
    record = await _card(ctx, tenant, iccid, moment)
    zone = ctx.zone(record.account)
    start = _day(first, "from") if first is not None else local(moment.as_of if moment else ctx.now(), zone).date()
    end = _day(last, "to") if last is not None else start
    opens, closes = start_of_day(start, zone), start_of_day(end + ONE_DAY, zone)
    position = min(max(after or rows.ReportPosition(opens), rows.ReportPosition(opens)), rows.ReportPosition(closes))
    async with ctx.pool.acquire() as connection:
        if moment is None:
            found: Sequence[Mapping[str, Any]] = await rows.reports_of(
                connection, record.id, position, closes, limit + 1
            )
        else:
            found = await past.reports_at(connection, record.id, position, closes, limit + 1, moment.pair)
    items = [
        {"gateway": row["name"], "id": row["report_id"], "at": row["at"].isoformat(), "bytes": row["bytes"]}
        for row in found[:limit]
    ]
    end_of_page = found[limit - 1] if len(found) > limit else None
    answer = {"iccid": record.sim.iccid, "granularity": "report", "items": items}
    if end_of_page is None:
        return answer, None
    return answer, rows.ReportPosition(end_of_page["at"], end_of_page["gateway"], end_of_page["report_id"])


async def unmatched_reports(
    ctx: Context, tenant: str, *, after: int, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of the reports of ICCIDs the tenant does not have, and its end where more follow."""
    async with ctx.pool.acquire() as connection:
        found = await unmatched.page(connection, tenant, after, limit + 1)
    items = [
        {
            "iccid": row["iccid"],
            "gateway": row["gateway"],
            "id": row["report_id"],
            "at": row["at"].isoformat(),
            "bytes": row["bytes"],
            "received_at": row["received_at"].isoformat(),
        }
        for row in found[:limit]
    ]
    return items, found[limit - 1]["id"] if len(found) > limit else None
