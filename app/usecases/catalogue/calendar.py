"""Calendar and terms as JSON, independent of any SIM (`docs/api.md`, Calendar and terms)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.calendar.cycles import cycle_on
from app.domain.calendar.days import HOME_ZONE, plus_days
from app.domain.errors import Malformed
from app.domain.operation.service_levels import ORDINARY, Circumstances, due
from app.domain.regions.rules import region_table
from app.domain.sim.lifecycle import forced_activation
from app.domain.sim.renewal import renewal
from app.domain.sim.validity import validity
from app.domain.terms.book import describe
from app.domain.vocabulary import Carrier, Supplier
from app.usecases.context import Context

MAX_SPAN = 800
"""Days in one answer of `workdays_view`."""


def cycle_view(carrier: Carrier, on: date) -> dict[str, Any]:
    """The billing cycle that a day belongs to (BC). Raises `Malformed`."""
    cycle = cycle_on(carrier, on)
    return {
        "id": cycle.id,
        "start": cycle.start.isoformat(),
        "end": cycle.end.isoformat(),
        "last_day": cycle.last_day.isoformat(),
        "assumed": [],
    }


def expiry_view(terms: Supplier, carrier: Carrier, activated_on: date, months: int) -> dict[str, Any]:
    """When a SIM activated on a day expires and is cancelled (VD, LC-9). Raises `Malformed`."""
    found = validity(terms, carrier, activated_on, months)
    return {
        "last_valid_day": found.last_valid_day.isoformat(),
        "cancels_on": _text(found.cancels_on),
        "rule": found.rule,
        "assumed": list(found.assumed),
    }


def renewal_view(terms: Supplier, carrier: Carrier, expires_on: date, on: date) -> dict[str, Any]:
    """Whether a SIM may be renewed on a day (RN). Raises `Malformed`."""
    found = renewal(terms, carrier, expires_on, on)
    return {
        "renewable": found.renewable,
        "opens_on": _text(found.opens_on),
        "closes_on": _text(found.closes_on),
        "cancels_on": _text(found.cancels_on),
        "rule": found.rule,
        "reason": found.reason,
        "assumed": list(found.assumed),
    }


def due_view(
    ctx: Context, terms: Supplier, carrier: Carrier, kind: str, at: datetime, case: Circumstances = ORDINARY
) -> dict[str, Any]:
    """When a request submitted at an instant is due (SL). Raises `Malformed` for an unknown kind."""
    found = due(terms, carrier, kind, at, _zone(ctx, carrier), ctx.workdays, case=case)
    return {
        "earliest": _text(found.earliest),
        "due_on": _text(found.due_on),
        "due_at": _text(found.due_at),
        "provisional": found.provisional,
        "rule": found.rule,
        "because": [{"key": b.key, "day": _text(b.day)} for b in found.reasons],
        "assumed": list(found.assumed),
    }


def _zone(ctx: Context, carrier: Carrier) -> ZoneInfo:
    """The zone of the carrier's first account; Shanghai where there is none."""
    return next((ctx.zone(code) for code, account in ctx.accounts.items() if account.carrier is carrier), HOME_ZONE)


def forced_activation_view(terms: Supplier, carrier: Carrier, opened_on: date, test_months: int) -> dict[str, Any]:
    """When an unused SIM is activated by its carrier (LC-1 to LC-3). Raises `Malformed`."""
    found = forced_activation(terms, carrier, opened_on, test_months)
    return {
        "testing_until": _text(found.testing_until),
        "silent_until": _text(found.silent_until),
        "forced_on": _text(found.forced_on),
        "rule": found.rule,
        "assumed": list(found.assumed),
    }


def workdays_view(ctx: Context, first: date, last: date) -> dict[str, Any]:
    """Each day from `first` to `last`, both included: working day or not (SL). Raises `Malformed`."""
    span = (last - first).days
    if not 0 <= span < MAX_SPAN:
        raise Malformed("SPAN_UNUSABLE", f"from is not after to, and at most {MAX_SPAN} days")
    days = [ctx.workdays.day(plus_days(first, n)) for n in range(span + 1)]
    return {
        "days": [
            {
                "day": day.day.isoformat(),
                "workday": day.workday,
                "desk_day": day.desk_day,
                "name": day.name,
                "provisional": day.provisional,
            }
            for day in days
        ],
        "assumed": [],
    }


def terms_view(supplier: Supplier, carrier: Carrier, on: date) -> dict[str, Any]:
    """The terms in force on a day, every value with its source (TM-3)."""
    lines = describe(supplier, carrier, on)
    values = [
        {"name": line.name, "value": line.value, "source": line.source, "assumed": list(line.assumed)} for line in lines
    ]
    assumed = sorted({rule for line in lines for rule in line.assumed})
    return {
        "supplier": supplier.value,
        "carrier": carrier.value,
        "on": on.isoformat(),
        "terms": values,
        "assumed": assumed,
    }


def high_risk_view(carrier: Carrier) -> dict[str, Any]:
    """Regions where a carrier's SIMs may only be used if they are local (RG-4, RG-5).

    An empty table of a carrier for which none is published (overseas) is marked as not applicable: unknown, not safe.
    """
    regions = {province: list(cities) for province, cities in region_table(carrier).items()}
    return {
        "carrier": carrier.value,
        "applicable": bool(regions),
        "regions": regions,
        "rule": "RG-4",
        "source": "GSL 3.2",
        "assumed": [],
    }


def _text(value: date | datetime | None) -> str | None:
    return value.isoformat() if value is not None else None
