"""Which cards a bulk operation is for (AC-1 to AC-3): a typed list, a number range, a pool, a filter, a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.read import current_cycles

CHUNK = 2_000


class RangeBlocked(InvalidArgument):
    """A range is taken whole or refused whole (AC-2); says which cards are in the way."""

    code = "RULE_VIOLATION"

    def __init__(self, refused: RangeRejection) -> None:
        faults = [
            Fault(pointer="/selector/range", code=f"CARD_{why.upper()}", detail=iccid)
            for iccid, why in refused.obstacles
        ]
        super().__init__(faults, "cards of the range are in the way")
        self.facts = {"rule": refused.rule, "count": refused.count}


@dataclass(frozen=True, slots=True, kw_only=True)
class IccidList:
    """Cards typed one by one, digits only."""

    iccids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IccidRange:
    """Cards by number, both ends included; within a pool where one is named."""

    start: str
    end: str
    pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMembers:
    """Every card of a pool; to activate, those not yet active."""

    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingSims:
    """The cards that the list of cards would show; `query` is the filter as it was asked."""

    wanted: SimFilter
    query: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """The cards named in an uploaded file."""

    file_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItems:
    """What failed in an earlier bulk operation of the same tenant."""

    bulk_id: UUID


Selector = IccidList | IccidRange | PoolMembers | MatchingSims | UploadedFile | FailedItems


def selector_view(selector: Selector) -> dict[str, Any]:
    """The selector as callers see it again; a typed list as how many it named."""
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
    """Make the items of a bulk operation. Raises `InvalidArgument`, `RangeBlocked`."""
    match selector:
        case IccidList():
            await _fill_named(work, bulk, await asyncio.to_thread(_typed, selector.iccids))
        case IccidRange():
            await _fill_named(work, bulk, await _ranged(work, bulk, selector))
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


def _typed(iccids: Sequence[str]) -> tuple[str, ...]:
    """The list, each card once; every entry that cannot be one is told (AC-2)."""
    try:
        return parse_typed_list(iccids)
    except Malformed:
        faults = [fault for index, text in enumerate(iccids) if (fault := _fault(index, text)) is not None]
        raise InvalidArgument(faults[:1_000]) from None


def _fault(index: int, text: str) -> Fault | None:
    try:
        parse_typed_list([text])
    except Malformed as wrong:
        return Fault(pointer=f"/selector/iccids/{index}", code=wrong.code, detail=wrong.detail)
    return None


async def _ranged(work: UnitOfWork, bulk: BulkRecord, wanted: IccidRange) -> tuple[str, ...]:
    """AC-2. That the cards must not be active is asked where they are to be activated."""
    typed = parse_typed_list([wanted.start, wanted.end])
    first, last = number_of(typed[0]), number_of(typed[-1])
    found = await work.bulk_items.states_between(bulk.tenant, wanted.pool, first, last)
    activates = bulk.kind == OperationKind.ACTIVATE
    members = {iccid: SimState(state) if activates else SimState.INVENTORY for iccid, state in found.items()}
    taken = select_range(wanted.start, wanted.end, members)
    if isinstance(taken, RangeRejection):
        raise RangeBlocked(taken)
    return taken.iccids


async def _fill_named(work: UnitOfWork, bulk: BulkRecord, iccids: Sequence[str]) -> None:
    for start in range(0, len(iccids), CHUNK):
        part = iccids[start : start + CHUNK]
        await work.bulk_items.fill_listed(bulk, start, part, [alternate_iccid(iccid) for iccid in part])
