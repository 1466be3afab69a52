"""The renewal of a SIM that is under way: until it has ended, the last valid day now and after it (RN-8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.db.mapping import SimRecord
from app.db.sims.explained import ExplainedRow
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.sim.validity import renewed
from app.domain.vocabulary import OperationKind
from app.usecases.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalUnderWay:
    """A renewal that is paid or open and has not ended; `renews_to` None where there is no end to extend.

    `order_id` None: an operation that no order asked for; `operation_id` None: paid, and not begun yet.
    """

    expires_on: date | None
    renews_to: date | None
    order_id: UUID | None
    operation_id: UUID | None


def renewal_end(record: SimRecord, arguments: Mapping[str, Any], today: date) -> date | None:
    """The last valid day after a renewal that is in force today (VD-5); None where there is no end to extend."""
    sim = record.sim
    if sim.expires_on is None:
        return None
    try:
        return renewed(sim.terms, sim.carrier, sim.expires_on, int(arguments["months"]), today).last_valid_day
    except (Malformed, OverflowError):
        return None


async def renewal_under_way(ctx: Context, work: UnitOfWork, record: SimRecord) -> RenewalUnderWay | None:
    """The renewal of a SIM that comes first of those under way; None: there is none (RN-8, RN-11)."""
    today = ctx.today(record.account)
    operation = await work.operations.open_on(record.id)
    if operation is not None and operation.kind is OperationKind.RENEW:
        return _under_way(record, operation.arguments, today, operation.order_id, operation.id)
    item = await work.order_items.renewal_of(record.id)
    return _under_way(record, item.arguments, today, item.order_id) if item else None


def renewal_of_row(record: SimRecord, row: ExplainedRow, today: date) -> RenewalUnderWay | None:
    """The same from the row of a SIM's explanation."""
    if row["open_kind"] == OperationKind.RENEW:
        return _under_way(record, row["open_arguments"] or {}, today, row["open_order"], row["open_id"])
    item = row["paid_renewal"]
    return _under_way(record, item["arguments"], today, item["order"]) if item else None


def _under_way(
    record: SimRecord, arguments: Mapping[str, Any], today: date, order: Any, operation_id: UUID | None = None
) -> RenewalUnderWay:
    return RenewalUnderWay(
        expires_on=record.sim.expires_on,
        renews_to=renewal_end(record, arguments, today),
        order_id=None if order is None else UUID(str(order)),
        operation_id=operation_id,
    )


def renewal_view(found: RenewalUnderWay | None) -> dict[str, Any] | None:
    """A renewal under way as a JSON object."""
    if found is None:
        return None
    return {
        "expires_on": found.expires_on.isoformat() if found.expires_on else None,
        "renews_to": found.renews_to.isoformat() if found.renews_to else None,
        "order": str(found.order_id) if found.order_id else None,
        "operation": str(found.operation_id) if found.operation_id else None,
    }
