"""A SIM as `GET /v1/sims/{iccid}` shows it: the row of `app.db.sims.read` as JSON, without the domain's `Sim`.

A hot path: what the rules say (holds, cancellation, rebinds) is asked of the domain's functions and cached by its
arguments, which repeat over the SIMs of a fleet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from app.db.sims.read import SimRow
from app.db.sims.running import RunningPeriods
from app.domain.calendar.cycles import cycle_number, cycle_on
from app.domain.calendar.days import HOME_ZONE, start_of_day
from app.domain.sim.binding import rebinds_left
from app.domain.sim.holds import HOLDS
from app.domain.sim.validity import cancellation
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import Carrier, HoldCode, Supplier
from app.usecases.usage.views import usage_view

Days = Mapping[ZoneInfo, date]
"""Today in each zone."""

_CARRIES_DATA = frozenset({"testing", "silent", "active"})


def days_at(now: datetime, zones: Mapping[str, ZoneInfo]) -> Days:
    """Today in every zone of the accounts (`zones` by account), and in the home zone."""
    return {zone: now.astimezone(zone).date() for zone in {HOME_ZONE, *zones.values()}}


def running_periods(days: Days, zones: Mapping[str, ZoneInfo]) -> RunningPeriods:
    """What the read needs to know of today: the running cycles, and since when rebinds count (DV-3)."""
    return _running(tuple(days.items()), tuple(zones.items()))


@lru_cache(maxsize=16)
def _running(days: tuple[tuple[ZoneInfo, date], ...], zones: tuple[tuple[str, ZoneInfo], ...]) -> RunningPeriods:
    today = dict(days)
    elsewhere = [(f":{account}", zone) for account, zone in zones if zone != HOME_ZONE]
    keys = [("", HOME_ZONE), *elsewhere]
    cycles = {f"{c.value}{key}": _cycle(c.value, today[zone])[0] for c in Carrier for key, zone in keys}
    since = {
        f"{c.value}{key}": start_of_day(today[zone].replace(day=1), zone).isoformat()
        for c in Carrier
        for key, zone in keys
        if _counts_rebinds(c, today[HOME_ZONE])
    }
    return RunningPeriods(cycles=json.dumps(cycles), rebinds_since=json.dumps(since))


def _counts_rebinds(carrier: Carrier, day: date) -> bool:
    """Whether any supplier's terms limit the rebinds of a month at this carrier (DV-3)."""
    return any(_rebinds_a_month(supplier.value, carrier.value, day) is not None for supplier in Supplier)


@lru_cache(maxsize=64)
def _cycle(carrier: str, day: date) -> tuple[int, dict[str, str]]:
    cycle = cycle_on(Carrier(carrier), day)
    view = {"id": cycle.id, "start": cycle.start.isoformat(), "end": cycle.end.isoformat()}
    return cycle_number(cycle), view


@lru_cache(maxsize=4096)
def _cancels_on(terms: str, carrier: str, expires_on: date) -> str | None:
    return _text(cancellation(Supplier(terms), Carrier(carrier), expires_on).on)


@lru_cache(maxsize=64)
def _rebinds_a_month(terms: str, carrier: str, day: date) -> int | None:
    return terms_in_force(Supplier(terms), Carrier(carrier), day).rebinds_a_month.value


def _text(value: date | datetime | None) -> str | None:
    return value.isoformat() if value is not None else None


def sim_view(row: SimRow, days: Days, zones: Mapping[str, ZoneInfo]) -> dict[str, Any]:
    """The JSON object of one SIM, its days as dates; `days` as of `days_at`, `zones` by account."""
    today = days[zones.get(row["account"], HOME_ZONE)]
    counters = row if row["cycle"] is not None else None
    operation = row["operation_id"]
    return {
        "iccid": row["iccid"],
        "msisdn": row["msisdn"],
        "imsi": row["imsi"],
        "carrier": row["carrier"],
        "account": row["account"],
        "terms": row["terms"],
        "plan": row["plan"],
        "state": row["state"],
        "holds": [_hold(hold) for hold in row["holds"]],
        "network_allowed": row["underlying"] in _CARRIES_DATA and not row["holds"],
        "carrier_view": _carrier_view(row),
        "opened_on": row["opened_on"],
        "activated_on": row["activated_on"],
        "expires_on": row["expires_on"],
        "expires_forecast_on": row["expires_forecast_on"],
        "cancels_on": row["expires_on"] and _cancels_on(row["terms"], row["carrier"], row["expires_on"]),
        "binding": _binding(row, today),
        "region": {"province": row["province"], "limited": row["region_limited"]},
        "real_name": row["real_name"],
        "pool": row["pool"],
        "order": row["order_id"],
        "threshold": row["threshold"],
        "session": _session(row),
        "device_serial": row["device_serial"],
        "alias": row["alias"],
        "tags": row["tags"],
        "remark": row["remark"],
        "usage": usage_view(counters, row, _cycle(row["carrier"], today)[1]),
        "open_operation": str(operation) if operation else None,
        "version": row["version"],
    }


def _hold(hold: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "code": hold["code"],
        "rule": HOLDS[HoldCode(hold["code"])].rule,
        "since": hold["since"],
        "source": hold["source"],
        "carrier_code": hold.get("carrier_code"),
        "carrier_reason": hold.get("carrier_reason"),
    }


def _carrier_view(row: SimRow) -> dict[str, Any] | None:
    if row["carrier_as_of"] is None and row["carrier_unknown_at"] is None:
        return None
    return {
        "known": row["carrier_unknown_at"] is None,
        "unknown_as_of": _text(row["carrier_unknown_at"]),
        "state": row["carrier_state"],
        "code": row["carrier_code"],
        "as_of": _text(row["carrier_as_of"]),
        "expires_on": row["carrier_expires_on"],
        "expires_as_of": _text(row["carrier_expires_as_of"]),
    }


def _session(row: SimRow) -> dict[str, Any] | None:
    if row["online_as_of"] is None:
        return None
    return {"online": row["online"], "as_of": _text(row["online_as_of"])}


def _binding(row: SimRow, today: date) -> dict[str, Any]:
    budget = _rebinds_a_month(row["terms"], row["carrier"], today)
    left = rebinds_left(budget, row["rebinds"] or 0)
    seen = row["imei_seen"] and {"imei": row["imei_seen"], "as_of": _text(row["imei_seen_at"])}
    return {"imei": row["imei"], "tac": row["imei"] and row["imei"][:8], "rebinds_left": left, "seen": seen}
