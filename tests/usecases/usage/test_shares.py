"""`usage_pct_gte` by the steps of `usage_shares` finds what comparing every counter finds, whatever happened before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.sims.lists import by_steps, page_ids
from app.db.sims.search import SimFilter, where_of
from app.db.usage.counters import add_pack
from app.db.usage.shares import restate
from app.db.used import STEPS, step_of
from app.usecases.limits.upkeep import restate_shares
from app.usecases.sims.read import current_cycles
from tests.examples import tries
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import MB, NOON, set_clock
from tests.usecases.usage.reporting import HOME, report, send

PERCENTS = (1, 4, 10, 33, 50, 77, 80, 99, 100, 101, 150, 700, 5_000)
PLANS = {"small": 30 * MB, "large": 3_000 * MB, "none": 0}
CARDS = 3
BYTES = st.sampled_from([1, 0, MB // 3, 3 * MB, 24 * MB, 30 * MB, 31 * MB, 2_400 * MB, 40_000 * MB])
WHICH, DAYS = st.integers(0, CARDS - 1), st.integers(1, 14)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("report"), WHICH, BYTES, DAYS),
        st.tuples(st.just("figure"), WHICH, BYTES, DAYS),
        st.tuples(st.just("pack"), WHICH, BYTES.filter(bool), DAYS),
        st.tuples(st.just("plan"), WHICH, st.sampled_from(sorted(PLANS)), DAYS),
        st.tuples(st.just("allowance"), WHICH, BYTES, DAYS),
        st.tuples(st.just("evaluate"), WHICH, st.just(0), DAYS),
        st.tuples(st.just("activate"), WHICH, st.just(0), DAYS),
        st.tuples(st.just("turn"), WHICH, st.just(0), DAYS),
    ),
    min_size=1,
    max_size=12,
)
numbers = count()

_TRUTH = """
SELECT s.id FROM sims s JOIN plans p ON p.tenant = s.tenant AND p.id = s.plan
  JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = $3
 CROSS JOIN LATERAL (SELECT greatest(coalesce(c.figures, 0) + c.reported_since
     - CASE WHEN c.figures_to >= c.tested_to THEN 0 ELSE coalesce(c.tested, 0) END, 0) AS used) u
 WHERE s.id = ANY($1) AND used > 0 AND used::numeric * 100 >= $2 * (p.allowance::numeric + c.addons) ORDER BY 1
