"""Automatic renewals (自动续费): SIMs whose last order says so are renewed and paid from the balance in time (OR-1).

An order for each chunk and supplier is placed, paid from the balance and committed as one: nothing is ordered that is
not paid, and a run that dies has renewed whole chunks. What is being renewed is no candidate, so twice is nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from app.db.commerce.balance import lock as lock_balance
from app.db.mapping import SimRecord
from app.db.orders import auto_renewals as rows
from app.db.uow import UnitOfWork
from app.db.usage import counters
from app.domain.commerce.auto_renewal import auto_renewal_day
from app.domain.commerce.balance import Draft, EntryKind
from app.domain.commerce.orders import ItemKind
from app.domain.operation.decision import Accepted
from app.domain.operation.prices import renewal_price
from app.domain.vocabulary import OperationKind, OperationSource, Supplier
from app.telemetry import get_logger
from app.usecases.balance.entries import post_entries
from app.usecases.bulk.selectors import IccidList
from app.usecases.context import Context
from app.usecases.errors import InvalidArgument
from app.usecases.events import EventStamp, renewal_declined
from app.usecases.operations.request_many import RequestMany, evaluate_many
from app.usecases.orders.fill import Wish
from app.usecases.orders.pay import pay_order
from app.usecases.orders.place import PlaceOrder, place_order
from app.usecases.quarantine import is_of_data

CHUNK = 500
"""SIMs renewed in one transaction."""

ACTOR = "auto_renewal"
log = get_logger(ACTOR)


async def auto_renew(ctx: Context, *, chunk: int = CHUNK) -> dict[str, int]:
    """Renew what is due today; gives how many SIMs were renewed, and how many were declined for the first time.

    `chunk`: SIMs of one transaction.

    A tenant that cannot be handled is left to the next run, the others go on.
    """
    report = {"renewed": 0, "declined": 0, "failed": 0}
    async with ctx.pool.acquire() as connection:
        tenants = await rows.tenants(connection)
    for tenant in tenants:
        try:
            await _renew_tenant(ctx, tenant, report, chunk)
        except Exception as error:
            if not is_of_data(error):
                raise
            log.exception("auto_renewal.failed", tenant=tenant)
            report["failed"] += 1
    return report


async def is_nothing_flagged(ctx: Context) -> bool:
    """Whether nothing was ordered with automatic renewal."""
    async with ctx.pool.acquire() as connection:
        return not await rows.is_any(connection)


async def _renew_tenant(ctx: Context, tenant: str, report: dict[str, int], chunk: int) -> None:
    after = 0
    while True:
        async with ctx.work() as work:
            connection = await work.driver()
            await rows.lock(connection, tenant)
            found = await rows.candidates(connection, tenant, ctx.now().date(), after=after, limit=chunk)
            months = {row["sim_id"]: row["months"] for row in found}
            records = [record for record in (await work.sims.by_ids(list(months))).values() if _is_due(ctx, record)]
            by_terms: dict[Supplier, list[SimRecord]] = defaultdict(list)
            for record in records:
                by_terms[record.sim.terms].append(record)
        for _, group in sorted(by_terms.items()):
            wanted = {record.id: months[record.id] or record.sim.plan.months for record in group}
            await _renew_group(ctx, tenant, group, wanted, report)
        if len(found) < chunk:
            return
        after = found[-1]["sim_id"]


def _is_due(ctx: Context, record: SimRecord) -> bool:
    sim, today = record.sim, ctx.today(record.account)
    return sim.expires_on is not None and auto_renewal_day(sim.terms, sim.carrier, sim.expires_on) <= today


async def _renew_group(
    ctx: Context, tenant: str, group: Sequence[SimRecord], months: Mapping[int, int], report: dict[str, int]
) -> None:
    """Order and pay one supplier's SIMs that the balance suffices for, the first to end first; tell of the others."""
    async with ctx.work() as work:
        connection = await work.driver()
        await rows.lock(connection, tenant)
        still = {
            row["sim_id"]
            for row in await rows.candidates(connection, tenant, ctx.now().date(), after=0, limit=1 << 31)
            if row["sim_id"] in months
        }
        # The balance is locked first, so that what is chosen can be paid: no SIM is locked here, and orders are new.
        left = (await lock_balance(connection, tenant)).fen
        group = [one for one in group if one.id in still]
        allowed = await _allowed(ctx, work, group, months)
        # What the rules refuse takes nothing of the balance, or it would keep others waiting for as long as it is due.
        chosen, declined = _affordable([one for one in group if one.id in allowed], months, left)
        renewed = await _order(ctx, work, tenant, chosen, months) if chosen else set()
        short = {record.id for record in declined}
        refused = [(one, "refused") for one in group if one.id not in renewed | short]
        report["declined"] += await _tell(ctx, work, [*((one, "balance") for one in declined), *refused])
        report["renewed"] += len(renewed)
        await work.commit()


