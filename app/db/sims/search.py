"""The filters of `GET /v1/sims` as a condition in SQL, shared by lists, counts, bulk selectors and exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from app.db.sims.by_share import Share, used_share

SUMMARIES: Mapping[str, str] = {
    "carrier": "s.carrier",
    "state": "s.state",
    "plan": "s.plan",
    "pool": "s.pool",
    "hold": "h.hold",
}
"""Columns by which `summary?by=` may group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimFilter:
    """The filters of a list of SIMs; None: no filter. `cycles`: the running cycle (yyyymm) by carrier."""

    state: str | None = None
    carrier: str | None = None
    account: str | None = None
    pool: str | None = None
    plan: str | None = None
    order: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    hold: str | None = None
    expires_before: date | None = None
    usage_pct_gte: int | None = None
    q: str | None = None
    q_msisdn: str | None = None
    """The beginning of an MSISDN that `q` stands for."""

    msisdn: str | None = None
    imsi: str | None = None
    device_serial: str | None = None
    cycles: Mapping[str, int] = field(default_factory=dict)


_EQUALS = ("state", "carrier", "account", "pool", "plan", "msisdn", "imsi", "device_serial")


class _Clauses:
    """Collects conditions and their arguments; `?` becomes the argument's number."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = list(arguments)
        self.conditions = ["s.tenant = $1"]

    def place(self, value: Any) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def add(self, condition: str, value: Any) -> None:
        self.conditions.append(condition.replace("?", self.place(value)))

    def equal(self, name: str, value: Any) -> str:
        self.conditions.append(f"s.{name} = {(place := self.place(value))}")
        return place

    def add_beginning(self, text: str, msisdn: str | None) -> None:
        given = self.place(_beginning(text))
        choices = [f"s.{name} LIKE {given}" for name in ("iccid", "msisdn", "imsi", "device_serial")]
        if msisdn is not None and msisdn != text:
            choices.append(f"s.msisdn LIKE {self.place(_beginning(msisdn))}")
        self.conditions.append(f"({' OR '.join(choices)})")

    @property
    def where(self) -> str:
        return " AND ".join(self.conditions)


def _beginning(text: str) -> str:
    """The pattern of LIKE for texts that begin with this one."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"


def share_of(wanted: SimFilter) -> Share:
    """What a filter asks of the use; plan and carrier narrow the search."""
    return Share(percent=wanted.usage_pct_gte or 0, cycles=wanted.cycles, plan=wanted.plan, carrier=wanted.carrier)


def where_of(tenant: str, wanted: SimFilter) -> tuple[str, list[Any]]:
    """The WHERE of a filter over `sims s`, and its arguments from `$1` on."""
    clauses = _Clauses(tenant)
    places = {name: clauses.equal(name, value) for name in _EQUALS if (value := getattr(wanted, name)) is not None}
    if wanted.order is not None:
        clauses.add("s.order_id = ?", wanted.order)
    if wanted.tags:
        clauses.add("s.tags @> ?::jsonb", dict(wanted.tags))
    if wanted.hold is not None:
        clauses.add("s.holds @> ?::jsonb", [{"code": wanted.hold}])
    if wanted.expires_before is not None:
        clauses.add("s.expires_on < ?", wanted.expires_before)
    if wanted.q is not None:
        clauses.add_beginning(wanted.q, wanted.q_msisdn)
    if wanted.usage_pct_gte:
        percent = clauses.place(wanted.usage_pct_gte)
        share = used_share(share_of(wanted), percent, places.get("plan"), places.get("carrier"))
        clauses.conditions.append(share.text)
    return clauses.where, clauses.arguments
