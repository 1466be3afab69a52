"""The mixed fleet of the year, imported to both sides, each card with its model (`year_models`).

Standard, `gsl` and `flexem` terms, prepaid and postpaid pools, cards with personal real-name, an overseas account in another
zone whose carrier is a desk, over every account of `demo/carriers-all.toml`.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.e2e.years.year_models import ALLOWANCE, Card, Kind, Pool
from tests.gateway import Gateway, card, iccid

HOME = ZoneInfo("Asia/Shanghai")
ABROAD = ZoneInfo("Europe/Berlin")
NDJSON = {"Content-Type": "application/x-ndjson"}

ACCOUNTS: tuple[tuple[str, str, tuple[Kind, ...]], ...] = (
    ("cmcc-main", "cmcc", (Kind.GSL, Kind.FLEXEM, Kind.STOPS, Kind.CHARGED)),
    ("cucc-main", "cucc", (Kind.GSL, Kind.FLEXEM, Kind.STOPS)),
    ("ctcc-main", "ctcc", (Kind.GSL, Kind.FLEXEM, Kind.CHARGED)),
    ("overseas-desk", "overseas", (Kind.GSL, Kind.STOPS)),
    ("cucc-combined", "cucc", (Kind.GSL, Kind.FLEXEM)),
    ("cucc-cmp", "cucc", (Kind.STOPS, Kind.GSL)),
    ("ctcc-5g", "ctcc", (Kind.FLEXEM, Kind.GSL)),
    ("gsl-main", "ctcc", (Kind.GSL,)),
)
"""Account, carrier, and the kinds of its cards that are in no pool."""

POOLS: tuple[tuple[str, str, str, Kind], ...] = (
    ("unicom", "cucc-main", "cucc", Kind.PREPAID),
    ("mobile", "cmcc-main", "cmcc", Kind.PREPAID),
    ("telecom", "gsl-main", "ctcc", Kind.PREPAID),
    ("postpaid", "ctcc-main", "ctcc", Kind.POSTPAID),
)
"""Pool, account, carrier, kind; every fourth card is a member of one."""

TERMS = {Kind.FLEXEM: "flexem", Kind.STOPS: "standard", Kind.CHARGED: "standard"}
TRAFFIC = {Kind.FLEXEM: (300, 1200), Kind.CHARGED: (10, 150)}
"""MB on a day of use, where it is not 10 to 55."""


@dataclass
class MixedFleet:
    """So many cards, in use for so many days."""

    gateway: Gateway
    size: int
    length: int
    random: random.Random = field(default_factory=lambda: random.Random(2026))
    cards: dict[str, Card] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)
    unverified: dict[str, date] = field(default_factory=dict)
    """Cards that wait for their personal real-name, by the day on which it is verified."""

    async def populate(self) -> None:
        """Import the fleet, to both sides."""
        begins = self.gateway.ctx.now().astimezone(HOME).date()
        await self._plans_and_pools()
        rows = [self._row(n, begins) for n in range(self.size)]
        for pool in self.pools.values():
            pool.stop_at = ALLOWANCE * len(pool.members) // 2 if pool.kind is Kind.POSTPAID else 0
            if pool.stop_at:
                rules = await self.gateway.api.put(f"/v1/pools/{pool.name}/rules", json={"stop_at": pool.stop_at})
                assert rules.is_success, rules.text
        lines = "\n".join(json.dumps(row) for row in rows)
        theirs = "\n".join(json.dumps(row | {"gsl": row["account"] == "gsl-main"}) for row in rows)
        assert (await self.gateway.control.post("/_control/sims", content=theirs, headers=NDJSON)).is_success
        done = await self.gateway.api.post("/v1/sims/import", content=lines, headers=NDJSON)
        assert done.status_code == 200, done.text

    async def _plans_and_pools(self) -> None:
        for carrier in ("cmcc", "cucc", "ctcc", "overseas"):
            for name, kind in (("card", "card"), ("forward", "pool_forward"), ("backward", "pool_backward")):
                plan = {"id": f"{carrier}-{name}-100m", "carrier": carrier, "allowance": ALLOWANCE, "months": 12}
                assert (await self.gateway.api.post("/v1/plans", json=plan | {"kind": kind})).is_success
        for name, _, carrier, kind in POOLS:
            plan = f"{carrier}-{_plan_kind(kind)}-100m"
            body = {"id": name, "name": name, "kind": _plan_kind(kind), "carrier": carrier, "plan": plan}
            assert (await self.gateway.api.post("/v1/pools", json=body)).is_success
            self.pools[name] = Pool(name=name, carrier=carrier, kind=kind, members=[])

    def _row(self, n: int, begins: date) -> dict[str, Any]:
        """The import's row of the nth card; the model of the card is kept."""
        pool, single = None, n - n // 4
        if n % 4 == 3:
            pool, account, carrier, kind = POOLS[n // 4 % len(POOLS)]
        else:
            account, carrier, kinds = ACCOUNTS[single % len(ACCOUNTS)]
            kind = kinds[single // len(ACCOUNTS) % len(kinds)]
        short = pool is None and self.random.random() < 0.1
        left = self.random.randrange(5, max(6, self.length - 5)) if short else 3_000
        abroad = carrier == "overseas"
        name = iccid(n + 7_000_000, "898520" if abroad else "898600")
        waits = pool is None and single % 64 == 0
        one = Card(name=name, account=account, carrier=carrier, kind=kind, expires_on=begins + timedelta(days=left))
        one.active, one.desk = not waits, abroad
        self.cards[name] = one
        row = card(
            n,
            iccid=name,
            carrier=carrier,
            account=account,
            terms=TERMS.get(kind, "gsl"),
            plan=f"{carrier}-{_plan_kind(kind)}-100m",
            opened_on=(begins - timedelta(days=60)).isoformat(),
            activated_on=(begins - timedelta(days=40)).isoformat(),
            expires_on=one.expires_on.isoformat(),
            auto_stop=str(kind is Kind.STOPS).lower(),
        )
        if abroad:
            row["msisdn"] = f"4477{n:08d}"
        if pool:
            self.pools[pool].members.append(one)
            row["pool"] = pool
        if waits:
            # Before the forced activation of a silent card: half a year after its opening at the soonest.
            self.unverified[name] = begins + timedelta(days=2 + n % max(3, min(self.length // 2, 150)))
            one.expires_on = date.max
            row |= {"state": "silent", "real_name": "individual", "opened_on": (begins - timedelta(days=5)).isoformat()}
            del row["activated_on"], row["expires_on"]
        return row


def _plan_kind(kind: Kind) -> str:
    return {Kind.PREPAID: "forward", Kind.POSTPAID: "backward"}.get(kind, "card")
