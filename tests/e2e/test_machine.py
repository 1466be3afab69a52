"""A state machine of everything at once: wishes, bulk operations, faults, dying workers, notices, the clock.

After each step: no operation is lost, none doubled, at most one is open for a card. Once quiet: every operation took
effect exactly once, and what we hold and what the carriers show agree.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.db.events.inbox import InboxRow
from app.usecases.access import ensure_admin_key
from app.usecases.carrier_sync.notifications import process_notifications
from app.usecases.execution.worker import worker_round
from tests import databases
from tests.gateway import KEY, Gateway, open_gateway

FLEET: tuple[dict[str, Any], ...] = (
    {"carrier": "cmcc", "terms": "standard"},
    {"carrier": "cmcc", "terms": "standard", "state": "silent"},
    {"carrier": "cucc", "terms": "standard"},
    {"carrier": "cucc", "terms": "standard", "account": "cucc-cmp"},
    {"carrier": "ctcc", "terms": "standard"},
    {"carrier": "ctcc", "terms": "standard", "account": "ctcc-5g", "state": "silent"},
)
KINDS = ("activate", "suspend", "resume", "refresh", "reset-network", "cut-network", "restore-network")
FAULTS = (
    ("drop_before", {}),
    ("drop_after", {}),
    ("garbage", {"applied": True}),
    ("garbage", {"applied": False}),
    ("html", {"applied": True}),
    ("status_429", {"retry_after": 3}),
    ("status_500", {"applied": True}),
    ("status_500", {"applied": False}),
    ("revoke_token", {}),
)
OPEN = ("queued", "running", "waiting_carrier", "verifying")
PRODUCTS = {0: "0:2", 2: "addon-500m"}
SENSIBLE = {
    "active": ("suspend", "suspend", "order-addon", "reset-network", "cut-network", "refresh"),
    "suspended": ("resume", "restore-network"),
    "silent": ("activate",),
}
COUNTED = {"reset_network": ("suspend", "resume")}

cards = st.integers(0, len(FLEET) - 1)


class Machine(RuleBasedStateMachine):
    """One gateway is opened for all examples (`gateway`, `loop`, `dsn` are set by the test); each begins empty."""

    gateway: Gateway
    loop: asyncio.AbstractEventLoop
    dsn: str

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.accepted: set[str] = set()
        self.names: list[str] = []
        self.notices = 0
        self.do(self._begin())

    async def _begin(self) -> None:
        await databases.empty(self.dsn)
        await self.gateway.control.post("/_control/reset")
        await self.gateway.control.request("DELETE", "/_control/faults")
        settings = {"protocol": "*", "repeat_window_s": 0, "completion_s": 1}
        await self.gateway.control.post("/_control/settings", json=settings)
        await ensure_admin_key(self.gateway.ctx, KEY)
        self.names = await self.gateway.fleet(*FLEET)

    @rule(card=cards, kind=st.sampled_from(KINDS), wait=st.booleans())
    def ask(self, card: int, kind: str, *, wait: bool) -> None:
        answer = self.do(self.gateway.api.post(f"/v1/sims/{self.names[card]}/{kind}", json={"wait": wait}))
        assert answer.status_code in (202, 409, 422), answer.text
        if answer.status_code == 202:
            self.accepted.add(answer.json()["id"])

    @rule(chosen=st.sets(cards, min_size=3), fault=st.none() | st.sampled_from(FAULTS), data=st.data())
    def go_on(self, chosen: set[int], fault: tuple[str, dict[str, Any]] | None, data: st.DataObject) -> None:
        """What each card's state allows, under a fault that strikes some of it."""
        if fault is not None:
            self.misbehave(fault, 2)
        for card in sorted(chosen):
            sim = self.do(self.gateway.api.get(f"/v1/sims/{self.names[card]}")).json()
            kind = data.draw(st.sampled_from(SENSIBLE.get(sim["state"], KINDS)))
            if kind == "order-addon" and card in PRODUCTS:
                self.buy(card)
            else:
                self.ask(card, kind.replace("order-addon", "suspend"), wait=False)
        if data.draw(st.booleans()):
            self.pass_time(data.draw(st.sampled_from((1, 3, 10))))

    @rule(card=st.sampled_from((0, 2)))
    def buy(self, card: int) -> None:
        """What no carrier's word shows: sent twice, it would be paid twice."""
        body = {"addon": "500m", "product_code": PRODUCTS[card]}
        answer = self.do(self.gateway.api.post(f"/v1/sims/{self.names[card]}/order-addon", json=body))
        assert answer.status_code in (202, 409, 422), answer.text
        if answer.status_code == 202:
            self.accepted.add(answer.json()["id"])

    @rule(chosen=st.sets(cards, min_size=1), kind=st.sampled_from(("suspend", "resume", "activate")))
    def ask_in_bulk(self, chosen: set[int], kind: str) -> None:
        body = {"kind": kind, "selector": {"iccids": [self.names[card] for card in sorted(chosen)]}}
        answer = self.do(self.gateway.api.post("/v1/bulk-operations", json=body))
        assert answer.status_code == 202, answer.text

    @rule(fault=st.sampled_from(FAULTS), count=st.integers(1, 3))
    def misbehave(self, fault: tuple[str, dict[str, Any]], count: int) -> None:
        kind, params = fault
        self.do(self.gateway.fault(kind, count=count, **params))

    @rule(seconds=st.sampled_from((1, 3, 10, 60, 1000)))
    def pass_time(self, seconds: int) -> None:
        self.do(self.gateway.advance(seconds=seconds))

    @rule()
    def work_a_little(self) -> None:
        self.do(worker_round(self.gateway.ctx, limit=2))

    @rule(sent=st.booleans(), limit=st.integers(1, 4))
    def die(self, sent: bool, limit: int) -> None:
        """A worker claims, perhaps commits to sending, and is never heard of again."""
        self.do(self._die(sent, limit))

    async def _die(self, sent: bool, limit: int) -> None:
        ctx, lease = self.gateway.ctx, timedelta(milliseconds=1)
        async with ctx.work() as work:
            claimed = await work.operations.claim(now=ctx.now(), lease=lease, limit=limit)
            await work.commit()
        sends = [o for o in claimed if o.status == "running" and o.channel == "api" and o.kind != "refresh"]
        if sent and sends:
            async with ctx.work() as work:
                await work.operations.mark_sent(sends, ctx.now(), lease)
                await work.commit()
        await asyncio.sleep(0.002)

    @rule(card=cards, again=st.booleans())
    def be_told(self, card: int, again: bool) -> None:
        """A carrier's notice about a card, new or repeated: a hint, never a result."""
        self.notices += 0 if again and self.notices else 1
        self.do(self._be_told(self.names[card]))

    async def _be_told(self, name: str) -> None:
        ctx = self.gateway.ctx
        async with ctx.work() as work:
            record = await work.sims.get("default", name)
            assert record is not None
            row = InboxRow(
                account=record.account,
                external_id=str(self.notices),
                protocol="any",
                kind="state_changed",
                payload="{}",
                received_at=ctx.now(),
                iccid=name,
            )
            await work.inbox.add(row)
            await work.commit()
        await process_notifications(ctx)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.accepted:
            chosen = data.draw(st.sampled_from(sorted(self.accepted)))
            answer = self.do(self.gateway.api.post(f"/v1/operations/{chosen}/cancel"))
            assert answer.status_code in (200, 409), answer.text

    @invariant()
    def nothing_is_lost_doubled_or_open_twice(self) -> None:
        if self.names:
            self.do(self._check())

    async def _check(self) -> None:
        rows = await self.gateway.ctx.pool.fetch("SELECT id::text, iccid, kind, status, attempts FROM operations")
        assert self.accepted <= {row["id"] for row in rows}
        open_ones = Counter(row["iccid"] for row in rows if row["status"] in OPEN)
        assert not [name for name, count in open_ones.items() if count > 1]
        at_most: Counter[tuple[str, str]] = Counter()
        for row in rows:
            for kind in COUNTED.get(row["kind"], (row["kind"],)):
                at_most[row["iccid"], kind] += 1 if row["attempts"] else 0
        for name in self.names:
            for kind, count in (await self.gateway.carrier(name))["effects"].items():
                assert count <= at_most[name, kind], (name, kind, count)

    def teardown(self) -> None:
        if self.names:
            self.do(self._end())

    async def _end(self) -> None:
        await self.gateway.control.request("DELETE", "/_control/faults")
        ctx = self.gateway.ctx
        for step in (*[2] * 20, *[400] * 12, 90_000, *[2] * 10):
            await self.gateway.advance(seconds=step)
            await self._desk()
            if not await ctx.pool.fetchval("SELECT count(*) FROM operations WHERE settled_at IS NULL"):
                break
        rows = await ctx.pool.fetch("SELECT iccid, kind, status, step, history FROM operations")
        unsettled = [dict(row) for row in rows if row["status"] not in ("succeeded", "failed", "cancelled")]
        assert unsettled == []
        least: Counter[tuple[str, str]] = Counter()
        for row in rows:
            kinds = COUNTED.get(row["kind"], (row["kind"],))
            done = len(kinds) if row["status"] == "succeeded" else row["step"]
            for kind in kinds[:done]:
                least[row["iccid"], kind] += kind != "refresh"
        for name in self.names:
            card = await self.gateway.carrier(name)
            wanted = {kind: count for (iccid, kind), count in least.items() if iccid == name and count}
            assert card["effects"] == wanted, (name, [dict(row) for row in rows if row["iccid"] == name])
            sim = (await self.gateway.api.get(f"/v1/sims/{name}")).json()
            assert (card["state"], sim["state"]) in AGREED, (card, sim)

    async def _desk(self) -> None:
        """A person asks the carrier what it did, and says so."""
        query = {"channel": "desk", "status": "waiting_carrier", "limit": 500}
        for work in (await self.gateway.api.get("/v1/operations", params=query)).json()["items"]:
            assert work["kind"] == "order_addon", "all other changes show at the carrier"
            known = await self.gateway.ctx.pool.fetchval(
                "SELECT count(*) FROM operations WHERE iccid = $1 AND kind = 'order_addon' AND status = 'succeeded'",
                work["sim"],
            )
            found = (await self.gateway.carrier(work["sim"]))["effects"].get("order_addon", 0)
            outcome = "succeeded" if found > known else "failed"
            body = {"outcome": outcome, "note": "asked the carrier"}
            assert (await self.gateway.api.post(f"/v1/operations/{work['id']}/complete", json=body)).is_success


AGREED = {("active", "active"), ("suspended", "suspended"), ("silent", "silent")}


@pytest.mark.timeout(170)
def test_whatever_happens_each_operation_takes_effect_once(
    clean_database: str, database_dsn: str, tmp_path: Path
) -> None:
    loop = asyncio.new_event_loop()
    opening = open_gateway(clean_database, tmp_path, carriers="carriers-all.toml")
    try:
        Machine.gateway = loop.run_until_complete(opening.__aenter__())
        Machine.loop, Machine.dsn = loop, database_dsn
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=int(os.environ.get("SIMGATE_MACHINE_EXAMPLES", "8")),
                stateful_step_count=20,
                deadline=None,
                derandomize="SIMGATE_MACHINE_EXAMPLES" not in os.environ,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
        loop.run_until_complete(opening.__aexit__(None, None, None))
    finally:
        loop.close()
