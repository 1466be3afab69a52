"""Two years of buying, lived in the one clock beside the independent model (`two_years_models`, `two_years_money`).

Only the days on which something is due by the model, and their neighbours, are looked at: a change a day early or a day
late shows all the same.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from app.jobs.housekeeping import run_housekeeping
from app.jobs.schedule import jobs_for
from tests.e2e.years.two_years_compare import compare_balances_and_states
from tests.e2e.years.two_years_dates import DAY, in_months
from tests.e2e.years.two_years_fleet import HOME, INVOICE_DAY, BuyingFleet
from tests.e2e.years.two_years_models import Card, Use
from tests.e2e.years.two_years_money import Order, invoice_is_taken
from tests.e2e.years.two_years_owners import AFTER_MIDNIGHT, Intention, Style, after_refusal

AUTO = "auto_renewals"
NOT_RUN = (
    "usage_pull",
    "usage_resume",
    "pool_refresh",
    "reconcile",
    "unconfigured_accounts",
    "housekeeping",
    "findings",
    AUTO,
)
"""Jobs that ask carriers, whose words are no part of this, those that change nothing, and those run at other times: by
day, and once a month."""

GREAT = Order(amount_fen=1 << 40, paid=date(2999, 1, 1), items={"any": "succeeded"})
"""With it, every order that may be invoiced at all would be."""


@dataclass
class TwoYears(BuyingFleet):
    """Its days."""

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
        await self.move_to(day, 7, 30)
        await self._top_up_all(day)
        await self.move_to(day, 8)
        await self._auto_renew(day)
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
        if day.day == INVOICE_DAY:
            await self.move_to(day, 16)
            await self._invoice(day)

    async def _auto_renew(self, day: date) -> None:
        """What is renewed by itself, from the balances."""
        for spec in jobs_for(self.gateway.ctx):
            if spec.name == AUTO:
                await spec.run(self.gateway.ctx)
        await self.quiet()
        for tenant in self.tenants.values():
            for order in tenant.auto_renew(day):
                self.automatic.append(order)
                self.told["automatic renewals"] += len(order.items)
                for iccid in order.items:
                    self._decide(self.cards[iccid])

    async def _invoice(self, day: date) -> None:
        """One of each tenant's orders by itself, then as many as there may be on one, then the same again (IV-1)."""
        for name, caller in self.callers.items():
            mine = {key: one for key, one in self.orders.items() if (one.tenant, one.terms) == (name, "flexem")}
            good = [key for key, one in mine.items() if invoice_is_taken([one, GREAT], day)]
            for keys in ([key for key in mine if key not in good][-1:], good[:1], good, good):
                if keys:
                    taken = invoice_is_taken([mine[key] for key in keys], day)
                    await caller.invoice(keys, taken=taken)
                    self.told[f"invoice {'taken' if taken else 'refused'}"] += 1
                    if taken:
                        self._invoiced(name, keys)

    def _invoiced(self, name: str, keys: list[str]) -> None:
        self.invoices[name].append((sum(self.orders[key].amount_fen for key in keys), sorted(keys)))
        for key in keys:
            self.orders[key].invoiced = True

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
        groups: dict[tuple[str, str, str, bool], list[Intention]] = defaultdict(list)
        for one in intentions:
            way = one.style.name if one.style in (Style.TWICE, *AFTER_MIDNIGHT) else "PLAIN"
            groups[one.card.tenant.name, one.card.terms, way, one.auto].append(one)
        settled = []
        for (name, *_), group in groups.items():
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
        order = await self.callers[name].order(wishes, refusals, prices, ends, auto=group[0].auto)
        for one in group:
            rule = refusals[one.card.name]
            if rule is not None:
                self.told[f"refused {rule}"] += 1
                self._intend(after_refusal(one, rule, self.dice))
        if order:
            terms = taken[0].card.terms
            self.orders[order["id"]] = Order(amount_fen=sum(prices.values()), tenant=name, terms=terms)
        return taken, order

    def _settled(
        self, name: str, order: dict[str, Any], taken: list[Intention], day: date, *, on_time: bool = True
    ) -> None:
        """What the desk did, by the model."""
        late = taken[0].style in AFTER_MIDNIGHT and on_time
        self.orders[order["id"]].paid = day - DAY if late else day
        for one in taken:
            succeeds = on_time and one.style is not Style.ABANDONED
            self.orders[order["id"]].items[one.card.name] = "succeeded" if succeeds else "failed"
            self.told[f"renewal {one.style}"] += 1
            if succeeds:
                one.card.renew(one.months, day, auto=one.auto)
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
        await run_housekeeping(self.gateway.ctx)
        await compare_balances_and_states(self)