async def _allowed(ctx: Context, work: UnitOfWork, group: Sequence[SimRecord], months: Mapping[int, int]) -> set[int]:
    """Those whose renewal the rules accept now; the cart asks again."""
    by_months: dict[int, list[SimRecord]] = defaultdict(list)
    for record in group:
        by_months[months[record.id]].append(record)
    allowed: set[int] = set()
    for count, records in by_months.items():
        arguments = {"months": count}
        command = RequestMany(
            kind=OperationKind.RENEW, source=OperationSource.API, arguments=arguments, behind_open=True
        )
        decisions = await evaluate_many(ctx, work, records, command)
        allowed |= {sim_id for sim_id, decision in decisions.items() if isinstance(decision, Accepted)}
    return allowed


def _affordable(
    group: Sequence[SimRecord], months: Mapping[int, int], left: int
) -> tuple[list[SimRecord], list[SimRecord]]:
    """Those that the balance suffices for, by their end, and the others; what has no price is refused by the order."""
    chosen, declined = [], []
    for record in sorted(group, key=lambda one: (str(one.sim.expires_on), one.id)):
        price = renewal_price(record.sim.plan, months[record.id])
        if price is not None and price > left:
            declined.append(record)
            continue
        chosen.append(record)
        left -= price or 0
    return chosen, declined


async def _order(
    ctx: Context, work: UnitOfWork, tenant: str, chosen: Sequence[SimRecord], months: Mapping[int, int]
) -> set[int]:
    """Place and pay one order of these SIMs; gives those in it. None where all of them are refused."""
    by_months: dict[int, list[str]] = defaultdict(list)
    for record in chosen:
        by_months[months[record.id]].append(record.sim.iccid)
    wishes = tuple(_wish(iccids, count) for count, iccids in sorted(by_months.items()))
    command = PlaceOrder(tenant=tenant, wishes=wishes, auto_renew=True, leave_out_refused=True, requested_by=ACTOR)
    try:
        order = await place_order(ctx, work, command)
    except InvalidArgument:
        return set()
    if order.amount_fen:
        charge = Draft(kind=EntryKind.ORDER, reference=str(order.id), amount_fen=-order.amount_fen, order=str(order.id))
        await post_entries(ctx, work, tenant, [charge])
    await pay_order(
        ctx,
        work,
        order,
        amount_fen=order.amount_fen,
        reference=f"balance:{order.id}",
        paid_at=ctx.now(),
        paid_from="balance",
        actor=ACTOR,
    )
    return await rows.ordered(await work.driver(), order.id)


def _wish(iccids: Sequence[str], months: int) -> Wish:
    given = {"kind": ItemKind.RENEW.value, "selector": {"iccids": list(iccids)}, "months": months}
    selector = IccidList(iccids=tuple(iccids))
    return Wish(kind=ItemKind.RENEW, given=given, selector=selector, arguments={"months": months})


async def _tell(ctx: Context, work: UnitOfWork, declined: Sequence[tuple[SimRecord, str]]) -> int:
    """Emit an event for each SIM that is not renewed, once for its end date and reason; gives how many."""
    if not declined:
        return 0
    marks: dict[tuple[int, str], tuple[SimRecord, str, date]] = {}
    for record, reason in declined:
        if (ends := record.sim.expires_on) is not None:
            marks[record.id, f"auto_renewal:{reason}:{ends}"] = (record, reason, ends)
    rows_of_marks = [(sim_id, ends.year * 100 + ends.month, mark) for (sim_id, mark), (_, _, ends) in marks.items()]
    fresh = await counters.mark(await work.driver(), rows_of_marks, ctx.now())
    stamp = EventStamp(tenant=declined[0][0].tenant, known_at=ctx.now())
    told = [marks[key] for key in sorted(fresh)]
    await work.events.add(
        [renewal_declined(stamp, record.sim.iccid, expires_on=ends, reason=reason) for record, reason, ends in told]
    )
    return len(told)
