"""Complete cards for the tests of the rules: each call overrides what its test is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.calendar.workdays import Workday
from app.domain.operation.request import Route, RuleContext
from app.domain.sim.model import Hold, Plan, Sim
from app.domain.units import MB
from app.domain.vocabulary import Carrier, Channel, HoldCode, HoldSource, SimState, Supplier
from app.workdays import ChineseWorkdays

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2024, 6, 12, 12, 0, tzinfo=SHANGHAI)
"""A Wednesday that is a workday, as are the days around it (the 10th is a holiday)."""


class _Remembered:
    """The real calendar of workdays, each day asked once."""

    def __init__(self) -> None:
        self._calendar = ChineseWorkdays()
        self.day = cache(self._ask)

    def _ask(self, day: date) -> Workday:
        return self._calendar.day(day)


WORKDAYS = _Remembered()
PLAN = Plan(id="p-100m", carrier=Carrier.CMCC, allowance=100 * MB, months=12)


def a_plan(**facts: Any) -> Plan:
    """A card plan of 100 MB and 12 months."""
    return replace(PLAN, **facts)


def a_hold(code: HoldCode, source: HoldSource = HoldSource.GATEWAY, raw: str | None = None) -> Hold:
    """A hold since noon."""
    return Hold(code=code, since=NOON, source=source, carrier_code=raw)


def a_sim(
    terms: Supplier = Supplier.FLEXEM,
    carrier: Carrier = Carrier.CMCC,
    state: SimState = SimState.ACTIVE,
    *holds: HoldCode,
    **facts: Any,
) -> Sim:
    """A card with the dates that fit its state on the day of `NOON`."""
    dates: dict[str, Any] = {"opened_on": date(2024, 5, 1)}
    if state in (SimState.ACTIVE, SimState.EXPIRED, SimState.CANCELLED):
        ends = date(2024, 12, 31) if state is SimState.ACTIVE else date(2024, 5, 31)
        dates = {"opened_on": date(2023, 1, 5), "activated_on": date(2023, 2, 1), "expires_on": ends}
    if state is SimState.EXPIRED:
        holds = (*holds, HoldCode.PLAN_EXPIRED)
    plan = facts.pop("plan", replace(PLAN, carrier=carrier))
    return Sim(
        iccid="89860012345678901239",
        carrier=carrier,
        terms=terms,
        plan=plan,
        underlying=state,
        holds=tuple(a_hold(code) for code in holds),
        **(dates | facts),
    )


def context_of(
    channel: Channel | None = Channel.API,
    *,
    now: datetime = NOON,
    zone: tzinfo = SHANGHAI,
    repeat_window: timedelta = timedelta(0),
    **facts: Any,
) -> RuleContext:
    """What the rules know beside the card: every kind goes by one channel, and everything else is in order."""
    route = Route(channel=channel, repeat_window=repeat_window)
    return RuleContext(now=now, zone=zone, workdays=WORKDAYS, routes=lambda _kind, _arguments: route, **facts)
