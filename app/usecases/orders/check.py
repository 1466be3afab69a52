"""Check and price the entries of a cart, in chunks: the operation's own rules, and those of carts (RN-1 to RN-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from app.db.mapping import SimRecord
from app.db.orders.carts import CartEntry, CartRecord, CheckedEntry
from app.db.sims.alike import alike_buyers
from app.db.uow import UnitOfWork
from app.domain.commerce.orders import NOT_PRICED, OPERATION_OF, ItemKind, shipping_refusal, supplier_refusal
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted
from app.domain.operation.prices import Catalogue, pack_as_sold, price_of
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import OperationKind, OperationSource, Supplier
from app.usecases.context import Context
from app.usecases.operations.request_many import RequestMany, evaluate_many
from app.usecases.operations.validate import catalogue_of
from app.usecases.orders.lots import check_lot
from app.usecases.orders.refusals import UNKNOWN, refusal_json
from app.usecases.sims.renewing import renewal_end

CHUNK = 1_000
"""Entries checked at a time: between two chunks the process serves others."""

EVER = datetime.min.replace(year=1000, tzinfo=UTC)

Decision = Accepted | Refusal | Malformed
Key = tuple[str, str, int]
"""A group of entries: kind, arguments, and the sample's row id; 0: no SIM, less: an entry by itself."""

Samples = dict[int, SimRecord]
"""By row id of a SIM: the record of one that may buy the same, which is read and judged for all of them."""


async def check_entries(ctx: Context, work: UnitOfWork, cart: CartRecord, *, after: int = 0) -> CartRecord:
    """Check the entries of a cart behind a position that are not refused already; gives the cart with its supplier."""
    others = {ItemKind(kind) for kind in await work.carts.kinds(cart.id)}
    while page := await work.carts.entries(cart.id, after=after, limit=CHUNK, refused=False):
        cart = await _check_chunk(ctx, work, cart, page, others)
        after = page[-1].position
    return cart


async def _check_chunk(
    ctx: Context, work: UnitOfWork, cart: CartRecord, page: Sequence[CartEntry], others: set[ItemKind]
) -> CartRecord:
    samples = await _samples(work, page)
    if cart.terms is None and samples:
        first = next(samples[entry.sim_id] for entry in page if entry.sim_id in samples)
        cart = replace(cart, terms=first.sim.terms.value)
        await work.carts.change(cart.id, terms=cart.terms)
    catalogue = await catalogue_of(work, cart.tenant)
    groups = _groups(page, samples)
    decisions = await _decisions(ctx, work, groups, samples)
    checked: list[tuple[CheckedEntry, Sequence[int]]] = []
    for key, group in groups.items():
        one, positions = group[0], [entry.position for entry in group]
        if ItemKind(one.kind) in OPERATION_OF:
            sample = samples.get(one.sim_id or 0)
            checked.append((_checked(ctx, cart, one, sample, decisions.get(key), others, catalogue), positions))
        else:
            checked.append((await check_lot(work, cart, one, catalogue, others, ctx.now()), positions))
    await work.carts.check(cart.id, checked)
    return cart


async def _samples(work: UnitOfWork, page: Sequence[CartEntry]) -> Samples:
    """A sample for each SIM of these entries that is still there; the renewals it has had are its own (RN-6)."""
    sim_ids = [entry.sim_id for entry in page if entry.sim_id is not None]
    if not sim_ids:
        return {}
    alike = await alike_buyers(await work.driver(), sim_ids)
    renewals = await work.operation_search.succeeded_since(sim_ids, OperationKind.RENEW, EVER)
    sample_of: dict[int, int] = {}
    for group in alike:
        firsts: dict[int, int] = {}
        for sim_id in group:
            sample_of[sim_id] = firsts.setdefault(renewals.get(sim_id, 0), sim_id)
    records = await work.sims.by_ids(sample_of.values())
    return {sim_id: records[first] for sim_id, first in sample_of.items() if first in records}


def _groups(page: Sequence[CartEntry], samples: Samples) -> dict[Key, list[CartEntry]]:
    """The entries that come to the same: of one kind, with the same arguments, for SIMs that may buy the same."""
    found: dict[Key, list[CartEntry]] = {}
    for entry in page:
        sample = samples.get(entry.sim_id or 0)
        alone = ItemKind(entry.kind) not in OPERATION_OF
        subject = -entry.position if alone else sample.id if sample else 0
        found.setdefault((entry.kind, repr(sorted(entry.arguments.items())), subject), []).append(entry)
    return found


async def _decisions(
    ctx: Context, work: UnitOfWork, groups: Mapping[Key, Sequence[CartEntry]], samples: Samples
) -> dict[Key, Decision]:
    """What the rules say of each group's operation; an open operation is no refusal: it ends first."""
    same: dict[tuple[str, str], dict[Key, CartEntry]] = {}
    for key, group in groups.items():
        if key[2] > 0:
            same.setdefault(key[:2], {})[key] = group[0]
    found: dict[Key, Decision] = {}
    for entries in same.values():
        one = next(iter(entries.values()))
        command = RequestMany(
            kind=OPERATION_OF[ItemKind(one.kind)],
            source=OperationSource.API,
            arguments=one.arguments,
            behind_open=True,
        )
        of_group = [samples[entry.sim_id or 0] for entry in entries.values()]
        outcomes = await evaluate_many(ctx, work, of_group, command)
        found |= {key: outcomes[key[2]] for key in entries}
    return found


def _checked(
    ctx: Context,
    cart: CartRecord,
    entry: CartEntry,
    sample: SimRecord | None,
    decision: Decision | None,
    others: set[ItemKind],
    catalogue: Catalogue,
) -> CheckedEntry:
    """An entry with its price and dates, or with the reason why it is refused."""
    kind = ItemKind(entry.kind)
    if sample is None:
        return CheckedEntry(refusal=dict(UNKNOWN))
    refused: Refusal | Malformed | None = shipping_refusal(kind, others)
    supplier = Supplier(cart.terms) if cart.terms else None
    refused = refused or supplier_refusal(sample.sim.terms, supplier)
    if refused is None and not isinstance(decision, Accepted):
        refused = decision
    price = price_of(OPERATION_OF[kind], sample.sim, entry.arguments, catalogue)
    if refused is None and price is None:
        refused = NOT_PRICED
    return CheckedEntry(
        price_fen=price,
        sold=pack_as_sold(catalogue.addons[str(entry.arguments["addon"])]) if "addon" in entry.arguments else {},
        expires_on=sample.sim.expires_on,
        renews_to=renewal_end(sample, entry.arguments, ctx.today(sample.account)) if kind is ItemKind.RENEW else None,
        refusal=None if refused is None else refusal_json(refused),
    )