"""


_STATED = (
    "SELECT sim_id, cycle, allowance, step FROM usage_shares WHERE sim_id = $1",
    "SELECT share_at FROM usage_cycles WHERE sim_id = $1",
)


@dataclass
class Fleet:
    """Some cards, and what happens to them."""

    gateway: Gateway
    cards: list[str]
    ids: list[int] = field(default_factory=list)

    async def change(self, kind: str, which: int, value: Any, day: int) -> None:
        await getattr(self, f"_{kind}")(which, value, day)

    async def _report(self, which: int, amount: int, day: int) -> None:
        at = self.gateway.ctx.now() - timedelta(days=day)
        await send(self.gateway.api, [report(self.cards[which], at, amount, number=next(numbers))])

    async def _figure(self, which: int, amount: int, day: int) -> None:
        at = self.gateway.ctx.now() - timedelta(hours=day)
        row = {"iccid": self.cards[which], "cycle": f"{at.astimezone(HOME):%Y-%m}", "bytes": amount}
        answer = await self.gateway.api.post(
            "/v1/usage/corrections", json={"corrections": [row | {"as_of": at.isoformat()}]}
        )
        assert answer.status_code == 200, answer.text

    async def _pack(self, which: int, amount: int, _: int) -> None:
        async with self.gateway.ctx.pool.acquire() as connection, connection.transaction():
            await add_pack(connection, self.ids[which], self.cycle, amount, self.gateway.ctx.now())

    async def _plan(self, which: int, plan: str, _: int) -> None:
        await self._execute("UPDATE sims SET plan = $2 WHERE id = $1", self.ids[which], plan)

    async def _allowance(self, which: int, amount: int, _: int) -> None:
        await self._execute("UPDATE plans SET allowance = $2 WHERE id = $1", sorted(PLANS)[which], amount)

    async def _activate(self, which: int, _: int, day: int) -> None:
        await self._execute(
            "UPDATE sims SET underlying = 'testing', state = 'testing', activated_on = NULL WHERE id = $1",
            self.ids[which],
        )
        await self.gateway.api.post(f"/v1/sims/{self.cards[which]}/activate")
        await self.gateway.settle()

    async def _evaluate(self, *_: int) -> None:
        await self.gateway.settle()

    async def _turn(self, *_: int) -> None:
        """The next cycle is there; nobody has done anything about it."""
        first = (self.gateway.ctx.now().astimezone(HOME).replace(day=1) + timedelta(days=45)).replace(day=15)
        set_clock(self.gateway, first)

    async def _execute(self, statement: str, *arguments: Any) -> None:
        await self.gateway.ctx.pool.execute(statement, *arguments)

    @property
    def cycle(self) -> int:
        return int(f"{self.gateway.ctx.now().astimezone(HOME):%Y%m}")

    async def used_so_much(self, percent: int) -> list[int]:
        """By comparing each counter."""
        found = await self.gateway.ctx.pool.fetch(_TRUTH, self.ids, percent, self.cycle)
        return [row["id"] for row in found]


async def _in_pages(pool: asyncpg.Pool[asyncpg.Record], wanted: SimFilter) -> list[int]:
    found: list[int] = []
    while page := await by_steps(pool, "default", wanted, found[-1] if found else 0, 1):
        found += page
    return found


async def _found(gateway: Gateway, wanted: SimFilter) -> tuple[list[int], list[int], list[int]]:
    """By a look at the next cards, by the steps in pages of one card, and by the plain condition."""
    where, arguments = where_of("default", wanted)
    pool = gateway.ctx.pool
    rows = await pool.fetch(f"SELECT s.id FROM sims s WHERE {where} ORDER BY s.id", *arguments)  # noqa: S608
    looked = await page_ids(pool, "default", wanted, after=0, limit=1_000)
    return looked, await _in_pages(pool, wanted), [row["id"] for row in rows]


async def _fleet(gateway: Gateway) -> Fleet:
    first = 5_000_000 + CARDS * next(numbers)
    rows = [{"iccid": iccid(first + n), "msisdn": None, "imsi": None, "plan": "small"} for n in range(CARDS)]
    cards = await gateway.fleet(*rows)
    found = await gateway.ctx.pool.fetch("SELECT id FROM sims WHERE iccid = ANY($1) ORDER BY id", cards)
    return Fleet(gateway, cards, [row["id"] for row in found])


@pytest.fixture(autouse=True)
async def plans(gateway: Gateway) -> None:
    """Plans of very different allowances, and a card's fifteenth of the month."""
    set_clock(gateway, NOON)
    for plan, allowance in PLANS.items():
        body = {"id": plan, "carrier": "cmcc", "allowance": allowance, "months": 12, "kind": "card"}
        answer = await gateway.api.post("/v1/plans", json=body)
        assert answer.status_code in {200, 201}, answer.text


