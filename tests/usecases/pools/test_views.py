"""A pool's answer is the sum of its members' (PL-1, US-5), whatever happened to them and in whatever order."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.usecases.limits.upkeep import check_all_pools
from tests.examples import tries
from tests.gateway import Gateway, iccid
from tests.usecases.pools.pooling import MB, a_pool, cycle_of, done_at_desk, members_of, turn
from tests.usecases.usage.reporting import report, send

examples = count()

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.integers(0, 4), st.integers(0, 40), st.integers(1, 3 * MB)),
        st.tuples(st.just("correct"), st.integers(0, 4), st.booleans(), st.integers(0, 3 * MB)),
        st.tuples(st.just("join"), st.just(3)),
        st.tuples(st.just("import"), st.just(4)),
        st.tuples(st.just("activate"), st.just(2)),
        st.tuples(st.just("work")),
        st.tuples(st.just("refresh")),
        st.tuples(st.just("turn")),
    ),
    min_size=4,
    max_size=10,
)


@given(steps=STEPS)
@settings(max_examples=tries(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_pool_is_the_sum_of_its_members_after_every_step(gateway: Gateway, steps: list[Any]) -> None:
    life = Life(gateway, next(examples))
    await life.begin()
    closed: dict[str, dict[str, Any]] = {}
    for step in steps:
        await life.take(step)
        for name in life.cycles:
            await life.look(name)
        if step[0] == "turn":
            closed = {name: await cycle_of(gateway, life.pool, name) for name in life.cycles[:-1]}
        for name, was in closed.items():
            now = await cycle_of(gateway, life.pool, name)
            assert all(now[key] == was[key] for key in ("cards", "effective_cards", "total"))
            if step[0] in ("join", "import", "activate", "refresh", "work"):
                assert now == was
            closed[name] = now


class Life:
    """Five cards, of which two are active members, one is a silent one and two come later; and their pool."""

    def __init__(self, gateway: Gateway, example: int) -> None:
        self.gateway, self.example, self.pool = gateway, example, f"p{example}"
        self.names = [iccid(example * 10 + n + 2_000_000) for n in range(5)]
        self.cycles: list[str] = []
        self.number = count()

    async def begin(self) -> None:
        free = {"msisdn": None, "imsi": None, "terms": "standard", "expires_on": "2060-12-31"}
        rows = [{**free, "iccid": name} for name in self.names]
        rows[2] |= {"state": "silent", "expires_on": None, "opened_on": self.gateway.ctx.now().date().isoformat()}
        await a_pool(self.gateway, "forward", *rows[:3], name=self.pool)
        await self.gateway.fleet(*({**row, "plan": "cmcc-forward"} for row in rows[3:]))
        self.rows = rows
        self.cycles.append((await cycle_of(self.gateway, self.pool))["cycle"]["id"])

    async def take(self, step: tuple[Any, ...]) -> None:
        await getattr(self, f"_{step[0]}")(*step[1:])

    async def _report(self, card: int, days: int, amount: int) -> None:
        at = self.gateway.ctx.now() - timedelta(days=days, minutes=1)
        number = f"{self.example}-{next(self.number)}"
        await send(self.gateway.api, [report(self.names[card], at, amount, number=number)])

    async def _correct(self, card: int, past: bool, amount: int) -> None:
        await self.gateway.advance(minutes=1)
        name = self.cycles[-2] if past and len(self.cycles) > 1 else self.cycles[-1]
        body = [{"iccid": self.names[card], "cycle": name, "bytes": amount}]
        assert (await self.gateway.api.post("/v1/usage/corrections", json=body)).is_success

    async def _join(self, card: int) -> None:
        answer = await self.gateway.api.post(f"/v1/sims/{self.names[card]}/join-pool", json={"pool": self.pool})
        if answer.status_code == 202:
            await done_at_desk(self.gateway, answer)

    async def _import(self, card: int) -> None:
        await self.gateway.fleet({**self.rows[card], "plan": "cmcc-forward", "pool": self.pool})

    async def _activate(self, card: int) -> None:
        answer = await self.gateway.api.post(f"/v1/sims/{self.names[card]}/activate", json={})
        if answer.status_code == 202:
            await self.gateway.operation(answer)

    async def _work(self) -> None:
        await self.gateway.settle()

    async def _refresh(self) -> None:
        await check_all_pools(self.gateway.ctx)

    async def _turn(self) -> None:
        now = self.gateway.ctx.now()
        first = (now + timedelta(hours=8)).replace(day=1) + timedelta(days=32)
        await turn(self.gateway, f"{first:%Y-%m}-01T00:01:00+08:00")
        self.cycles.append((await cycle_of(self.gateway, self.pool))["cycle"]["id"])

    async def look(self, name: str) -> None:
        """The pool's used is its members', and a running cycle's is what each card shows of itself."""
        shown = await cycle_of(self.gateway, self.pool, name)
        members = await members_of(self.gateway, self.pool, name)
        assert shown["used"] == sum(used or 0 for used in members.values())
        if name != self.cycles[-1]:
            return
        cards = [(await self.gateway.api.get(f"/v1/sims/{card}")).json() for card in self.names]
        mine = {card["iccid"]: card["usage"]["used"] for card in cards if card["pool"] == self.pool}
        assert members == mine
        assert shown["total"] == 10 * MB * sum(used is not None for used in mine.values())
