"""Drives a stage: keeps operations coming on every protocol, kills workers at seeded moments, and counts what came."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import asyncpg

from app.db.connection import DATABASE_ERRORS
from app.db.mapping import SimRecord
from app.domain.operation.refusal import Refusal
from app.domain.vocabulary import HoldCode, OperationKind, OperationSource
from app.usecases.bulk.request import RequestBulk, request_bulk
from app.usecases.bulk.selectors import IccidList
from app.usecases.catalogue.plans import put_plans, read_plan
from app.usecases.imports.file import import_sims
from app.usecases.imports.formats import ndjson_rows
from app.usecases.operations.request_many import RequestMany, request_many
from tests.e2e.crash.stage import LEASE_S, PROTOCOLS, SLOWEST_S, Stage
from tests.gateway import iccid

TENANT = "default"
MB = 1 << 20
CUTTERS = frozenset({"ctcc_cmp", "ctwing", "gsl"})
"""Protocols that can cut the network alone and set a threshold."""

SELLERS = {"onelink": "0:2", "jasper": "addon-100m"}
"""Protocols that order an add-on by API, with a product code: what no carrier's word shows (OP-3)."""

UNSHOWN = frozenset({OperationKind.ORDER_ADDON, OperationKind.SET_THRESHOLD})
"""What may end at the desk: an add-on shows nowhere, and of a card without a threshold Telecom's word tells nothing."""


@dataclass
class Tally:
    """What the kills hit: operations of each protocol by the phase they were in."""

    kills: int = 0
    telling: int = 0
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of(self, protocol: str) -> int:
        return sum(count for (name, _), count in self.hits.items() if name == protocol)

    def shown(self) -> str:
        hits = ", ".join(f"{name} {phase} {count}" for (name, phase), count in sorted(self.hits.items()))
        return f"{self.kills} kills, {self.telling} with operations in hand: {hits}"


