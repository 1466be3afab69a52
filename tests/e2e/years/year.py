"""A mixed fleet lived day by day in the one clock, beside the model of what must become of it (`year_models`)."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.cycle_rollover import roll_over_day
from app.jobs.housekeeping import run_housekeeping
from app.jobs.loops import drain
from app.jobs.usage_pull import pull_usage
from app.usecases.carrier_sync.reconcile import reconcile
from app.usecases.sims.expire import expire_zone
from tests.e2e.years.year_fleet import ABROAD, HOME, TRAFFIC, MixedFleet
from tests.e2e.years.year_models import ALLOWANCE, MB, Card
from tests.usecases.usage.reporting import report, send

BRAKE = 50
"""Stops of an account in an hour that no brake holds back (ST-25)."""

PROBED: dict[str, dict[str, Any]] = {
    "activate": {},
    "suspend": {},
    "resume": {},
    "cut-network": {},
    "set-threshold": {"bytes": ALLOWANCE},
    "retain-number": {},
    "renew": {"months": 12},
    "join-pool": {"pool": "unicom"},
}
"""Actions that are requested where the dry run refuses them."""


@dataclass
class Year(MixedFleet):
    """The fleet's days; each card uses something every so many days."""

    every: int = 7
    refused: Counter[str] = field(default_factory=Counter)

    async def move_to(self, day: date, hour: int, minute: int = 0, zone: ZoneInfo = HOME) -> None:
        target = datetime.combine(day, time(hour, minute), zone)
        await self.gateway.advance(seconds=max(0.0, (target - self.gateway.ctx.now()).total_seconds()))

    async def quiet(self) -> None:
        """Until nothing is open; people do at once what waits for them."""
        for _ in range(40):
            await drain(self.gateway.ctx)
            async with self.gateway.ctx.work() as work:
                if not sum((await work.operation_search.open_counts()).values()):
                    return
            if not await self.done_by_people():
                await self.gateway.advance(seconds=1)
        raise AssertionError("operations stay open")

    async def done_by_people(self) -> int:
        """Complete what is on the desks' work list; gives how much that was."""
        query = {"channel": "desk", "status": "waiting_carrier", "limit": 500}
        waiting = (await self.gateway.api.get("/v1/operations", params=query)).json()["items"]
        for operation in waiting:
            body = {"outcome": "succeeded", "note": "done"}
            answer = await self.gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=body)
            assert answer.is_success, answer.text
        return len(waiting)

    async def live(self) -> None:
        """Day by day: midnight, expiry, a weekly pull, traffic, what it brings; the same abroad at its midnight."""
        ctx = self.gateway.ctx
        first = ctx.now().astimezone(HOME).date() + timedelta(days=1)
        at_home = [one for one in self.cards.values() if one.carrier != "overseas"]
        abroad = [one for one in self.cards.values() if one.carrier == "overseas"]
        for n in range(self.length):
            day = first + timedelta(days=n)
            if n % 30 == 29:
                sys.stdout.write(f"{day}\n")
                sys.stdout.flush()
            await self._turn(day, HOME, at_home)
            if n % 7 == 0:
                await self.move_to(day, 2, 30)
                await pull_usage(ctx)
                await run_housekeeping(ctx)
                await self.quiet()
            await self.move_to(day, 3)
            await self.traffic(day - timedelta(days=1), abroad)  # still the day before, and perhaps the cycle
            if n % 7 == 0:
                await self.move_to(day, 5, 30)
                await reconcile(ctx)
                await self.quiet()
            await self._turn(day, ABROAD, abroad)
            await self.move_to(day, 12)
            await self.traffic(day, at_home)
            for pool in self.pools.values():
                pool.look(day)
            await self.verify(day)
            await self.request_refused_actions(day)

    async def _turn(self, day: date, zone: ZoneInfo, cards: Iterable[Card]) -> None:
        """What is due at a midnight."""
        await self.move_to(day, 0, 1, zone)
        await roll_over_day(self.gateway.ctx, zone)
        await self.move_to(day, 0, 5, zone)
        await expire_zone(self.gateway.ctx, zone)
        for one in cards:
            one.begin(day)
        await self.quiet()

    async def traffic(self, day: date, cards: Iterable[Card]) -> None:
        """Some of the free cards use something; gateway and carrier both count it."""
        now = self.gateway.ctx.now()
        records: list[dict[str, Any]] = []
        for n, one in enumerate(cards):
            if n % self.every == day.toordinal() % self.every and one.uses:
                amount = self.random.randrange(*TRAFFIC.get(one.kind, (10, 55))) * MB
                one.use(day, amount)
                records.append(report(one.name, now, amount, number=f"{one.name}-{day}", gateway=f"gw-{n % 5}"))
        if records:
            lines = "\n".join(json.dumps({"iccid": one["iccid"], "bytes": one["bytes"]}) for one in records)
            assert (await self.gateway.control.post("/_control/traffic", content=lines)).is_success
            told = await send(self.gateway.api, records)
            assert told["accepted"] == len(records)
        await self.quiet()
        for account in self.braked:
            assert (await self.gateway.api.post(f"/v1/admin/accounts/{account}/release-brake")).is_success
        if self.braked:
            await self.quiet()

    @property
    def braked(self) -> list[str]:
        """Accounts in which so many cards may stop at once that the rest wait for a person's release (ST-25)."""
        cards = Counter(one.account for one in self.cards.values())
        return [account for account, number in cards.items() if number > BRAKE]

    async def verify(self, day: date) -> None:
        """Cards whose person registers today: refused before, verified, activated, in use from tomorrow on (LC-5)."""
        for name in [name for name, when in self.unverified.items() if when == day]:
            del self.unverified[name]
            path = f"/v1/sims/{name}"
            assert (await self.gateway.api.post(f"{path}/activate")).json()["rule"] == "LC-5"
            for action in ("verify-real-name", "activate"):
                answer = await self.gateway.api.post(f"{path}/{action}", json={})
                assert answer.status_code == 202, answer.text
                await self.person_registers(name)
                assert (await self.gateway.api.get(answer.headers["location"])).json()["status"] == "succeeded", action
            one = self.cards[name]
            one.active = True
            one.expires_on = date.fromisoformat((await self.gateway.api.get(path)).json()["expires_on"])

    async def person_registers(self, name: str) -> None:
        """What an operation of this card needs from people, and the time it takes."""
        for _ in range(5):
            await self.done_by_people()
            await self.gateway.settle(rounds=3)
            if (await self.gateway.api.get(f"/v1/sims/{name}")).json()["open_operation"] is None:
                return
            await self.gateway.advance(minutes=10)
        raise AssertionError(f"{name}: an operation stays open")

    async def request_refused_actions(self, day: date) -> None:
        """Every action that a dry run refuses on the day's cards is refused alike, and no remedy offers it (ST-26)."""
        names = list(self.cards)
        for name in (names[(day.toordinal() * 2 + n) % len(names)] for n in range(min(2, len(names)))):
            explained = (await self.gateway.api.get(f"/v1/sims/{name}/explanation")).json()
            remedies = [remedy for hold in explained["holds"] for remedy in hold["remedies"]]
            offered = {str(remedy["operation"]) for remedy in remedies if remedy["allowed_now"]}
            for action in PROBED:
                await self.request_if_refused(name, action, offered)

    async def request_if_refused(self, name: str, action: str, offered: set[str]) -> None:
        """One action: sent only where the dry run refuses it, as what is allowed is no part of the model."""
        path, body = f"/v1/sims/{name}/{action}", PROBED[action]
        dry = (await self.gateway.api.post(path, params={"dry_run": "true"}, json=body)).json()
        if dry.get("allowed"):
            return
        answer = await self.gateway.api.post(path, json=body)
        assert answer.status_code in (409, 422), (name, action, answer.text)
        told = dry.get("refusal", dry)
        assert answer.json()["code"] == told["code"], (name, action)
        assert action.replace("-", "_") not in offered, (name, action)
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

    async def drifts(self) -> list[dict[str, Any]]:
        """The disagreements with carriers that were told."""
        query = {"type": "carrier.drift_detected", "limit": 500}
        return list((await self.gateway.api.get("/v1/events", params=query)).json()["items"])

    async def requested_by_rules(self) -> dict[str, Counter[str]]:
        """The operations that rules began, by card and kind; each succeeded."""
        async with self.gateway.ctx.pool.acquire() as connection:
            rows = await connection.fetch("SELECT iccid, kind, status FROM operations WHERE source = 'rule'")
        assert {row["status"] for row in rows} <= {"succeeded"}
        told: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            told[row["iccid"]][row["kind"]] += 1
        return told
