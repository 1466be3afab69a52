"""Make the entries of a cart's item: one for each SIM selected, or one for a pool or for new SIMs (RN-7)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.db.orders.carts import Filling
from app.db.sims.search import SimFilter, where_of
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import ItemKind
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid, parse_iccid
from app.usecases.bulk.selectors import (
    CHUNK,
    IccidList,
    IccidRange,
    MatchingSims,
    PoolMembers,
    Selector,
    UploadedFile,
    in_range,
    listed,
)
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.read import current_cycles


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller puts into a cart. `given`: as they wrote it, to be shown again; `arguments`: the operation's.

    `of_order`: only SIMs of that order are taken (RN-7).
    """

    kind: ItemKind
    given: Mapping[str, Any]
    iccid: str | None = None
    selector: Selector | None = None
    pool: str | None = None
    quantity: int | None = None
    of_order: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


async def fill(ctx: Context, work: UnitOfWork, filling: Filling, wish: Wish, first: int, *, most: int, at: str) -> int:
    """Make entries after the position `first`, at most one more than `most` of a filter; gives how many.

    Raises `InvalidArgument` with pointers below `at`, `RangeBlocked`, `Malformed`.
    """
    if wish.iccid is not None:
        await _fill_named(work, filling, first, [iccid_of(wish.iccid, at)])
    elif wish.selector is not None:
        await _select(ctx, work, filling, wish, first, most=most, at=at)
    else:
        await work.carts.add_entry(filling, first + 1, pool=wish.pool, quantity=wish.quantity)
    return await work.carts.last_position(filling.cart.id) - first


def iccid_of(given: str, at: str) -> str:
    """The ICCID that an item names. Raises `InvalidArgument` with a pointer below `at`."""
    try:
        return parse_iccid(given)
    except Malformed as wrong:
        raise InvalidArgument([Fault(pointer=f"{at}/iccid", code=wrong.code, detail=wrong.detail)]) from None


async def _select(
    ctx: Context, work: UnitOfWork, filling: Filling, wish: Wish, first: int, *, most: int, at: str
) -> None:
    selector, tenant = wish.selector, filling.cart.tenant
    match selector:
        case IccidList():
            await _fill_named(work, filling, first, (await asyncio.to_thread(listed, selector.iccids))[: most + 1])
        case IccidRange():
            await _fill_named(work, filling, first, await in_range(work, tenant, selector, activates=False))
        case PoolMembers():
            where, arguments = where_of(tenant, SimFilter(pool=selector.pool))
            await work.carts.fill_found(filling, first, where, arguments, most + 1)
        case MatchingSims():
            where, arguments = where_of(tenant, replace(selector.wanted, cycles=current_cycles(ctx)))
            await work.carts.fill_found(filling, first, where, arguments, most + 1)
        case UploadedFile():
            rows = await work.bulk_items.file_size(tenant, selector.file_id)
            if rows is None:
                fault = Fault(pointer=f"{at}/selector/file_id", code="UNKNOWN_FILE", detail="no such file")
                raise InvalidArgument([fault])
            if rows > most:
                fault = Fault(pointer=f"{at}/selector/file_id", code="TOO_MANY_ITEMS", detail=f"at most {most} lines")
                raise InvalidArgument([fault])
            await work.carts.fill_filed(filling, first, selector.file_id)
        case _:
            raise AssertionError("no such selector")


async def _fill_named(work: UnitOfWork, filling: Filling, first: int, iccids: Sequence[str]) -> None:
    for start in range(0, len(iccids), CHUNK):
        part = iccids[start : start + CHUNK]
        await work.carts.fill_listed(filling, first + start, part, [alternate_iccid(iccid) for iccid in part])
