"""Begin the items of paid orders, and end orders whose items have ended: a background loop, a chunk per transaction.

The row lock on an order decides which worker advances it; a worker that dies leaves nothing behind. Windows are judged
at the instant of the payment, whenever the loop gets to an item (RN-1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db.mapping import OperationRecord, SimRecord
from app.db.orders.items import ItemBegun, OrderItemRecord
from app.db.orders.orders import OrderRecord, PaymentRecord
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import OPERATION_OF, ItemKind
from app.domain.errors import Malformed
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.vocabulary import OperationSource
from app.usecases.context import Context
from app.usecases.errors import Conflict, NotFound
from app.usecases.operations.request_many import BULK_PRIORITY, RequestMany, evaluate_many, request_many
from app.usecases.orders.finish import finish
from app.usecases.orders.refusals import UNKNOWN, refusal_json
from app.usecases.pools.manage import Actor, add_pool_addon
from app.usecases.quarantine import SubjectKind, Task, handle_isolated, is_of_data, set_aside
from app.usecases.sims.renewing import renewal_end

ACTOR = "orders"

CHUNK = 500
"""Items begun in one transaction."""

_WINDOW_RULES = frozenset({"RN-1", "RN-2", "RN-3"})

Outcome = OperationRecord | Refusal | Malformed


async def advance_orders(ctx: Context, *, chunk: int = CHUNK) -> int:
    """Advance the order that waited longest; gives how many items and orders changed.

    Safe in any number of processes. A SIM whose item cannot be handled is set aside, and its item waits; an order that
    cannot be advanced for another reason is set aside as a whole.
    """
    chosen: list[OrderRecord] = []
    try:
        return await _advance(ctx, chunk, chosen)
    except Exception as error:
        if not chosen or not is_of_data(error):
            raise
        if not await _sims_set_aside(ctx, chosen[0], chunk):
            await set_aside(ctx, Task.ORDERS, SubjectKind.ORDER, str(chosen[0].id), error)
        return 1


async def advance_again(ctx: Context, kind: SubjectKind, keys: Sequence[Any]) -> None:
    """Attempt SIMs or orders that were set aside; what cannot be handled stays set aside."""

    async def advance(ids: Sequence[str]) -> int:
        return sum([await _advance(ctx, CHUNK, [], only=UUID(one)) for one in ids])

    async def read(sim_ids: Sequence[int]) -> int:
        async with ctx.work() as work:
            return len(await work.sims.by_ids(sim_ids))

    if kind is SubjectKind.SIM:
        await handle_isolated(ctx, Task.ORDERS, keys, read)
        return
    for key in keys:  # each by itself: `advance` commits for each
        await handle_isolated(ctx, Task.ORDERS, [key], advance, kind=kind)


async def _advance(ctx: Context, chunk: int, chosen: list[OrderRecord], *, only: UUID | None = None) -> int:
    """Advance one order, which is added to `chosen`; gives how many items changed."""
    async with ctx.work() as work:
        order = await work.orders.lock_next_due(ctx.now(), only=only)
        if order is None:
            return 0
        chosen.append(order)
        payment = (await work.orders.payments([order.id]))[order.id]
        items = await work.order_items.pending(order.id, ctx.now(), chunk)
        packs = [one for one in items if one.kind == ItemKind.POOL_ADDON]
        # Packs of pools in a transaction of their own: nobody waits for a pool and a SIM at once.
        begun = await _add_packs(ctx, work, order, packs) if packs else await _begin(ctx, work, order, payment, items)
        await work.order_items.begin(order.id, begun, ctx.now())
        finished = not items and await finish(ctx, work, order)
        await work.orders.touch(order.id, ctx.now())
        await work.commit()
    return len(begun) + finished


async def _sims_set_aside(ctx: Context, order: OrderRecord, chunk: int) -> bool:
    """Read the next items' SIMs without changing anything, and set aside those that cannot be; whether any."""
    async with ctx.work() as work:
        items = await work.order_items.pending(order.id, ctx.now(), chunk)
    sim_ids = sorted({one.sim_id for one in items if one.sim_id is not None})
    handled: set[int] = set()

    async def evaluate(ids: Sequence[int]) -> int:
        async with ctx.work() as work:
            records = await work.sims.by_ids(ids)
            for kind, arguments, group in _groups(items):
                await evaluate_many(ctx, work, _of(records, group), _command(order, kind, arguments))
        handled.update(ids)
        return 0

    await handle_isolated(ctx, Task.ORDERS, sim_ids, evaluate)
    return len(handled) < len(sim_ids)


