"""The filters of `GET /v1/sims` as a condition in SQL, shared by lists, counts, bulk selectors and exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from app.db.twin import Twin, fetched_first
from app.db.used import USED

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


def where_of(tenant: str, wanted: SimFilter) -> tuple[str, list[Any]]:
    """The WHERE of a filter over `sims s`, and its arguments from `$1` on."""
    clauses = _Clauses(tenant)
    for name in _EQUALS:
        value = getattr(wanted, name)
        if value is not None:
            clauses.add(f"s.{name} = ?", value)
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
        clauses.add("s.id IN (" + _used_share(wanted.cycles) + ")", wanted.usage_pct_gte)
    return clauses.where, clauses.arguments


_OF_LEAST = f"""cycle IN ({{numbers}})
       AND {USED.replace("c.", "")}::numeric * 100
           >= ? * ((SELECT min(allowance) FROM plans WHERE tenant = $1) + addons)::numeric"""  # noqa: S608 - our own words


def _used_share(cycles: Mapping[str, int]) -> str:
    return used_share(cycles).text


def used_share(cycles: Mapping[str, int]) -> Twin:
    """The SIMs that have used `?` percent of their allowance and add-ons; on Citus first those of the least allowance.

    `cycles`: the running cycle (yyyymm) by carrier.
    """
    current = " ".join(f"WHEN '{carrier}' THEN {int(cycle)}" for carrier, cycle in sorted(cycles.items()))
    numbers = ", ".join(str(int(cycle)) for cycle in sorted(set(cycles.values()))) or "0"
    return fetched_first(
        "SELECT c.sim_id FROM usage_cycles c JOIN sims u ON u.id = c.sim_id"  # noqa: S608 - our own words and numbers
        " JOIN plans p ON p.tenant = u.tenant AND p.id = u.plan"
        f" WHERE u.tenant = $1 AND c.cycle = CASE u.carrier {current} END"
        f" AND {USED}::numeric * 100 >= ? * (p.allowance + c.addons)::numeric",
        why="the coordinator would send every SIM of the tenant to the workers",
        usage_cycles=_OF_LEAST.format(numbers=numbers),
    )
