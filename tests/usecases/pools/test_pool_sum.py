"""PL-1, PL-2, PL-5 in SQL: a pool's cycle is what the domain makes of its members' states and usage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.pools import rows
from app.domain.usage.pools import pool_usage as by_rule
from app.domain.vocabulary import PlanKind, SimState
from app.usecases.pools.views import pool_usage, running_cycle
from tests.examples import tries
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import NOON, set_clock
from tests.usecases.pools.pooling import MB, a_pool

examples = count()
STATES = (SimState.TESTING, SimState.SILENT, SimState.ACTIVE, SimState.EXPIRED, SimState.CANCELLED)
AMOUNTS = st.integers(0, 1 << 40)


@dataclass(frozen=True)
class Member:
    """A member as its rows have it, bytes of the running cycle; `day` None: no day of activation is known."""

    state: SimState
    day: date | None
    counters: tuple[int | None, int, int | None] | None
    """Figures, reports beside them, test traffic; None: no counter yet."""

    @property
    def used(self) -> int:
        """What counts for the pool: traffic of activated members apart from their tests."""
        known = self.day < date(2027, 1, 1) if self.day else self.state in (SimState.ACTIVE, SimState.EXPIRED)
        if not known or self.counters is None:
            return 0
        figures, since, tested = self.counters
        return max(0, (figures or 0) + since - (tested or 0))


ACTIVATION = st.sampled_from([None, date(2026, 11, 30), date(2026, 12, 31), date(2027, 1, 1)])
COUNTERS = st.none() | st.tuples(st.none() | AMOUNTS, AMOUNTS, st.none() | AMOUNTS)
MEMBERS = st.lists(st.builds(Member, st.sampled_from(STATES), ACTIVATION, COUNTERS), max_size=5)


@pytest.fixture(autouse=True)
async def in_december(gateway: Gateway) -> None:
    """The running cycle is December's."""
    set_clock(gateway, NOON)


@given(members=MEMBERS, addons=st.integers(0, 1 << 40))
@settings(max_examples=tries(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_running_cycle_is_the_sum_of_its_members(gateway: Gateway, members: list[Member], addons: int) -> None:
    example = next(examples)
    names = [iccid(4_000_000 + example * 10 + n) for n in range(len(members))]
    bare = {"msisdn": None, "imsi": None}
    await a_pool(gateway, "forward", *({**bare, "iccid": name} for name in names), name=f"sum-{example}")
    async with gateway.ctx.pool.acquire() as connection:
        pool = await rows.get(connection, "default", f"sum-{example}")
        assert pool is not None
        for name, member in zip(names, members, strict=True):
            sim_id = await connection.fetchval(
                "UPDATE sims SET underlying = $2, activated_on = $3 WHERE iccid = $1 RETURNING id",
                name,
                member.state.value,
                member.day,
            )
            if member.counters is not None:
                await connection.execute(
                    "INSERT INTO usage_cycles (sim_id, cycle, pool_ref, figures, reported_since, tested)"
                    " VALUES ($1, 202612, $2, $3, $4, $5)",
                    sim_id,
                    pool["ref"],
                    *member.counters,
                )
        await connection.execute(
            "INSERT INTO pool_cycles (pool_ref, cycle, addons) VALUES ($1, 202612, $2)", pool["ref"], addons
        )

        found, _ = await pool_usage(gateway.ctx, connection, pool, running_cycle(gateway.ctx, pool))

    active = [
        SimState.ACTIVE if member.state is SimState.ACTIVE and _activated(member) else SimState.SILENT
        for member in members
    ]
    used = sum(member.used for member in members)
    assert found == by_rule(PlanKind.PREPAID_POOL, 10 * MB, active, used=used, addons=addons)


def _activated(member: Member) -> bool:
    return member.day is None or member.day < date(2027, 1, 1)
