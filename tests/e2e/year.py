"""A fleet lived day by day in the one clock, and beside it a plain model of what must become of each card.

The model knows nothing of the product: it adds bytes up by cycle and says on which day which card is stopped and freed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.cycle_rollover import turn_over_day
from app.jobs.housekeeping import run_housekeeping
from app.jobs.usage_pull import pull_usage
from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway, card, iccid
from tests.usecases.usage.reporting import report, send

HOME = ZoneInfo("Asia/Shanghai")
MB = 1 << 20
GB = 1 << 30
CARRIERS = ("cmcc", "cucc", "ctcc")


@dataclass
class Model:
    """One card by the book: gsl stops above 100 MB, flexem at 3 GB; the cycle frees it; expiry ends it.

    The next cycle frees an expired card of its stop too (ST-2, ST-15), but nothing runs for that: no resume.
    """

    carrier: str
    terms: str
    expires_on: date
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stop: str | None = None
    expired: bool = False
    story: list[tuple[str, str]] = field(default_factory=list)
    resumes: int = 0

    def cycle(self, day: date) -> str:
        shifted = day + timedelta(days=5) if self.carrier == "cucc" else day
        if self.carrier == "cucc" and day.day < 27:
            shifted = day
        if self.carrier == "cucc" and day.day >= 27:
            shifted = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        return shifted.strftime("%Y-%m")

    def begin(self, day: date) -> None:
        """What the start of a day does."""
        if self.stop and self.cycle(day) != self.cycle(day - timedelta(days=1)):
            self.story.append(("lifted", self.stop))
            self.stop = None
            self.resumes += not self.expired
        if day > self.expires_on and not self.expired:
            self.expired = True
            self.story.append(("added", "plan_expired"))

    def use(self, day: date, amount: int) -> None:
        """Traffic of a day."""
        self.used[self.cycle(day)] += amount
        used = self.used[self.cycle(day)]
        stop = "over_quota" if self.terms == "gsl" and used > 100 * MB else None
        stop = "policy_cutoff" if self.terms == "flexem" and used >= 3 * GB else stop
        if stop and self.stop is None:
            self.stop = stop
            self.story.append(("added", stop))


@dataclass
class Year:
    """So many cards for so many days."""

    gateway: Gateway
    size: int
    length: int
    random: random.Random = field(default_factory=lambda: random.Random(2026))
    models: dict[str, Model] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def today(self) -> date:
        return self.gateway.ctx.now().astimezone(HOME).date()

    async def move_to(self, day: date, hour: int, minute: int = 0) -> None:
        target = datetime.combine(day, time(hour, minute), HOME)
        await self.gateway.advance(seconds=max(0.0, (target - self.gateway.ctx.now()).total_seconds()))

    async def populate(self) -> None:
        """Import the fleet, to both sides."""
        begins = self.today
        rows = []
        for n in range(self.size):
            short = self.random.random() < 0.1
            left = self.random.randrange(5, max(6, self.length - 5)) if short else 3_000
            carrier, terms = CARRIERS[n % 3], ("gsl", "gsl", "flexem")[n % 7 % 3]
            expires = begins + timedelta(days=left)
            row = {
                "iccid": iccid(n + 7_000_000),
                "carrier": carrier,
                "terms": terms,
                "activated_on": (begins - timedelta(days=40)).isoformat(),
                "opened_on": (begins - timedelta(days=60)).isoformat(),
                "expires_on": expires.isoformat(),
            }
            rows.append(card(n, **row))
            self.models[row["iccid"]] = Model(carrier=carrier, terms=terms, expires_on=expires)
        await self.gateway.fleet(*rows)

    async def live(self) -> None:
        """Day by day: midnight, expiry, a weekly pull, traffic, what it brings."""
        ctx, first = self.gateway.ctx, self.today + timedelta(days=1)
        for n in range(self.length):
            day = first + timedelta(days=n)
            await self.move_to(day, 0, 1)
            await turn_over_day(ctx, HOME)
            await self.move_to(day, 0, 5)
            await expire_zone(ctx, HOME)
            for model in self.models.values():
                model.begin(day)
            await self.gateway.settle()
            if n % 7 == 0:
                await self.move_to(day, 2, 30)
                await pull_usage(ctx)
                await run_housekeeping(ctx)
                await self.gateway.settle()
            await self.move_to(day, 12)
            await self.traffic(day)
            await self.gateway.settle()
            await self.request_refused_actions(day)
            for account in ctx.accounts:  # whoever waits behind the brake (ST-25) is let go by a person the same day
                assert (await self.gateway.api.post(f"/v1/admin/accounts/{account}/release-brake")).is_success
            await self.gateway.settle()

    async def traffic(self, day: date) -> None:
        """A seventh of the free cards use something; gateway and carrier both count it."""
        now = self.gateway.ctx.now()
        records: list[dict[str, Any]] = []
        for n, (name, model) in enumerate(self.models.items()):
            if n % 7 != day.toordinal() % 7 or model.stop or model.expired:
                continue
            low, high = (10, 55) if model.terms == "gsl" else (300, 1200)
            amount = self.random.randrange(low, high) * MB
            model.use(day, amount)
            records.append(report(name, now, amount, number=f"{name}-{day}", gateway=f"gw-{n % 5}"))
        for start in range(0, len(records), 20):
            await asyncio.gather(
                *(
                    self.gateway.control.post("/_control/traffic", json={"iccid": r["iccid"], "bytes": r["bytes"]})
                    for r in records[start : start + 20]
                )
            )
        if records:
            told = await send(self.gateway.api, records)
            assert told["accepted"] == len(records)

    async def request_refused_actions(self, day: date) -> None:
        """Every action that a dry run refuses on the day's cards is refused alike, and no remedy offers it (ST-26)."""
        names = list(self.models)
        for name in (names[(day.toordinal() * 2 + n) % len(names)] for n in range(min(2, len(names)))):
            explained = (await self.gateway.api.get(f"/v1/sims/{name}/explanation")).json()
            remedies = [remedy for hold in explained["holds"] for remedy in hold["remedies"]]
            offered = {remedy["action"] for remedy in remedies if remedy["allowed_now"]}
            for action in ("activate", "suspend", "resume"):
                await self.request_if_refused(name, action, offered)

    async def request_if_refused(self, name: str, action: str, offered: set[str]) -> None:
        """One action: sent only where the dry run refuses it, as what is allowed is no part of the model."""
        path = f"/v1/sims/{name}/{action}"
        dry = (await self.gateway.api.post(path, params={"dry_run": "true"}, json={})).json()
        if dry["allowed"]:
            return
        answer = await self.gateway.api.post(path, json={})
        assert answer.status_code in (409, 422), (name, action, answer.text)
        assert answer.json()["code"] == dry["refusal"]["code"], (name, action)
        assert action not in offered, (name, action)
        self.refused[action] += 1

    async def stories(self) -> dict[str, list[tuple[str, str]]]:
        """What really happened to each card's holds, in order, each with a rule."""
        async with self.gateway.ctx.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT s.iccid, h.before, h.after, h.rule FROM sim_history h JOIN sims s ON s.id = h.sim_id"
                " WHERE h.what = 'hold' ORDER BY h.id"
            )
        told: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in rows:
            assert row["rule"], dict(row)
            told[row["iccid"]].append(("added", row["after"]) if row["after"] else ("lifted", row["before"]))
        return told

    async def used(self) -> dict[str, dict[str, int]]:
        """What is counted of each card, by cycle."""
        async with self.gateway.ctx.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT s.iccid, c.cycle, c.reported, coalesce(c.figures, 0) + c.reported_since AS used"
                " FROM usage_cycles c JOIN sims s ON s.id = c.sim_id WHERE c.reported > 0"
            )
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for row in rows:
            name = f"{row['cycle'] // 100:04d}-{row['cycle'] % 100:02d}"
            assert row["reported"] == row["used"], dict(row)
            found[row["iccid"]][name] = row["used"]
        return found
