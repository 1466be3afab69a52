"""One card as `GET /v1/sims/{iccid}` shows it: one statement by plain asyncpg, straight to a JSON-able dict.

A hot path: no SQLAlchemy, no domain value of the whole card. What rules say of it (holds, cancellation, the network)
is asked of the domain's functions, remembered where the question repeats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from app.domain.calendar.cycles import Cycle, cycle_on
from app.domain.identifiers import alternate_iccid
from app.domain.sim.holds import HOLDS
from app.domain.sim.validity import cancellation
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import OPEN_STATUSES, Carrier, HoldCode, Supplier

Row = Mapping[str, Any]
SHANGHAI = ZoneInfo("Asia/Shanghai")
_ONCE_ACTIVATED = frozenset({"active", "expired"})
"""Underlying states that only activation leads to; a cancelled card may never have been activated."""

_CARRIES_DATA = frozenset({"testing", "silent", "active"})
_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN_STATUSES))

_COLUMNS = f"""
SELECT s.id, s.iccid, s.msisdn, s.imsi, s.carrier, s.account, s.terms, s.plan, s.state, s.underlying, s.holds,
       s.carrier_state, s.carrier_code, s.carrier_as_of, s.carrier_expires_on, s.carrier_expires_as_of,
       s.opened_on, s.activated_on, s.expires_on, s.imei,
       s.province, s.region_limited, s.real_name, s.pool, s.device_serial, s.alias, s.tags, s.remark, s.version,
       p.allowance, c.cycle, c.figures, c.figures_to, c.reported, c.reported_since, c.reported_at, c.addons,
       o.id AS operation_id,
       CASE WHEN s.carrier = 'ctcc' THEN (
           SELECT count(*) FROM operations r WHERE r.sim_id = s.id AND r.kind = 'rebind' AND r.status = 'succeeded'
              AND r.settled_at >= date_trunc('month', $4::timestamptz, 'Asia/Shanghai')) END AS rebinds
  FROM sims s
  LEFT JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = coalesce(
       $3::text::jsonb ->> (s.carrier || ':' || s.account), $3::text::jsonb ->> s.carrier)::int
  LEFT JOIN operations o ON o.sim_id = s.id AND o.status IN ({_OPEN})
 WHERE s.tenant = $1 AND
