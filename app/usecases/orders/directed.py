"""Directed lists of orders (DR-1, DR-2): entries are added and deleted through the supplier's desk.

An order here is one of ours, or the name that SIMs were imported with. No carrier's API takes directed entries, so
every change is desk work: it waits on the work list until a person completes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.orders.directed import DirectedEntry
from app.db.uow import UnitOfWork
from app.domain.calendar.days import HOME_ZONE
from app.domain.commerce.directed import back_to_general_refusal, deletion_refusal, entry_refusal, normal_target
from app.domain.errors import Malformed
from app.domain.operation.refusal import Refusal
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Terms
from app.domain.vocabulary import DirectedEntryState
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound, OperationRefused
from app.usecases.ids import new_id

MOST_ENTRIES = 500
"""Entries of one order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddEntry:
    """The command. `kind`: `ip` or `domain`; `protocol` None: any."""

    tenant: str
    order_id: str
    kind: str
    value: str
    protocol: str | None
    requested_by: str


async def terms_of(ctx: Context, work: UnitOfWork, tenant: str, order_id: str) -> list[Terms]:
    """The terms in force today of everything an order is for. Raises `NotFound`."""
    sold = await work.directed.sold_under(tenant, order_id)
    if not sold and not await work.directed.is_order(tenant, order_id):
        raise NotFound("order")
    today = ctx.now().astimezone(HOME_ZONE).date()
    return [terms_in_force(supplier, carrier, today) for supplier, carrier in sold]


async def add_entry(ctx: Context, work: UnitOfWork, command: AddEntry) -> DirectedEntry:
    """Hand an entry in at the supplier's desk.

    Raises `NotFound`, `InvalidArgument`, `OperationRefused` (DR-1, DR-4), `Conflict`.
    """
    terms = await terms_of(ctx, work, command.tenant, command.order_id)
    value = _value_of(command)
    if not terms:
        raise Conflict("INCOMPATIBLE_STATE", "the order is for no SIMs whose terms are known")
    _refuse_first(entry_refusal(one, value, command.protocol) for one in terms)
    await work.directed.lock(command.tenant, command.order_id)
    if len(await work.directed.of_order(command.tenant, command.order_id)) >= MOST_ENTRIES:
        raise InvalidArgument([Fault(pointer="/value", code="TOO_MANY", detail=f"at most {MOST_ENTRIES} entries")])
    now = ctx.now()
    entry = DirectedEntry(
        id=new_id(now),
        tenant=command.tenant,
        order_id=command.order_id,
        kind=command.kind,
        value=value,
        protocol=(command.protocol or "").lower(),
        status=DirectedEntryState.SUBMITTED,
        open=True,
        created_at=now,
        changed_at=now,
        requested_by=command.requested_by,
    )
    if not await work.directed.add(entry):
        raise Conflict("ALREADY_EXISTS", "the order has this entry")
    await _audit(ctx, work, entry, "directed.added", command.requested_by)
    return entry


def _value_of(command: AddEntry) -> str:
    """The address in its normal form. Raises `InvalidArgument` where it is none, or not of the kind."""
    try:
        kind, value = normal_target(command.value)
    except Malformed as wrong:
        raise InvalidArgument([Fault(pointer="/value", code=wrong.code, detail=wrong.detail)]) from None
    if kind != command.kind:
        fault = Fault(pointer="/value", code="TARGET_MALFORMED", detail=f"not a value of kind {command.kind}")
        raise InvalidArgument([fault])
    return value


async def delete_entry(ctx: Context, tenant: str, order_id: str, entry_id: UUID, *, actor: str) -> DirectedEntry:
    """Ask for the deletion of an entry; asked for already: as it is. Raises `NotFound`, `OperationRefused` (DR-2)."""
    async with ctx.work() as work:
        terms = await terms_of(ctx, work, tenant, order_id)
        await work.directed.lock(tenant, order_id)
        entries = await work.directed.of_order(tenant, order_id, for_update=True)
        entry = _found(entries, entry_id)
        if entry.deleting_from is not None:
            return entry
        staying = sum(one.deleting_from is None for one in entries)
        _refuse_first(deletion_refusal(one, entry.status, staying) for one in terms)
        changing = await _delete(ctx, work, entry, actor)
        await work.commit()
    return changing


