"""Two years of buying, lived in the one clock beside the independent model (`two_years_models`).

Only the days on which something is due by the model, and their neighbours, are looked at: a change a day early or a day
late shows all the same.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.loops import drain
from app.jobs.schedule import jobs_for
from tests.e2e.two_years_api import Caller
from tests.e2e.two_years_compare import compare_balances_and_states
from tests.e2e.two_years_models import DAY, Card, Order, Tenant, Use, cancelled_on, in_months
from tests.e2e.two_years_owners import (
    AFTER_MIDNIGHT,
    TENANTS,
    Intention,
    Style,
    after_refusal,
    new_card,
    next_intention,
    plans,
    wants_retention,
)
from tests.gateway import Gateway

HOME = ZoneInfo("Asia/Shanghai")
BRAKE = 50
"""Stops of an account in an hour that no brake holds back (ST-25)."""

NOT_RUN = ("usage_pull", "usage_resume", "pool_refresh", "reconcile", "unconfigured_accounts", "housekeeping")
"""Jobs that ask carriers, whose words are no part of this; housekeeping is run once a month."""

TOP_UPS = {"north": (1, 1, 400_000), "south": (17, 2, 600)}
"""Day of the month, every so many months, fen for each hundred cards."""


@dataclass
class TwoYears:
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

    async def live(self) -> None:
        """Move in, and live every day on which something is due."""
        begins = self.gateway.ctx.now().astimezone(HOME).date()
        self.today = begins
        await self._move_in(begins)
        ends, looked = begins + timedelta(days=self.length), 0
        self.seen.add(ends + DAY)
        while (day := self._next_day()) <= ends:
            looked += 1
            if day.month != self.today.month:
                sys.stdout.write(f"{day} {looked} days looked at, {len(self.orders)} orders\n")
                sys.stdout.flush()
                await self._month_end()
            last, self.today = self.today, day
            await self._midnight(day, last)
            await self._daytime(day)
        self.told["days looked at"] = looked

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
            if day.day in (1, 27, *self.traffic_days) or self._top_up(day):
                self.seen.add(day)

    def _next_day(self) -> date:
        """The next day that is due, or the neighbour of one."""
        day = self.today + DAY
        while day not in self.seen and not self.due & {day - DAY, day, day + DAY}:
            day += DAY
        return day

    def _decide(self, one: Card) -> None:
        """What the owner will do with the card's period, and what its dates will bring."""
        intention = next_intention(one, self.today, self.dice, self.grain)
        self._intend(intention)
        retained = wants_retention(one, self.dice, self.grain)
        if retained and (intention is None or retained < intention.day) and retained > self.today:
            self.retentions[retained].append(one)
            self.due.add(retained)
        self.due |= {one.ends + DAY, cancelled_on(one.terms, one.ends) or one.ends}

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

    async def _midnight(self, day: date, last: date) -> None:
        """Payments around midnight, then the day's jobs in their order, in each zone at its own time."""
        await self.move_to(day, 0, 0, 10)
        paid, self.waiting = self.waiting, []
        kept = {intention.card.name for *_, intentions in paid for intention in intentions}
        for name, order, intentions in paid:
            seconds = 10 if intentions[0].style is Style.MIDNIGHT else 0
            at = datetime.combine(day, time(), HOME) - timedelta(seconds=seconds)
            await self.callers[name].pay(order, at)
        at_midnight = datetime.combine(day, time(), HOME)
        slots = [(spec.next_after(at_midnight - timedelta(seconds=1)), spec) for spec in jobs_for(self.gateway.ctx)]
        slots = sorted((slot for slot in slots if not slot[1].name.startswith(NOT_RUN)), key=lambda slot: slot[0])
        for at, spec in slots:
            self._adopt(at)
            await spec.run(self.gateway.ctx)
        for one in self.cards.values():
            one.turn(day, last)
            one.sweep(day, kept=one.name in kept)
        for tenant in self.tenants.values():
            tenant.settle_arrears(day)
        await self.quiet()
        for name, order, intentions in paid:
            self._settled(name, order, intentions, day, on_time=intentions[0].style is Style.MIDNIGHT)

    async def _daytime(self, day: date) -> None:
        await self.move_to(day, 8)
        await self._top_up_all(day)
        if day.day in self.traffic_days:
            await self.move_to(day, 10)
            await self._traffic(day)
        intentions = self.intentions.pop(day, [])
        if intentions:
            await self.move_to(day, 12)
            await self._shop(day, intentions)
        retained = [one for one in self.retentions.pop(day, []) if one.state == "expired" and not one.retained_since]
        if retained:
            await self.move_to(day, 14)
            await self._retain(day, retained)

    def _top_up(self, day: date) -> list[tuple[str, int]]:
        """Who pays into their balance on a day, and how many fen."""
        return [
            (name, fen * max(1, self.size // 100))
            for name, (on, every, fen) in TOP_UPS.items()
            if day.day == on and day.month % every == 0
        ]

    async def _top_up_all(self, day: date) -> None:
        for name, fen in self._top_up(day):
            await self.callers[name].top_up(fen, day.isoformat())
            self.tenants[name].pay(day, fen)
            await self.quiet()

    async def _traffic(self, day: date) -> None:
        """Every card in use that is watched uses something; what it stops or costs follows at once."""
        now = self.gateway.ctx.now()
        for name, tenant in self.tenants.items():
            used = {
                one.name: self.dice.randrange(*self.traffic_mb)
                for one in tenant.cards
                if one.use_is is not Use.NOTHING and one.state == "active" and not one.holds
            }
            await self.callers[name].report(now, used)
            for iccid, megabytes in used.items():
                self.cards[iccid].use(day, megabytes)
            tenant.settle_arrears(day)
        await self.quiet()
        await self._release()

    async def _shop(self, day: date, intentions: Iterable[Intention]) -> None:
        """The day's renewals: a cart for each tenant, supplier and way of paying."""
        groups: dict[tuple[str, str, str], list[Intention]] = defaultdict(list)
        for one in intentions:
            way = one.style.name if one.style in (Style.TWICE, *AFTER_MIDNIGHT) else "PLAIN"
            groups[one.card.tenant.name, one.card.terms, way].append(one)
        settled = []
        for (name, _, _), group in groups.items():
            taken, order = await self._order(name, group, day)
            if order is None:
                continue
            if taken[0].style in AFTER_MIDNIGHT:
                self.waiting.append((name, order, taken))
                self.due.add(day + DAY)
                continue
            self.failing |= {one.card.name: one.style for one in taken if one.style in (Style.FAILS, Style.ABANDONED)}
            for _ in range(2 if taken[0].style is Style.TWICE else 1):
                await self.callers[name].pay(order, self.gateway.ctx.now())
            settled.append((name, order, taken))
        await self.quiet()
        for name, order, taken in settled:
            failed = [one for one in taken if one.style is Style.FAILS]
            await self.callers[name].retry(order, {one.card.name for one in failed})
        await self.quiet()
        for name, order, taken in settled:
            self._settled(name, order, taken, day)

    async def _order(
        self, name: str, group: list[Intention], day: date
    ) -> tuple[list[Intention], dict[str, Any] | None]:
        """A cart that refuses exactly what the rules refuse, and the order of the rest with the price of the rest."""
        refusals = {one.card.name: one.card.refusal(one.months, day) for one in group}
        taken = [one for one in group if refusals[one.card.name] is None]
        prices = {one.card.name: one.card.price(one.months) for one in taken}
        ends = {one.card.name: one.card.renewed_to(one.months, day).isoformat() for one in taken}
        wishes = {one.card.name: one.months for one in group}
        order = await self.callers[name].order(wishes, refusals, prices, ends)
        for one in group:
            rule = refusals[one.card.name]
            if rule is not None:
                self.told[f"refused {rule}"] += 1
                self._intend(after_refusal(one, rule, self.dice))
        if order:
            self.orders[order["id"]] = Order(amount_fen=sum(prices.values()))
        return taken, order

    def _settled(
        self, name: str, order: dict[str, Any], taken: Iterable[Intention], day: date, *, on_time: bool = True
    ) -> None:
        """What the desk did, by the model."""
        for one in taken:
            succeeds = on_time and one.style is not Style.ABANDONED
            self.orders[order["id"]].items[one.card.name] = "succeeded" if succeeds else "failed"
            self.told[f"renewal {one.style}"] += 1
            if succeeds:
                one.card.renew(one.months, day)
                self._decide(one.card)
        self.tenants[name].settle_arrears(day)

    async def _retain(self, day: date, cards: list[Card]) -> None:
        """Numbers of expired cards are retained, on request (LC-10)."""
        for name, tenant in self.tenants.items():
            chosen = [one for one in cards if one.tenant is tenant]
            if not chosen:
                continue
            await self.callers[name].retain([one.name for one in chosen])
            await self.quiet()
            for one in chosen:
                one.retain(day)
                self.due |= {in_months(one.ends + DAY, month) for month in (1, 2)}
            tenant.settle_arrears(day)
            self.told["numbers retained"] += len(chosen)

    async def _month_end(self) -> None:
        await compare_balances_and_states(self)
