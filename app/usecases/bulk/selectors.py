"""Select the SIMs of a bulk operation (AC-1 to AC-3): a list, a number range, a pool, a filter or a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import UUID

from app.db.bulk.repository import BulkRecord
from app.db.sims.search import SimFilter, where_of
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid
from app.domain.sim.number_ranges import RangeRejection, number_of, parse_typed_list, select_range
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.vocabulary import OperationKind, SimState
from app.usecases.context import Context
from app.usecases.csv_files import MAX_FAULTS
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.read import current_cycles

CHUNK = 2_000


class RangeBlocked(InvalidArgument):
    """A range is accepted or rejected as a whole (AC-2); the faults name the SIMs that prevent it."""

    code = "RULE_VIOLATION"

    def __init__(self, refused: RangeRejection) -> None:
        faults = [
            Fault(pointer="/selector/range", code=f"CARD_{why.upper()}", detail=iccid)
            for iccid, why in refused.obstacles
        ]
        super().__init__(faults, "some SIMs of the range cannot be taken")
        self.facts = {"rule": refused.rule, "count": refused.count}


@dataclass(frozen=True, slots=True, kw_only=True)
class IccidList:
    """SIMs listed one by one."""

    iccids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IccidRange:
    """SIMs by number, both ends included; `pool`: only its members."""

    start: str
    end: str
    pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMembers:
    """Every member of a pool; for an activation, those not yet activated."""

    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingSims:
    """SIMs that a filter of `GET /v1/sims` matches; `query` is the filter as given."""

    wanted: SimFilter
    query: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """SIMs named in an uploaded file."""

    file_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItems:
    """SIMs whose items failed in an earlier bulk operation of the tenant."""

    bulk_id: UUID


Selector = IccidList | IccidRange | PoolMembers | MatchingSims | UploadedFile | FailedItems


def selector_view(selector: Selector) -> dict[str, Any]:
    """The selector as JSON; a list is shown by its length."""
    match selector:
        case IccidList():
            return {"iccids": len(selector.iccids)}
        case IccidRange():
            return {"range": {"start": selector.start, "end": selector.end, "pool": selector.pool}}
        case PoolMembers():
            return {"pool": selector.pool}
        case MatchingSims():
            return {"filter": selector.query} if selector.query else {"all": True}
        case UploadedFile():
            return {"file_id": str(selector.file_id)}
        case FailedItems():
            return {"failed_of": str(selector.bulk_id)}


async def add_items(ctx: Context, work: UnitOfWork, bulk: BulkRecord, selector: Selector) -> None:
    """Store the items that a selector yields. Raises `InvalidArgument`, `RangeBlocked`."""
    match selector:
        case IccidList():
            await _fill_named(work, bulk, await asyncio.to_thread(listed, selector.iccids))
        case IccidRange():
            await _fill_named(
                work, bulk, await in_range(work, bulk.tenant, selector, activates=bulk.kind == OperationKind.ACTIVATE)
            )
        case PoolMembers():
            states = sorted(NOT_YET_ACTIVATED) if bulk.kind == OperationKind.ACTIVATE else None
            where, arguments = where_of(bulk.tenant, SimFilter(pool=selector.pool))
            await work.bulk_items.fill_found(bulk, where, arguments, underlying=states)
        case MatchingSims():
            where, arguments = where_of(bulk.tenant, replace(selector.wanted, cycles=current_cycles(ctx)))
            await work.bulk_items.fill_found(bulk, where, arguments)
        case UploadedFile():
            if await work.bulk_items.file_size(bulk.tenant, selector.file_id) is None:
                raise InvalidArgument([Fault(pointer="/selector/file_id", code="UNKNOWN_FILE", detail="no such file")])
            await work.bulk_items.fill_filed(bulk, selector.file_id)
        case FailedItems():
            await work.bulk_items.fill_failed(bulk, selector.bulk_id)


def listed(iccids: Sequence[str]) -> tuple[str, ...]:
    """The listed ICCIDs, each once. Raises `InvalidArgument` with the positions of the first bad entries (AC-2)."""
    try:
        return parse_typed_list(iccids)
    except Malformed:
        faults = (fault for index, text in enumerate(iccids) if (fault := _fault(index, text)) is not None)
        raise InvalidArgument(list(islice(faults, MAX_FAULTS))) from None


def _fault(index: int, text: str) -> Fault | None:
    try:
        parse_typed_list([text])
    except Malformed as wrong:
        return Fault(pointer=f"/selector/iccids/{index}", code=wrong.code, detail=wrong.detail)
    return None


async def in_range(work: UnitOfWork, tenant: str, wanted: IccidRange, *, activates: bool) -> tuple[str, ...]:
    """The ICCIDs of a range (AC-2). That none may be active is required for an activation only.

    Raises `RangeBlocked`, `Malformed`.
    """
    typed = parse_typed_list([wanted.start, wanted.end])
    first, last = number_of(typed[0]), number_of(typed[-1])
    found = await work.bulk_items.states_between(tenant, wanted.pool, first, last)
    members = {iccid: SimState(state) if activates else SimState.INVENTORY for iccid, state in found.items()}
    taken = select_range(wanted.start, wanted.end, members)
    if isinstance(taken, RangeRejection):
        raise RangeBlocked(taken)
    return taken.iccids


async def _fill_named(work: UnitOfWork, bulk: BulkRecord, iccids: Sequence[str]) -> None:
    for start in range(0, len(iccids), CHUNK):
        part = iccids[start : start + CHUNK]
        await work.bulk_items.fill_listed(bulk, start, part, [alternate_iccid(iccid) for iccid in part])
