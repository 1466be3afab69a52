"""Set the reminders of many SIMs at once, in chunks that are each a transaction (RM-1).

Whoever dies on the way leaves SIMs that have the thresholds and SIMs that do not; the same request again changes the
latter alone, and fires nothing twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.db.access import AuditRow
from app.db.reminders import filed_ids, listed_ids, set_thresholds
from app.db.sims.lists import page_ids
from app.db.sims.search import SimFilter
from app.usecases.bulk.selectors import IccidList, MatchingSims, PoolMembers, Selector, UploadedFile, selector_view
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.read import current_cycles

CHUNK = 2_000
"""SIMs changed in one transaction: what else wants one of them waits some tens of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How many SIMs were selected, and how many of them have other thresholds now."""

    selected: int
    changed: int


async def apply_reminders(
    ctx: Context, selector: Selector, thresholds: Mapping[str, Sequence[int] | None], *, actor: AuditRow
) -> Applied:
    """Set thresholds, by `usage_mb` and `expiry_days`, of the selected SIMs; None: they follow the tenant's again.

    What is absent stays. Raises `InvalidArgument`.
    """
    if not thresholds:
        raise InvalidArgument([Fault(pointer="/reminders", code="REQUIRED", detail="usage_mb, expiry_days or both")])
    selected = changed = 0
    async for ids in _chunks(ctx, actor.tenant, selector):
        async with ctx.pool.acquire() as connection:
            changed += await set_thresholds(connection, ids, thresholds, ctx.now())
        selected += len(ids)
    if not selected:
        raise InvalidArgument([Fault(pointer="/selector", code="EMPTY_SELECTION", detail="no SIM is selected")])
    after: dict[str, Any] = {"selector": selector_view(selector), "reminders": dict(thresholds), "sims": selected}
    async with ctx.work() as work:
        await work.access.add_audit([replace(actor, action="reminders.applied", after=after)])
        await work.commit()
    return Applied(selected=selected, changed=changed)


async def _chunks(ctx: Context, tenant: str, selector: Selector) -> AsyncIterator[list[int]]:
    """Row ids of the selected SIMs, in order. Raises `InvalidArgument`."""
    match selector:
        case IccidList():
            async with ctx.pool.acquire() as connection:
                ids = await listed_ids(connection, tenant, selector.iccids)
        case UploadedFile():
            async with ctx.work() as work:
                if await work.bulk_items.file_size(tenant, selector.file_id) is None:
                    fault = Fault(pointer="/selector/file_id", code="UNKNOWN_FILE", detail="no such file")
                    raise InvalidArgument([fault])
            async with ctx.pool.acquire() as connection:
                ids = await filed_ids(connection, tenant, selector.file_id)
        case PoolMembers():
            async for page in _pages(ctx, tenant, SimFilter(pool=selector.pool)):
                yield page
            return
        case MatchingSims():
            async for page in _pages(ctx, tenant, replace(selector.wanted, cycles=current_cycles(ctx))):
                yield page
            return
        case _:
            detail = "iccids, pool, filter, file_id or all"
            raise InvalidArgument([Fault(pointer="/selector", code="UNSUPPORTED", detail=detail)])
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


async def _pages(ctx: Context, tenant: str, wanted: SimFilter) -> AsyncIterator[list[int]]:
    after = 0
    while ids := await page_ids(ctx.reads, tenant, wanted, after=after, limit=CHUNK):
        yield ids
        after = ids[-1]