@given(changes=CHANGES)
@settings(max_examples=tries(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_steps_find_what_comparing_every_counter_finds(gateway: Gateway, changes: Sequence[Any]) -> None:
    set_clock(gateway, max(gateway.ctx.now(), NOON))
    await gateway.ctx.pool.execute("DELETE FROM usage_shares; DELETE FROM usage_cycles")
    fleet = await _fleet(gateway)
    for change in changes:
        await fleet.change(*change)
        for percent in PERCENTS:
            wanted = SimFilter(usage_pct_gte=percent, cycles=current_cycles(gateway.ctx))
            expected = await fleet.used_so_much(percent)
            assert await _found(gateway, wanted) == (expected, expected, expected), (change, percent)


async def test_a_card_used_before_there_were_shares_is_found_after_the_night(gateway: Gateway) -> None:
    fleet = await _fleet(gateway)
    await fleet.change("report", 0, 24 * MB, 1)
    await gateway.ctx.pool.execute("DELETE FROM usage_shares; UPDATE usage_cycles SET share_at = NULL")
    wanted = SimFilter(usage_pct_gte=80, cycles=current_cycles(gateway.ctx))
    before = await _in_pages(gateway.ctx.pool, wanted)

    restated = await restate_shares(gateway.ctx)

    assert (before, restated, await _in_pages(gateway.ctx.pool, wanted)) == ([], 1, fleet.ids[:1])
    assert await restate_shares(gateway.ctx) == 0


@pytest.mark.parametrize("plan", sorted(PLANS))
@pytest.mark.parametrize("amount", [0, 1, 3 * MB - 1, 3 * MB, 24 * MB, 29 * MB, 400 * MB])
async def test_a_first_report_writes_its_counter_once_with_the_share_that_restating_would_write(
    gateway: Gateway, plan: str, amount: int
) -> None:
    fleet = await _fleet(gateway)
    await gateway.ctx.pool.execute("TRUNCATE usage_cycles")
    await fleet.change("plan", 0, plan, 1)
    await fleet.change("report", 0, amount, 1)
    pool, ids = gateway.ctx.pool, fleet.ids[:1]
    written = await pool.fetchval("SELECT ctid::text FROM usage_cycles WHERE sim_id = $1", ids[0])
    first = [await pool.fetchrow(one, ids[0]) for one in _STATED]

    async with pool.acquire() as connection:
        await restate(connection, [(ids[0], fleet.cycle)])

    assert written == "(0,1)"
    assert [await pool.fetchrow(one, ids[0]) for one in _STATED] == first


async def test_a_report_within_a_step_writes_no_share(gateway: Gateway) -> None:
    fleet = await _fleet(gateway)
    await fleet.change("report", 0, 24 * MB, 1)
    before = await gateway.ctx.pool.fetchval("SELECT xmin::text FROM usage_shares WHERE sim_id = $1", fleet.ids[0])

    await fleet.change("report", 0, MB, 1)

    after = await gateway.ctx.pool.fetchval("SELECT xmin::text FROM usage_shares WHERE sim_id = $1", fleet.ids[0])
    assert before is not None
    assert before == after


async def test_a_page_goes_on_where_many_candidates_match_nothing_else(gateway: Gateway) -> None:
    """Rounds over cards that have used enough and are not in the pool asked for, until the one that is."""
    rows = [{"iccid": iccid(7_000_000 + n), "msisdn": None, "imsi": None, "plan": "small"} for n in range(40)]
    cards = await gateway.fleet(*rows)
    at = gateway.ctx.now() - timedelta(hours=1)
    await send(gateway.api, [report(one, at, 30 * MB, number=next(numbers)) for one in cards])
    last = await gateway.ctx.pool.fetchval(
        'UPDATE sims SET tags = \'{"last": "1"}\' WHERE iccid = $1 RETURNING id', cards[-1]
    )
    wanted = SimFilter(usage_pct_gte=80, tags={"last": "1"}, cycles=current_cycles(gateway.ctx))

    assert await by_steps(gateway.ctx.pool, "default", wanted, 0, 1) == [last]
    assert await page_ids(gateway.ctx.pool, "default", replaced(wanted, cards[-1]), after=0, limit=5) == []


def replaced(wanted: SimFilter, card: str) -> SimFilter:
    """The same with a number that no card has."""
    return SimFilter(usage_pct_gte=wanted.usage_pct_gte, msisdn=f"9{card[:10]}", cycles=wanted.cycles)


@pytest.mark.parametrize(("percent", "step"), [(1, 0), (79, 8), (80, 9), (84, 9), (100, 13), (100_000, len(STEPS))])
def test_a_step_begins_at_its_percent(percent: int, step: int) -> None:
    assert step_of(percent) == step


async def test_a_plan_changed_while_the_first_report_is_counted_is_the_shares_plan(gateway: Gateway) -> None:
    """Both orders: the second of the two transactions waits for the first, and leaves the plan that holds."""
    fleet = await _fleet(gateway)
    async with gateway.ctx.pool.acquire() as connection:
        changing = connection.transaction()
        await changing.start()
        await connection.execute("UPDATE sims SET plan = 'large' WHERE id = $1", fleet.ids[0])
        await fleet.change("report", 0, 24 * MB, 1)
        await changing.commit()

    found = await gateway.ctx.pool.fetchrow("SELECT plan, allowance FROM usage_shares WHERE sim_id = $1", fleet.ids[0])

    assert found is not None
    assert (found["plan"], found["allowance"]) == ("large", PLANS["small"])
    for percent in (1, 80):
        wanted = SimFilter(usage_pct_gte=percent, cycles=current_cycles(gateway.ctx))
        assert await _in_pages(gateway.ctx.pool, wanted) == await fleet.used_so_much(percent)