"""  # noqa: S608 - the statuses are our own enumeration

_READ = f"{_COLUMNS} s.iccid = $2"
"""By equality alone: so every estimate is one row, and PostgreSQL keeps its plan instead of making one per read."""

_READ_MANY = f"{_COLUMNS} s.id = ANY($2::bigint[]) ORDER BY s.id"


def cycle_number(cycle: Cycle) -> int:
    """The cycle as the tables name it: yyyymm."""
    return int(cycle.id[:4]) * 100 + int(cycle.id[5:])


@lru_cache(maxsize=64)
def _cycle(carrier: str, day: date) -> tuple[int, dict[str, str]]:
    cycle = cycle_on(Carrier(carrier), day)
    shown = {"id": cycle.id, "start": cycle.start.isoformat(), "end": cycle.end.isoformat()}
    return cycle_number(cycle), shown


@lru_cache(maxsize=4096)
def _cancels_on(terms: str, carrier: str, expires_on: date) -> str | None:
    return _text(cancellation(Supplier(terms), Carrier(carrier), expires_on).on)


@lru_cache(maxsize=64)
def _rebinds_a_month(terms: str, carrier: str, day: date) -> int | None:
    return terms_in_force(Supplier(terms), Carrier(carrier), day).rebinds_a_month.value


def _text(value: date | datetime | None) -> str | None:
    return value.isoformat() if value is not None else None


async def read_sim(
    pool: asyncpg.Pool[asyncpg.Record], tenant: str, iccid: str, now: datetime, zones: Mapping[str, ZoneInfo]
) -> dict[str, Any] | None:
    """The card of a tenant by either form of its ICCID (DV-5), None where there is none; `zones` by account."""
    days = {zone: now.astimezone(zone).date() for zone in {SHANGHAI, *zones.values()}}
    cycles = _cycles(tuple(zones.items()), tuple(days.items()))
    row = await pool.fetchrow(_READ, tenant, iccid, cycles, now)
    if row is None and (twin := alternate_iccid(iccid)) is not None:
        row = await pool.fetchrow(_READ, tenant, twin, cycles, now)
    return _card(row, days, zones) if row is not None else None


async def read_sims(
    pool: asyncpg.Pool[asyncpg.Record], tenant: str, ids: Sequence[int], now: datetime, zones: Mapping[str, ZoneInfo]
) -> list[dict[str, Any]]:
    """Cards of a tenant by row id, in that order; as `read_sim` shows them."""
    days = {zone: now.astimezone(zone).date() for zone in {SHANGHAI, *zones.values()}}
    cycles = _cycles(tuple(zones.items()), tuple(days.items()))
    rows = await pool.fetch(_READ_MANY, tenant, list(ids), cycles, now)
    return [_card(row, days, zones) for row in rows]


@lru_cache(maxsize=16)
def _cycles(zones: tuple[tuple[str, ZoneInfo], ...], days: tuple[tuple[ZoneInfo, date], ...]) -> str:
    """The number of the running cycle by `carrier:account`, by `carrier` for any other account: a JSON object."""
    today = dict(days)
    numbers = {carrier.value: _cycle(carrier.value, today[SHANGHAI])[0] for carrier in Carrier}
    for account, zone in zones:
        numbers |= {f"{carrier.value}:{account}": _cycle(carrier.value, today[zone])[0] for carrier in Carrier}
    return json.dumps(numbers)


def _card(row: Row, days: Mapping[ZoneInfo, date], zones: Mapping[str, ZoneInfo]) -> dict[str, Any]:
    today = days[zones.get(row["account"], SHANGHAI)]
    counters = row if row["cycle"] is not None else None
    return _shown(row, today) | {"usage": usage_shown(counters, row, _cycle(row["carrier"], today)[1])} | _last(row)


def _shown(row: Row, today: date) -> dict[str, Any]:
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
        "opened_on": _text(row["opened_on"]),
        "activated_on": _text(row["activated_on"]),
        "expires_on": _text(row["expires_on"]),
        "cancels_on": row["expires_on"] and _cancels_on(row["terms"], row["carrier"], row["expires_on"]),
        "binding": _binding(row, today),
        "region": {"province": row["province"], "limited": row["region_limited"]},
        "real_name": row["real_name"],
        "pool": row["pool"],
        "device_serial": row["device_serial"],
        "alias": row["alias"],
        "tags": row["tags"],
        "remark": row["remark"],
    }


def _last(row: Row) -> dict[str, Any]:
    operation = row["operation_id"]
    return {"open_operation": str(operation) if operation else None, "version": row["version"]}


def _hold(hold: Row) -> dict[str, Any]:
    return {
        "code": hold["code"],
        "rule": HOLDS[HoldCode(hold["code"])].rule,
        "since": hold["since"],
        "source": hold["source"],
        "carrier_code": hold.get("carrier_code"),
    }


def _carrier_view(row: Row) -> dict[str, Any] | None:
    if row["carrier_as_of"] is None:
        return None
    return {
        "state": row["carrier_state"],
        "code": row["carrier_code"],
        "as_of": _text(row["carrier_as_of"]),
        "expires_on": _text(row["carrier_expires_on"]),
        "expires_as_of": _text(row["carrier_expires_as_of"]),
    }


def _binding(row: Row, today: date) -> dict[str, Any]:
    budget = _rebinds_a_month(row["terms"], row["carrier"], today)
    left = None if budget is None else max(0, budget - (row["rebinds"] or 0))
    return {"imei": row["imei"], "tac": row["imei"] and row["imei"][:8], "rebinds_left": left}


def shows_used(underlying: str, activated_on: date | None) -> bool:
    """US-4: used and remaining show only for cards once activated."""
    return activated_on is not None or underlying in _ONCE_ACTIVATED


def usage_shown(counters: Row | None, card: Row, cycle: Mapping[str, str]) -> dict[str, Any]:
    """The `usage` object: a cycle's counters (None: none yet) of a card (US-5).

    Of the card are needed `underlying`, `activated_on` and `allowance`. `carrier` is what stands of the carrier's
    figures, those of later days included: with `reported_since` it makes `used`.
    """
    figures = counters["figures"] if counters else None
    since = counters["reported_since"] if counters else 0
    addons = counters["addons"] if counters else 0
    used = (figures or 0) + since if shows_used(card["underlying"], card["activated_on"]) else None
    remaining = None if used is None or card["allowance"] is None else card["allowance"] + addons - used
    return {
        "cycle": dict(cycle),
        "used": used,
        "source": "gateway_report" if figures is None else "gateway" if since else "carrier",
        "allowance": card["allowance"],
        "addons": addons,
        "remaining": remaining,
        "as_of": _text(_as_of(counters)),
        "carrier": {"bytes": figures, "as_of": _text(counters["figures_to"])}
        if counters and figures is not None
        else None,
        "reported_since": since,
        "reported": counters["reported"] if counters else 0,
    }


def _as_of(counters: Row | None) -> datetime | None:
    if counters is None:
        return None
    told: datetime | None = counters["figures_to"]
    reported: datetime | None = counters["reported_at"]
    if told is None or (reported is not None and counters["reported_since"] and reported > told):
        return reported
    return told
