"""The audit compares every counter with what it was made of; what it finds is told, and mended by nobody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.jobs.gauges import count
from app.jobs.runner import run_slot
from app.jobs.schedule import HOUSEKEEPING, jobs_for
from app.usecases.usage import audit as usage_audit
from app.usecases.usage.audit import audit_usage
from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, report, send

NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")
RIGHT = {"reported_differs": 0, "figures_differs": 0, "pool_differs": 0}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


async def _cards(gateway: Gateway) -> list[str]:
    """One card alone and two of a pool, with reports of both cycles and every kind of figure."""
    plan = {"id": "cmcc-pool", "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "kind": "pool_backward"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": "p1", "name": "x", "kind": "backward", "carrier": "cmcc", "plan": "cmcc-pool"}
    assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    member = {"plan": "cmcc-pool", "pool": "p1", "terms": "gsl"}
    cards = await gateway.fleet({}, member, member)
    for n, card in enumerate(cards):
        days = [
            datetime(2026, 11, 20, 10, tzinfo=HOME),
            *(datetime(2026, 12, d, 10, tzinfo=HOME) for d in range(1, 15)),
        ]
        await send(gateway.api, [report(card, at, 1 << k, number=f"{n} {k}") for k, at in enumerate(days)])
        await _correct(gateway, iccid=card, cycle="2026-11", bytes=7)
        await _correct(gateway, iccid=card, cycle="2026-12", bytes=90, as_of=datetime(2026, 12, 8, 12, tzinfo=HOME))
        await _correct(gateway, iccid=card, day="2026-12-08", bytes=50)
        await _correct(gateway, iccid=card, day="2026-12-11", bytes=60)
        late = [datetime(2026, 12, d, 23, tzinfo=HOME) for d in (3, 8, 11, 12)]
        await send(gateway.api, [report(card, at, 3, number=f"{n} late {k}") for k, at in enumerate(late)])
    return cards


async def _correct(gateway: Gateway, **figure: Any) -> None:
    shown = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in figure.items()}
    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": [shown]})
    assert answer.json()["applied"] == 1, answer.text


async def _change(gateway: Gateway, change: str, card: str, cycle: int) -> None:
    async with gateway.ctx.pool.acquire() as connection:
        where = "sim_id = (SELECT id FROM sims WHERE iccid = $1) AND cycle = $2"
        done = await connection.execute(f"UPDATE usage_cycles SET {change} WHERE {where}", card, cycle)  # noqa: S608
    assert done == "UPDATE 1"


async def test_what_reports_figures_and_corrections_made_in_any_order_is_right(gateway: Gateway) -> None:
    await _cards(gateway)

    assert await audit_usage(gateway.ctx) == {"counters_audited": 6} | RIGHT


@pytest.mark.parametrize(("which", "cycle"), [(0, 202612), (1, 202611)])
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("reported = reported + 1", "reported"),
        ("figures = figures + 1", "figures"),
        ("figures = NULL", "figures"),
        ("reported_since = reported_since + 1", "figures"),
        ("figures_to = 'epoch'", "figures"),
        ("has_day_figures = NOT has_day_figures", "figures"),
    ],
)
async def test_a_counter_that_is_not_what_it_was_made_of_is_found_and_left_as_it_is(
    gateway: Gateway, change: str, kind: str, cycle: int, which: int
) -> None:
    cards = await _cards(gateway)
    await _change(gateway, change, cards[which], cycle)

    for _ in range(2):
        assert await audit_usage(gateway.ctx) == {"counters_audited": 6} | RIGHT | {f"{kind}_differs": 1}


async def test_two_errors_of_a_pool_that_cancel_out_are_both_found(gateway: Gateway) -> None:
    _, one, two = await _cards(gateway)
    await _change(gateway, "reported = reported + 5", one, 202612)
    await _change(gateway, "reported = reported - 5", two, 202612)

    assert (await audit_usage(gateway.ctx))["reported_differs"] == 2


async def test_a_counter_of_another_pool_is_found_while_its_cycle_runs(gateway: Gateway) -> None:
    alone, member, _ = await _cards(gateway)
    await _change(gateway, "pool_ref = NULL", member, 202612)
    await _change(gateway, "pool_ref = 4711", alone, 202612)
    await _change(gateway, "pool_ref = NULL", member, 202611)  # as one that joined since has it

    assert (await audit_usage(gateway.ctx))["pool_differs"] == 2


async def test_reports_without_a_counter_are_found(gateway: Gateway) -> None:
    _, member, _ = await _cards(gateway)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            "DELETE FROM usage_cycles WHERE sim_id = (SELECT id FROM sims WHERE iccid = $1)", member
        )

    assert await audit_usage(gateway.ctx) == {"counters_audited": 6} | RIGHT | {"reported_differs": 2}


async def test_what_the_nightly_audit_found_is_a_gauge_of_every_process(gateway: Gateway) -> None:
    _, member, _ = await _cards(gateway)
    await _change(gateway, "reported = reported + 1", member, 202612)
    [job] = [job for job in jobs_for(gateway.ctx) if job.name == HOUSEKEEPING]

    await run_slot(gateway.ctx, job, NOON - timedelta(hours=8))
    await count(gateway.ctx)

    value = gateway.ctx.telemetry.registry.get_sample_value
    found = {kind: value("simgate_usage_audit_differences", {"kind": kind}) for kind in usage_audit.KINDS}
    assert found == {"reported": 1, "figures": 0, "pool": 0}


def test_the_sample_goes_around_the_end_and_meets_no_card_twice() -> None:
    size = usage_audit.SAMPLE
    assert usage_audit._window(10 * size, 3 * size) == [(3 * size, 4 * size)]
    assert usage_audit._window(10 * size, 10 * size - 100) == [(10 * size - 100, 11 * size - 100), (0, size - 100)]
    assert usage_audit._window(7, 3) == [(3, size + 3), (0, 3)]