def _groups(
    items: Sequence[OrderItemRecord],
) -> list[tuple[ItemKind, Mapping[str, Any], list[OrderItemRecord]]]:
    """The items of one operation with the same arguments, together."""
    found: dict[tuple[str, str], list[OrderItemRecord]] = {}
    for item in items:
        if item.sim_id is not None:
            found.setdefault((item.kind, repr(sorted(item.arguments.items()))), []).append(item)
    return [(ItemKind(group[0].kind), group[0].arguments, group) for group in found.values()]


def _command(
    order: OrderRecord, kind: ItemKind, arguments: Mapping[str, Any], payment: PaymentRecord | None = None
) -> RequestMany:
    return RequestMany(
        kind=OPERATION_OF[kind],
        source=OperationSource.API,
        arguments=arguments,
        priority=BULK_PRIORITY if order.items > 1 else 0,
        order_id=order.id,
        window_at=payment.judged_at if payment else None,
        requested_by=order.requested_by,
        reason=order.reason,
        correlation_id=order.correlation_id,
    )


async def _begin(
    ctx: Context,
    work: UnitOfWork,
    order: OrderRecord,
    payment: PaymentRecord,
    items: Sequence[OrderItemRecord],
) -> list[ItemBegun]:
    """Store the operations of these items; one whose SIM has become busy meanwhile is left for a later turn (OP-4)."""
    sims = await work.sims.by_ids([one.sim_id for one in items if one.sim_id is not None], for_update=True)
    begun: list[ItemBegun | None] = []
    for kind, arguments, group in _groups(items):
        found = _of(sims, group)
        outcomes = await request_many(ctx, work, found, _command(order, kind, arguments, payment))
        # What was paid outside a window can be tried again inside the next one, judged now.
        late = [one for one in group if one.retries and _closed(outcomes.get(one.sim_id or 0))]
        outcomes |= await request_many(ctx, work, _of(sims, late), _command(order, kind, arguments))
        begun += [_begun(ctx, one, sims.get(one.sim_id or 0), outcomes.get(one.sim_id or 0)) for one in group]
    return [one for one in begun if one is not None]


async def _add_packs(
    ctx: Context, work: UnitOfWork, order: OrderRecord, items: Sequence[OrderItemRecord]
) -> list[ItemBegun]:
    """Add the packs to their pools' running cycles: in force at once, in the transaction that ends the item (QT-7)."""
    actor = Actor(name=order.requested_by or ACTOR, reason=order.reason, correlation_id=order.correlation_id)
    ended = []
    for item in sorted(items, key=lambda item: item.pool or ""):
        try:
            await add_pool_addon(ctx, work, order.tenant, str(item.pool), item.arguments["bytes"], actor)
        except (NotFound, Conflict) as refused:  # found before anything is written
            error = {"code": refused.code, "text": refused.detail}
            ended.append(ItemBegun(number=item.number, status="failed", error=error))
        else:
            ended.append(ItemBegun(number=item.number, status="succeeded"))
    return ended


def _of(sims: Mapping[int, SimRecord], items: Sequence[OrderItemRecord]) -> list[SimRecord]:
    """The SIMs of these items that are still there."""
    return [sims[one.sim_id] for one in items if one.sim_id is not None and one.sim_id in sims]


def _closed(outcome: Outcome | None) -> bool:
    return isinstance(outcome, Refusal) and outcome.rule in _WINDOW_RULES


def _begun(ctx: Context, item: OrderItemRecord, record: SimRecord | None, outcome: Outcome | None) -> ItemBegun | None:
    """An item with its operation, or failed with the reason; None: its SIM is busy. Without an outcome it is gone."""
    if isinstance(outcome, OperationRecord) and record is not None:
        renews = item.kind == ItemKind.RENEW
        return ItemBegun(
            number=item.number,
            status="open",
            operation_id=outcome.id,
            expires_on=record.sim.expires_on,
            renews_to=renewal_end(record, item.arguments, ctx.today(record.account)) if renews else None,
        )
    if isinstance(outcome, Refusal) and outcome.code is RefusalCode.OPERATION_IN_PROGRESS:
        return None
    error = refusal_json(outcome) if isinstance(outcome, Refusal | Malformed) else dict(UNKNOWN)
    return ItemBegun(number=item.number, status="failed", error=error)
