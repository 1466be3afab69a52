"""Promised beside measured (SL-7, SL-9) per carrier, account and kind of operation, and the claim sheet of a month."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from app.db.mapping import OperationRecord
from app.db.operations import measured as rows
from app.domain.calendar.days import add_to_month, local
from app.domain.operation.measured import ENOUGH, WINDOW, Expected, expected
from app.domain.terms.book import terms_in_force, to_json
from app.domain.vocabulary import Carrier, OperationKind, OperationStatus, Supplier
from app.usecases.context import Context
from app.usecases.operations.durations import durations

_UNSCHEDULED = 1
"""The history line with which a scheduled operation was started."""


async def service_levels(
    ctx: Context, tenant: str, carrier: Carrier | None, kind: OperationKind | None
) -> dict[str, Any]:
    """What each supplier's terms promise and what the tenant's operations of the window took, by account and kind."""
    now = ctx.now()
    span = (now - WINDOW, now)
    async with ctx.pool.acquire() as connection:
        found = await rows.measured(connection, tenant, span, carrier and carrier.value, kind and kind.value)
    measured = {(row["carrier"], row["account"], row["kind"]): row for row in found}
    promised = {key: _promised(ctx, now, *key) for key in (*_offered(ctx, carrier, kind), *measured)}
    return {
        "from": span[0].isoformat(),
        "to": span[1].isoformat(),
        "window_days": WINDOW.days,
        "enough": ENOUGH,
        "assumed": ["SL-9"],
        "items": [
            {
                "carrier": key[0],
                "account": key[1],
                "kind": key[2],
                "promised": promised[key],
                "measured": _measured_view(measured.get(key)),
            }
            for key in sorted(promised)
            if promised[key] or key in measured
        ],
    }


def _offered(ctx: Context, carrier: Carrier | None, kind: OperationKind | None) -> Iterator[tuple[str, str, str]]:
    """Every (carrier, account, kind) that a query is about."""
    for code, account in ctx.accounts.items():
        if carrier in (None, account.carrier):
            yield from ((account.carrier.value, code, k.value) for k in OperationKind if kind in (None, k))


def _promised(ctx: Context, now: datetime, carrier: str, account: str, kind: str) -> list[dict[str, Any]]:
    """The level of a kind under each supplier's terms in force today at this carrier; none where none is published."""
    today = local(now, ctx.zone(account)).date()
    promised = []
    for supplier in Supplier:
        term = terms_in_force(supplier, Carrier(carrier), today).service.get(kind)
        if term is not None and term.value is not None:
            promised.append(
                {
                    "terms": supplier.value,
                    "rule": term.value.rule,
                    "source": term.source,
                    "level": to_json(term.value),
                    "assumed": list(term.assumed),
                }
            )
    return promised


def _measured_view(row: asyncpg.Record | None) -> dict[str, Any] | None:
    if row is None:
        return None
    due, late = row["promised"] + row["open_late"], row["late"] + row["open_late"]
    return {
        "count": row["count"],
        "p50_s": row["p50"],
        "p95_s": row["p95"],
        "with_due": due,
        "late": late,
        "open_late": row["open_late"],
        "late_share": round(late / due, 6) if due else None,
        "enough": row["count"] >= ENOUGH,
    }


async def expected_of(ctx: Context, operation: OperationRecord) -> dict[str, Any] | None:
    """When an open operation ends if it takes as long as the last ones of its account and kind; None: not known.

    Beside the rule's `due_at`, never in its place (SL-9).
    """
    if operation.settled_at is not None or operation.status is OperationStatus.SCHEDULED:
        return None
    measured = await durations(ctx, operation.tenant, operation.account)
    return expected_view(expected(_started(operation), measured.get(operation.kind)))


def expected_view(found: Expected | None) -> dict[str, Any] | None:
    """What was measured, as JSON; null: too few operations."""
    if found is None:
        return None
    return {
        "typical_at": found.typical_at.isoformat(),
        "slow_at": found.slow_at.isoformat(),
        "samples": found.samples,
        "assumed": ["SL-9"],
    }


def _started(operation: OperationRecord) -> datetime:
    """When the operation was handed in: its creation, or where it was scheduled, its start."""
    lines = operation.history
    if len(lines) > _UNSCHEDULED and lines[0]["status"] == OperationStatus.SCHEDULED:
        return datetime.fromisoformat(lines[_UNSCHEDULED]["at"])
    return operation.created_at


def _late_in(ctx: Context, tenant: str, month: date, only: Mapping[str, str | None]) -> rows.LateOperations:
    zones = {code: ctx.zone(code).key for code in ctx.accounts}
    end = add_to_month(month, 1)
    return rows.LateOperations(tenant=tenant, first=month, end=end, now=ctx.now(), zones=zones, **only)


async def claims(
    ctx: Context, tenant: str, month: date, only: Mapping[str, str | None], *, after: UUID | None, limit: int
) -> tuple[dict[str, Any], UUID | None]:
    """The claim sheet of a month (its first day): card-days late, in sums and a page of operations, and its end.

    `only`: `carrier` and `kind`, None: any. A card-day counts once per kind, however many operations it had (SL-9).
    """
    wanted = _late_in(ctx, tenant, month, only)
    async with ctx.pool.acquire() as connection:
        totals = await rows.late_totals(connection, wanted)
        found = await rows.late_items(connection, wanted, after, limit + 1)
    sheet = {
        "month": f"{month:%Y-%m}",
        "as_of": wanted.now.isoformat(),
        "assumed": ["SL-9"],
        "totals": [dict(row) for row in totals],
        "items": [_late_view(row) for row in found[:limit]],
    }
    return sheet, found[limit - 1]["id"] if len(found) > limit else None


def _late_view(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "operation": str(row["id"]),
        "iccid": row["iccid"],
        "carrier": row["carrier"],
        "account": row["account"],
        "kind": row["kind"],
        "status": row["status"],
        "due_rule": row["due_rule"],
        "due_at": row["due_at"].isoformat(),
        "settled_at": row["settled_at"].isoformat() if row["settled_at"] else None,
        "first_day": row["first_day"].isoformat(),
        "last_day": row["last_day"].isoformat(),
        "days": row["days"],
    }