async def empty_list(ctx: Context, tenant: str, order_id: str, *, actor: str) -> list[DirectedEntry]:
    """Ask for the deletion of every entry. Raises `NotFound`, `OperationRefused`: the order would be general (DR-2)."""
    async with ctx.work() as work:
        terms = await terms_of(ctx, work, tenant, order_id)
        _refuse_first(back_to_general_refusal(one) for one in terms)
        await work.directed.lock(tenant, order_id)
        entries = await work.directed.of_order(tenant, order_id, for_update=True)
        found = [one if one.deleting_from is not None else await _delete(ctx, work, one, actor) for one in entries]
        await work.commit()
    return found


async def complete_entry(  # noqa: PLR0913 - what the desk states of an entry
    ctx: Context,
    work: UnitOfWork,
    tenant: str,
    order_id: str,
    entry_id: UUID,
    *,
    succeeded: bool,
    in_force: bool,
    note: str | None,
    actor: str,
) -> DirectedEntry | None:
    """End what the desk has in hand; None: the entry is deleted. Raises `NotFound`, `Conflict`.

    An entry that is accepted and not in force yet stays on the work list.
    """
    await work.directed.lock(tenant, order_id)
    entry = _found(await work.directed.of_order(tenant, order_id, for_update=True), entry_id)
    if not entry.open:
        raise Conflict("INCOMPATIBLE_STATE", "nothing is open on this entry", status_now=entry.status.value)
    if entry.deleting_from is not None and succeeded:
        await work.directed.delete(entry.id)
        await _audit(ctx, work, replace(entry, note=note), "directed.deleted", actor)
        return None
    status = _ended(entry, succeeded=succeeded, in_force=in_force)
    still_open = status in (DirectedEntryState.NOT_IN_FORCE, DirectedEntryState.SUBMITTED)
    done = replace(entry, status=status, deleting_from=None, open=still_open, note=note, changed_at=ctx.now())
    await _keep(work, done)
    await _audit(ctx, work, done, "directed.completed", actor)
    return done


def _ended(entry: DirectedEntry, *, succeeded: bool, in_force: bool) -> DirectedEntryState:
    """The status of an entry whose desk work has ended, but for a deletion that succeeded."""
    if entry.deleting_from is not None:
        return entry.deleting_from
    if not succeeded:
        return DirectedEntryState.REJECTED
    return DirectedEntryState.IN_FORCE if in_force else DirectedEntryState.NOT_IN_FORCE


def entry_view(entry: DirectedEntry) -> dict[str, Any]:
    """An entry as JSON."""
    return {
        "id": str(entry.id),
        "order": entry.order_id,
        "kind": entry.kind,
        "value": entry.value,
        "protocol": entry.protocol or None,
        "status": entry.status.value,
        "open": entry.open,
        "deleting": entry.deleting_from is not None,
        "note": entry.note,
        "created_at": entry.created_at.isoformat(),
        "changed_at": entry.changed_at.isoformat(),
    }


def _found(entries: list[DirectedEntry], entry_id: UUID) -> DirectedEntry:
    for entry in entries:
        if entry.id == entry_id:
            return entry
    raise NotFound("directed entry")


def _refuse_first(refusals: Any) -> None:
    """Raise the first refusal, if there is one: an order of several carriers takes what all of them take."""
    found: Refusal | None = next((one for one in refusals if one is not None), None)
    if found is not None:
        raise OperationRefused(found)


async def _delete(ctx: Context, work: UnitOfWork, entry: DirectedEntry, actor: str) -> DirectedEntry:
    changing = replace(
        entry,
        status=DirectedEntryState.CHANGING,
        deleting_from=entry.status,
        open=True,
        changed_at=ctx.now(),
    )
    await _keep(work, changing)
    await _audit(ctx, work, changing, "directed.deletion_requested", actor)
    return changing


async def _keep(work: UnitOfWork, entry: DirectedEntry) -> None:
    await work.directed.change(
        entry.id,
        status=entry.status.value,
        deleting_from=entry.deleting_from.value if entry.deleting_from else None,
        open=entry.open,
        note=entry.note,
        changed_at=entry.changed_at,
    )


async def _audit(ctx: Context, work: UnitOfWork, entry: DirectedEntry, action: str, actor: str) -> None:
    row = AuditRow(
        tenant=entry.tenant, at=ctx.now(), actor=actor, action=action, subject=str(entry.id), after=entry_view(entry)
    )
    await work.access.add_audit([row])
