"""Read, list, count, update and delete SIMs, and read their timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from app.db.access import AuditRow
from app.db.mapping import SimRecord
from app.db.sims.lists import page_ids
from app.db.sims.read import fetch_sim, fetch_sims
from app.db.sims.search import SUMMARIES, SimFilter
from app.db.sims.summaries import count, summary
from app.db.uow import UnitOfWork
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.domain.calendar.days import HOME_ZONE
from app.domain.errors import Malformed
from app.domain.vocabulary import Carrier
from app.usecases.access import DEFAULT_TENANT
from app.usecases.as_of import Moment
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound, VersionConflict
from app.usecases.sim_changes import queue_limit_checks
from app.usecases.sims.views import days_at, running_periods, sim_view
from app.usecases.usage.ingest.unmatched import detach_reports

PATCHABLE = ("tags", "device_serial", "alias", "remark", "reminders")


def account_zones(ctx: Context) -> dict[str, ZoneInfo]:
    """The zone of every account."""
    return {code: ctx.zone(code) for code in ctx.accounts}


async def get_sim(ctx: Context, tenant: str, iccid: str) -> dict[str, Any]:
    """One SIM as a JSON object (`docs/api.md`). Raises `NotFound`."""
    zones = account_zones(ctx)
    days = days_at(ctx.now(), zones)
    row = await fetch_sim(ctx.reads, tenant, iccid, running_periods(days, zones))
    if row is None:
        raise NotFound("sim")
    return sim_view(row, days, zones)


async def example_silent_iccid(ctx: Context) -> str | None:
    """The ICCID of a SIM that may be activated, for the welcome text of a sandbox."""
    items, _, _ = await list_sims(ctx, DEFAULT_TENANT, SimFilter(state="silent"), after=0, limit=1, total=False)
    return str(items[0]["iccid"]) if items else None


async def list_sims(
    ctx: Context, tenant: str, wanted: SimFilter, *, after: int, limit: int, total: bool
) -> tuple[list[dict[str, Any]], int | None, int | None]:
    """A page of SIMs, the row id to continue after (None on the last page), and the total if `total`."""
    filtered = replace(wanted, cycles=current_cycles(ctx))
    ids = await page_ids(ctx.reads, tenant, filtered, after=after, limit=limit + 1)
    page = ids[:limit]
    zones = account_zones(ctx)
    days = days_at(ctx.now(), zones)
    rows = await fetch_sims(ctx.reads, tenant, page, running_periods(days, zones)) if page else []
    items = [sim_view(row, days, zones) for row in rows]
    how_many = await count(ctx.pool, tenant, filtered) if total else None
    return items, page[-1] if len(ids) > limit else None, how_many


def current_cycles(ctx: Context) -> dict[str, int]:
    """The number (yyyymm) of the current cycle of each carrier, in the zone of its first account."""
    zones = {account.carrier: ctx.zone(code) for code, account in reversed(list(ctx.accounts.items()))}
    return {c.value: cycle_number(cycle_at(c, ctx.now(), zones.get(c, HOME_ZONE))) for c in Carrier}


async def summarize(ctx: Context, tenant: str, wanted: SimFilter, by: list[str]) -> list[dict[str, Any]]:
    """Counts of SIMs grouped by columns. Raises `InvalidArgument`."""
    unknown = [name for name in by if name not in SUMMARIES]
    if unknown or not by or len(set(by)) != len(by):
        detail = f"some of {', '.join(SUMMARIES)}, each once"
        raise InvalidArgument([Fault(code="UNKNOWN_WORD", detail=detail, pointer="query:by")])
    return await summary(ctx.pool, tenant, replace(wanted, cycles=current_cycles(ctx)), by)


async def patch_sim(
    ctx: Context, iccid: str, changes: Mapping[str, Any], *, version: int | None, actor: AuditRow
) -> dict[str, Any]:
    """Update the columns that callers may change; returns the SIM after it.

    `version`: the row version that the caller has read. Raises: `NotFound`, `VersionConflict`, `InvalidArgument`.
    """
    columns = _patch_columns(changes)
    async with ctx.work() as work:
        # Under the SIM's lock: of two patches with one If-Match the second finds the version that the first has made.
        record = await _locked(work, actor.tenant, iccid)
        if version is not None and version != record.version:
            raise VersionConflict("the card has changed since", version=record.version)
        await work.sims.patch(record.id, columns, ctx.now())
        if "reminders" in columns:
            await queue_limit_checks(work, [record.id])
        await work.access.add_audit([replace(actor, action="sim.patched", subject=record.sim.iccid, after=columns)])
        await work.commit()
    return await get_sim(ctx, actor.tenant, iccid)


def _patch_columns(changes: Mapping[str, Any]) -> dict[str, Any]:
    faults = [
        Fault(code="UNKNOWN_FIELD", detail=f"one of {', '.join(PATCHABLE)}", pointer=f"/{name}")
        for name in changes
        if name not in PATCHABLE
    ]
    for name in ("device_serial", "alias", "remark"):
        value = changes.get(name)
        if not (value is None or (isinstance(value, str) and len(value) <= 200)):  # noqa: PLR2004
            faults.append(Fault(code="TEXT_UNUSABLE", detail="at most 200 characters, or null", pointer=f"/{name}"))
    tags = changes.get("tags", {})
    if not isinstance(tags, dict) or not all(isinstance(v, str) and k for k, v in tags.items()):
        faults.append(Fault(code="TAGS_MALFORMED", detail="an object of texts", pointer="/tags"))
    if faults:
        raise InvalidArgument(faults)
    return dict(changes) | ({"reminders": _reminders(changes["reminders"])} if "reminders" in changes else {})


def _reminders(value: Any) -> dict[str, list[int]]:
    """RM-1: at most two usage thresholds (MB) and two expiry thresholds (days); 0 is off."""
    known = {"usage_mb", "expiry_days"}
    if not isinstance(value, dict) or not set(value) <= known:
        raise Malformed("REMINDERS_MALFORMED", "usage_mb and expiry_days, two whole numbers each")
    for numbers in value.values():
        right = isinstance(numbers, list) and len(numbers) <= 2  # noqa: PLR2004
        if not right or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers):
            raise Malformed("REMINDERS_MALFORMED", "usage_mb and expiry_days, two whole numbers each")
    return value


async def delete_sim(ctx: Context, iccid: str, *, actor: AuditRow) -> None:
    """Delete a SIM imported by mistake; its timeline stays. Raises `NotFound`, `Conflict` with an open operation."""
    async with ctx.work() as work:
        # Under the SIM's lock no operation can be opened on it before it is gone (OP-4).
        record = await _locked(work, actor.tenant, iccid)
        if open_operation := await work.operations.open_on(record.id):
            due_at = open_operation.due_at.isoformat() if open_operation.due_at else None
            facts = {"operation": str(open_operation.id), "due_at": due_at}
            raise Conflict("OPERATION_IN_PROGRESS", "an operation on this SIM is open", **facts)
        await detach_reports(ctx, work, record)
        await work.sims.delete(record.id)
        await work.access.add_audit([replace(actor, action="sim.deleted", subject=record.sim.iccid)])
        await work.commit()


async def timeline(
    ctx: Context, tenant: str, iccid: str, *, before: int | None, limit: int, moment: Moment | None = None
) -> list[dict[str, Any]]:
    """A SIM's timeline, newest first (LC-12), or what of it had happened at a moment. Raises `NotFound`."""
    async with ctx.work() as work:
        record = await work.sims.get(tenant, iccid)
        if record is None:
            raise NotFound("sim")
        return await work.events.timeline(
            record.id, before_id=before, limit=limit, moment=moment.pair if moment else None
        )


async def _locked(work: UnitOfWork, tenant: str, iccid: str) -> SimRecord:
    record = await work.sims.get(tenant, iccid, for_update=True)
    if record is None:
        raise NotFound("sim")
    return record
