"""Check and price the entries of a cart, in chunks: the operation's own rules, and those of carts (RN-1 to RN-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.db.mapping import SimRecord
from app.db.orders.carts import CartEntry, CartRecord, CheckedEntry
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import NOT_PRICED, OPERATION_OF, ItemKind, shipping_refusal, supplier_refusal
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted
from app.domain.operation.prices import Catalogue, price_of
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationSource, Supplier
from app.usecases.context import Context
from app.usecases.operations.request_many import RequestMany, evaluate_many
from app.usecases.operations.validate import catalogue_of
from app.usecases.orders.lots import check_lot
from app.usecases.orders.refusals import UNKNOWN, refusal_json
from app.usecases.sims.renewing import renewal_end

CHUNK = 250
"""Entries checked at a time: between two chunks the process serves others."""


async def check_entries(ctx: Context, work: UnitOfWork, cart: CartRecord, *, item: int | None = None) -> CartRecord:
    """Check the entries of a cart, or of one item, that are not refused already; gives the cart with its supplier."""
    others = {ItemKind(kind) for kind in await work.carts.kinds(cart.id)}
    after = 0
    while page := await work.carts.entries(cart.id, after=after, limit=CHUNK, item=item, refused=False):
        cart = await _check_chunk(ctx, work, cart, page, others)
        after = page[-1].position
    return cart


async def _check_chunk(
    ctx: Context, work: UnitOfWork, cart: CartRecord, page: Sequence[CartEntry], others: set[ItemKind]
) -> CartRecord:
    records = await work.sims.by_ids([entry.sim_id for entry in page if entry.sim_id is not None])
    if cart.terms is None and records:
        first = next(records[entry.sim_id] for entry in page if entry.sim_id in records)
        cart = replace(cart, terms=first.sim.terms.value)
        await work.carts.change(cart.id, terms=cart.terms)
    decisions = await _decisions(ctx, work, page, records)
    catalogue = await catalogue_of(work, cart.tenant)
    checked = [
        _checked(ctx, cart, entry, records, decisions, others, catalogue)
        if ItemKind(entry.kind) in OPERATION_OF
        else await check_lot(work, cart, entry, catalogue, others, ctx.now())
        for entry in page
    ]
    await work.carts.check(cart.id, checked)
    return cart


Decision = Accepted | Refusal | Malformed


async def _decisions(
    ctx: Context, work: UnitOfWork, page: Sequence[CartEntry], records: dict[int, SimRecord]
) -> dict[int, Decision]:
    """What the rules say of each entry's operation, by position; an open operation is no refusal: it ends first."""
    groups: dict[tuple[str, str], list[CartEntry]] = {}
    for entry in page:
        if entry.sim_id in records:
            groups.setdefault((entry.kind, repr(sorted(entry.arguments.items()))), []).append(entry)
    found: dict[int, Decision] = {}
    for group in groups.values():
        command = RequestMany(
            kind=OPERATION_OF[ItemKind(group[0].kind)],
            source=OperationSource.API,
            arguments=group[0].arguments,
            behind_open=True,
        )
        of_group = [records[entry.sim_id] for entry in group if entry.sim_id is not None]
        outcomes = await evaluate_many(ctx, work, of_group, command)
        found |= {entry.position: outcomes[entry.sim_id] for entry in group if entry.sim_id is not None}
    return found


def _checked(
    ctx: Context,
    cart: CartRecord,
    entry: CartEntry,
    records: dict[int, SimRecord],
    decisions: dict[int, Decision],
    others: set[ItemKind],
    catalogue: Catalogue,
) -> CheckedEntry:
    """One entry with its price and dates, or with the reason why it is refused."""
    kind, record = ItemKind(entry.kind), records.get(entry.sim_id or 0)
    if record is None:
        return CheckedEntry(position=entry.position, refusal=dict(UNKNOWN))
    refused: Refusal | Malformed | None = shipping_refusal(kind, others)
    supplier = Supplier(cart.terms) if cart.terms else None
    refused = refused or supplier_refusal(record.sim.terms, supplier)
    decision = decisions[entry.position]
    if refused is None and not isinstance(decision, Accepted):
        refused = decision
    price = price_of(OPERATION_OF[kind], record.sim, entry.arguments, catalogue)
    if refused is None and price is None:
        refused = NOT_PRICED
    end = record.sim.expires_on
    return CheckedEntry(
        position=entry.position,
        price_fen=price,
        expires_on=end,
        renews_to=renewal_end(ctx, record, entry.arguments) if kind is ItemKind.RENEW else None,
        refusal=None if refused is None else refusal_json(refused),
    )