class Drive:
    """One run over one stage."""

    def __init__(self, stage: Stage, seed: int, *, cards: int, protocols: Sequence[str] = tuple(PROTOCOLS)) -> None:
        self.stage = stage
        self.ctx = stage.container.context
        self.random = random.Random(seed)
        self.tally = Tally()
        self.asked: Counter[str] = Counter()
        self._cards = cards
        self._protocols = protocols
        self.fleet: dict[str, list[str]] = {}
        self._buyers: set[str] = set()

    async def put_fleet(self) -> None:
        """Cards for every protocol, known to carriers and gateway alike."""
        rows = []
        for place, name in enumerate(self._protocols):
            account, carrier = PROTOCOLS[name]
            numbers = range(place * 10_000, place * 10_000 + self._cards)
            rows.extend(_card(number, carrier, account, gsl=name == "gsl") for number in numbers)
            self.fleet[name] = [row["iccid"] for row in rows[-self._cards :]]
            if name in SELLERS:
                self._buyers.update(self.fleet[name][: max(self._cards // 8, 1)])
        lines = "\n".join(json.dumps(row) for row in rows)
        headers = {"Content-Type": "application/x-ndjson"}
        answer = await self.stage.control.post("/_control/sims", content=lines, headers=headers)
        assert answer.json()["rejected"] == [], answer.text
        ours = [{name: value for name, value in row.items() if name != "gsl"} for row in rows]
        async with self.ctx.work() as work:
            plans = [
                read_plan({"id": f"{carrier}-1g", "carrier": carrier, "allowance": 1 << 30, "months": 12})
                for carrier in ("cmcc", "cucc", "ctcc")
            ]
            await put_plans(self.ctx, work, TENANT, plans, actor="test")
            text = "\n".join(json.dumps(row) for row in ours)
            report = await import_sims(self.ctx, work, TENANT, ndjson_rows(BytesIO(text.encode())))
            assert report.rejected == []
            await work.commit()

    async def ask_for_more(self, at_most: int) -> int:
        """Ask for the next operation of some idle cards of every protocol."""
        asked = 0
        async with self.ctx.work() as work:
            names = [name for cards in self.fleet.values() for name in cards]
            records = await work.sims.by_iccids(names, for_update=True)
            busy = await work.operations.open_of([record.id for record in records.values()])
            idle = [record for record in records.values() if record.id not in busy]
            chosen = self.random.sample(idle, min(at_most, len(idle)))
            wishes: dict[tuple[OperationKind, str], list[SimRecord]] = {}
            for record in chosen:
                kind, arguments = self._next(record)
                wishes.setdefault((kind, json.dumps(arguments)), []).append(record)
            for (kind, arguments), part in wishes.items():
                wish = RequestMany(kind=kind, source=OperationSource.API, arguments=json.loads(arguments), priority=0)
                became = await request_many(self.ctx, work, sorted(part, key=lambda r: r.id), wish)
                refused = [answer for answer in became.values() if isinstance(answer, Refusal)]
                assert not refused, refused[0]
                asked += len(part)
                self.asked[kind.value] += len(part)
            await work.commit()
        return asked

    async def ask_in_bulk(self) -> UUID:
        """One bulk operation over every card, to be fed by workers that are killed."""
        names = tuple(name for cards in self.fleet.values() for name in cards)
        wish = RequestBulk(tenant=TENANT, kind=OperationKind.SUSPEND, selector=IccidList(iccids=names))
        async with self.ctx.work() as work:
            bulk = await request_bulk(self.ctx, work, wish)
            await work.commit()
        return bulk.id

    async def count_bulk(self, bulk_id: UUID) -> None:
        """It has ended, every item of it too, and each item says what its operation says. Raises AssertionError."""
        for _ in range(240):
            rows = await self._fetch("SELECT status FROM bulk_operations")
            if rows[0]["status"] == "completed":
                break
            await asyncio.sleep(0.25)
        async with self.ctx.work() as work:
            counts = await work.bulk.counts(bulk_id)
        assert set(counts) <= {"succeeded", "failed"}, counts
        assert sum(counts.values()) == sum(map(len, self.fleet.values()))
        wrong = await self._fetch(
            "SELECT i.* FROM bulk_items i FULL JOIN (SELECT * FROM operations WHERE bulk_id IS NOT NULL) o"
            " ON o.id = i.operation_id WHERE i.operation_id IS DISTINCT FROM o.id OR i.status <> coalesce(o.status, 'failed')"
        )
        assert not wrong, wrong

    def _next(self, record: SimRecord) -> tuple[OperationKind, dict[str, Any]]:
        codes = {hold.code for hold in record.sim.holds}
        if HoldCode.MANUAL in codes:
            return OperationKind.RESUME, {}
        if HoldCode.NETWORK_CUT in codes:
            return OperationKind.RESTORE_NETWORK, {}
        protocol = next(name for name, (account, _) in PROTOCOLS.items() if account == record.account)
        if record.sim.iccid in self._buyers:
            return OperationKind.ORDER_ADDON, {"addon": "100m", "product_code": SELLERS[protocol]}
        dice = self.random.random()
        if protocol in CUTTERS and dice < 0.25:
            return OperationKind.CUT_NETWORK, {}
        if protocol in CUTTERS and dice < 0.4:
            return OperationKind.SET_THRESHOLD, {"bytes": self.random.randrange(100, 900) * MB}
        return OperationKind.SUSPEND, {}

    @asynccontextmanager
    async def busy(self, *, every_s: float = 0.1, at_most: int = 30) -> AsyncIterator[None]:
        """Operations keep coming while the block runs."""
        task = asyncio.create_task(self._keep_asking(every_s, at_most))
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_asking(self, every_s: float, at_most: int) -> None:
        while True:
            try:
                await self.ask_for_more(at_most)
            except DATABASE_ERRORS as error:
                print("asking:", type(error).__name__)
            await asyncio.sleep(every_s)

    async def slow_down(self) -> None:
        """Hold the phases of a call open, before and after it takes effect, for every protocol."""
        for when in ("before", "after"):
            for seconds in (0.05, SLOWEST_S):
                fault = {"protocol": "*", "operation": "*", "kind": "slow", "count": 4000}
                await self.stage.tell("faults", fault | {"params": {"seconds": seconds, "when": when}})

    async def in_hand(self) -> list[asyncpg.Record]:
        """Operations in some worker's hands now: their account, and the phase they are in."""
        return await self._fetch(
            "SELECT account, CASE WHEN status <> 'running' THEN 'asking' WHEN sent_at IS NULL THEN 'claimed'"
            " ELSE 'sent' END AS phase FROM operations WHERE lease_until > clock_timestamp()"
            " AND status IN ('running', 'verifying', 'waiting_carrier')"
        )

    async def _fetch(self, query: str) -> list[asyncpg.Record]:
        """A read that outlives a restart of the database."""
        for _ in range(100):
            try:
                return list(await self.ctx.pool.fetch(query))
            except DATABASE_ERRORS:
                await asyncio.sleep(0.1)
        raise AssertionError("the database is away")

    async def kill_one(self, *, longest_s: float) -> None:
        """Wait until something is in hand, then for a seeded moment, then kill a worker and start another."""
        workers = self.stage.workers
        workers.kill(await self._choose_worker(longest_s))
        await self._count_hit()
        await workers.start()

    async def freeze_one(self, *, longest_s: float) -> None:
        """The same, but the worker only stands still, for longer than its lease."""
        chosen = await self._choose_worker(longest_s)
        async with self.stage.workers.frozen(chosen):
            await self._count_hit()
            await asyncio.sleep(1.5 * LEASE_S)

    async def _choose_worker(self, longest_s: float) -> int:
        for _ in range(300):
            if await self.in_hand():
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(self.random.uniform(0, longest_s))
        return self.random.randrange(len(self.stage.workers.alive))

    async def _count_hit(self) -> None:
        found = await self.in_hand()
        names = {account: name for name, (account, _) in PROTOCOLS.items()}
        self.tally.kills += 1
        self.tally.telling += bool(found)
        self.tally.hits.update((names[row["account"]], row["phase"]) for row in found)

    async def until_quiet(self, *, within_s: float = 90) -> None:
        """Let the workers finish what can be finished without a person."""
        left: list[asyncpg.Record] = []
        for _ in range(int(within_s / 0.25)):
            left = await self._fetch(
                "SELECT account, kind, status, iccid, tries, run_after, lease_until, carrier_reference, history"
                " FROM operations WHERE settled_at IS NULL AND channel <> 'desk'"
                " AND NOT (kind IN ('order_addon', 'set_threshold') AND status = 'verifying') LIMIT 3"
            )
            if not left:
                return
            await asyncio.sleep(0.25)
        raise AssertionError([dict(row) for row in left])

    async def give_up_verifying(self) -> None:
        """A day later, what no carrier's word shows is a person's (OP-3)."""
        day = timedelta(hours=25)
        async with self.ctx.work() as work:
            await work.clock_offset.move(self.ctx.clock.offset + day)
            await work.commit()
        self.ctx.clock.adopt(self.ctx.clock.offset + day)
        await self.stage.tell("clock", {"advance": "25h"})
        for _ in range(240):
            if not await self.ctx.pool.fetchval("SELECT count(*) FROM operations WHERE status = 'verifying'"):
                return
            await asyncio.sleep(0.25)
        raise AssertionError("operations are still verifying a day later")

    async def count_effects(self) -> dict[str, int]:
        """Every operation took effect exactly once, or awaits the desk where OP-3 says so. Raises AssertionError."""
        rows = await self.ctx.pool.fetch(
            "SELECT iccid, kind, status, channel, count(*) AS n, max(error ->> 'detail') AS error, max(account) AS account"
            " FROM operations GROUP BY 1, 2, 3, 4"
        )
        done: Counter[tuple[str, str]] = Counter()
        doubtful: Counter[tuple[str, str]] = Counter()
        summary: Counter[str] = Counter()
        for row in rows:
            summary[f"{row['kind']} {row['status']}"] += row["n"]
            key = (row["iccid"], row["kind"])
            if row["status"] == "succeeded":
                done[key] += row["n"]
            else:
                assert row["status"] == "waiting_carrier", dict(row)
                assert row["channel"] == "desk", dict(row)
                assert row["kind"] in UNSHOWN, dict(row)
                doubtful[key] += row["n"]
        wrong = []
        for name in (name for cards in self.fleet.values() for name in cards):
            effects = (await self.stage.control.get(f"/_control/sims/{name}")).json()["effects"]
            for kind in {k for i, k in (*done, *doubtful) if i == name} | set(effects):
                least, found = done[name, kind], effects.get(kind, 0)
                if not least <= found <= least + doubtful[name, kind]:
                    wrong.append((name, kind, f"{least}+{doubtful[name, kind]} expected, {found} at the carrier"))
        assert not wrong, wrong
        return dict(sorted(summary.items()))

    async def count_agreement(self) -> None:
        """Once quiet, what we hold and what the carrier shows agree, and no card has two open operations."""
        async with self.ctx.work() as work:
            names = [name for cards in self.fleet.values() for name in cards]
            records = await work.sims.by_iccids(names)
        for name, record in records.items():
            card = (await self.stage.control.get(f"/_control/sims/{name}")).json()
            codes = {hold.code for hold in record.sim.holds}
            assert (card["state"] == "suspended") == (HoldCode.MANUAL in codes), (name, card, codes)
            assert ("network_cut" in card["holds"]) == (HoldCode.NETWORK_CUT in codes), (name, card, codes)


def _card(number: int, carrier: str, account: str, *, gsl: bool) -> dict[str, Any]:
    return {
        "iccid": iccid(3_000_000 + number),
        "msisdn": f"144{number:010d}",
        "imsi": f"46004{number:010d}",
        "carrier": carrier,
        "account": account,
        "terms": "standard",
        "plan": f"{carrier}-1g",
        "state": "active",
        "opened_on": "2026-05-01",
        "activated_on": "2026-06-10",
    } | ({"gsl": True} if gsl else {})
