"""The fleet of the two years beside its model, the clock, the calendar of what is due, and the people at the desks."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.loops import drain
from tests.e2e.years.two_years_api import Caller
from tests.e2e.years.two_years_dates import DAY, auto_renewal_day, cancelled_on
from tests.e2e.years.two_years_models import Card
from tests.e2e.years.two_years_money import Order, Tenant
from tests.e2e.years.two_years_owners import (
    TENANTS,
    Intention,
    Style,
    new_card,
    next_intention,
    plans,
    wants_retention,
)
from tests.gateway import Gateway

HOME = ZoneInfo("Asia/Shanghai")
BRAKE = 50
"""Stops of an account in an hour that no brake holds back (ST-25)."""

INVOICE_DAY = 25
TOP_UPS = {"north": (1, 1, 400_000), "south": (17, 2, 6_000)}
"""Day of the month, every so many months, fen for each hundred cards."""


@dataclass
class BuyingFleet:
    """So many cards, for so many days; each ends first within so many."""

    gateway: Gateway
    size: int
    length: int
    within: int = 400
    grain: int = 1
    """Days are multiples of so many, so that fewer are looked at."""
    traffic_days: tuple[int, ...] = (4, 12, 20, 28)
    traffic_mb: tuple[int, int] = (10, 60)
    dice: random.Random = field(default_factory=lambda: random.Random(2026))
    tenants: dict[str, Tenant] = field(default_factory=dict)
    callers: dict[str, Caller] = field(default_factory=dict)
    cards: dict[str, Card] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    automatic: list[Order] = field(default_factory=list)
    invoices: dict[str, list[tuple[int, list[str]]]] = field(default_factory=lambda: defaultdict(list))
    """Amounts and orders, by tenant."""
    intentions: dict[date, list[Intention]] = field(default_factory=lambda: defaultdict(list))
    retentions: dict[date, list[Card]] = field(default_factory=lambda: defaultdict(list))
    due: set[date] = field(default_factory=set)
    """Days that are looked at with the day before and the day after."""
    seen: set[date] = field(default_factory=set)
    """Days that are looked at."""
    waiting: list[tuple[str, dict[str, Any], list[Intention]]] = field(default_factory=list)
    """Orders placed on a window's last day, to be paid around midnight."""
    failing: dict[str, Style] = field(default_factory=dict)
    """Cards whose renewal the desk fails the next time."""
    done: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """What people at the carriers' desks did to each card."""
    told: Counter[str] = field(default_factory=Counter)
    """What happened, for the summary."""
    today: date = date.min

    async def _move_in(self, begins: date) -> None:
        by_tenant: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for name in TENANTS:
            self.tenants[name] = Tenant(name)
            self.callers[name] = await Caller.of_new_tenant(self.gateway, name)
            await self.callers[name].begin(plans())
        for n in range(self.size):
            name = TENANTS[n % len(TENANTS)]
            one, row = new_card(n, self.tenants[name], begins, self.dice, within=self.within, grain=self.grain)
            self.cards[one.name] = one
            by_tenant[name].append(row)
            self._decide(one)
        lines = [json.dumps(r | {"gsl": r["account"] == "gsl-main"}) for rows in by_tenant.values() for r in rows]
        headers = {"Content-Type": "application/x-ndjson"}
        answer = await self.gateway.control.post("/_control/sims", content="\n".join(lines), headers=headers)
        assert answer.is_success, answer.text
        for name, rows in by_tenant.items():
            await self.callers[name].import_cards(rows)
        self.due |= {begins + DAY}
        for n in range(self.length + 1):
            day = begins + timedelta(days=n)
            if day.day in (1, INVOICE_DAY, 27, *self.traffic_days) or self._top_up(day):
                self.seen.add(day)

    def _next_day(self) -> date:
        """The next day that is due, or the neighbour of one."""
        day = self.today + DAY
        while day not in self.seen and not self.due & {day - DAY, day, day + DAY}:
            day += DAY
        return day

    def _decide(self, one: Card) -> None:
        """What the owner will do with the card's period, and what its dates will bring."""
        intention = None if one.auto_months else next_intention(one, self.today, self.dice, self.grain)
        self._intend(intention)
        retained = wants_retention(one, self.dice, self.grain)
        if retained and (intention is None or retained < intention.day) and retained > self.today:
            self.retentions[retained].append(one)
            self.due.add(retained)
        self.due |= {one.ends + DAY, cancelled_on(one.terms, one.ends) or one.ends}
        if one.auto_months:
            self.due.add(auto_renewal_day(one.terms, one.ends))

    def _intend(self, intention: Intention | None) -> None:
        if intention:
            self.intentions[intention.day].append(intention)
            self.due.add(intention.day)

    async def move_to(self, day: date, hour: int, minute: int = 0, second: int = 0) -> None:
        """Move the clock without doing anything; it is there already if operations took longer."""
        self._adopt(datetime.combine(day, time(hour, minute, second), HOME))

    def _adopt(self, target: datetime) -> None:
        clock = self.gateway.ctx.clock
        clock.adopt(clock.offset + max(timedelta(), target - clock.now()))

    async def quiet(self) -> None:
        """Until nothing is open; people do at once what waits for them, and release what a brake holds back."""
        for _ in range(60):
            await self.gateway.sandbox.tick()
            await drain(self.gateway.ctx)
            async with self.gateway.ctx.work() as work:
                is_open = sum((await work.operation_search.open_counts()).values())
            if not is_open:
                return
            if not sum([await self._desk(name) for name in self.callers]):
                await self.gateway.advance(seconds=1)
        raise AssertionError("operations stay open")

    async def _desk(self, name: str) -> int:
        """People do what waits at the carriers' desks; some renewals fail at first."""
        work = await self.callers[name].desk_work()
        for operation in work:
            style = self.failing.pop(operation["sim"], None) if operation["kind"] == "renew" else None
            outcome = "failed" if style else "succeeded"
            await self.callers[name].complete(operation["id"], outcome)
            self.done[operation["sim"]][operation["kind"] if not style else "failed renewal"] += 1
        return len(work)

    async def _release(self) -> None:
        """A person releases what the brake holds back (ST-25)."""
        numbers = Counter(one.account for one in self.cards.values())
        braked = [account for account, number in numbers.items() if number > BRAKE]
        for account in braked:
            assert (await self.gateway.api.post(f"/v1/admin/accounts/{account}/release-brake")).is_success
        if braked:
            await self.quiet()

    def _top_up(self, day: date) -> list[tuple[str, int]]:
        """Who pays into their balance on a day, and how many fen."""
        return [
            (name, fen * max(1, self.size // 100))
            for name, (on, every, fen) in TOP_UPS.items()
            if day.day == on and day.month % every == 0
        ]
