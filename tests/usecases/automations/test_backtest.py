"""A back-test says what happened: over the time in which an automation was armed, it finds the firings there were."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.retention import Record, Retention
from app.usecases.automations.backtest import backtest as backtest_of
from tests.gateway import Gateway
from tests.usecases.automations.automating import (
    NOTIFY,
    SUSPENDED,
    USED_80,
    armed,
    backtest,
    created,
    day,
    done,
    later,
)
from tests.usecases.limits.limiting import MB, use

CONDITIONS: tuple[dict[str, Any], ...] = (
    USED_80,
    {"kind": "usage", "per": "day", "bytes": 20 * MB},
    SUSPENDED,
    {"kind": "state", "state": "active"},
    SUSPENDED | {"longer_than": "9h"},
    {"kind": "deadline", "deadline": "expiry", "days": 5},
    {"kind": "deadline", "deadline": "cycle_end", "days": 2},
)


@pytest.mark.parametrize("seed", [1, 2])
async def test_over_the_time_it_was_armed_a_back_test_finds_what_fired(gateway: Gateway, seed: int) -> None:
    """Cards use, stop, run and near their ends at random; then the history is asked."""
    chance = random.Random(seed)
    names = await gateway.fleet({}, {"expires_on": "2026-12-01"}, {"carrier": "cucc"})
    paths = [await armed(gateway, when=when, then=NOTIFY) for when in CONDITIONS]
    first = day(gateway)
    for _ in range(14):
        name, what = chance.choice(names), chance.choice(["use", "use", "suspend", "resume"])
        if what == "use":
            await use(gateway, name, chance.randrange(1, 40) * MB)
        else:
            await gateway.api.post(f"/v1/sims/{name}/{what}")
            await gateway.settle()
        await gateway.advance(seconds=61)
        await gateway.advance(hours=chance.randrange(1, 18), minutes=chance.randrange(60))
    await later(gateway, minutes=1)
    last = day(gateway)
    fired = 0
    for path, when in zip(paths, CONDITIONS, strict=True):
        found = await backtest(gateway, path, first, last)
        live = await done(gateway, path)
        assert {(one["iccid"], one["occasion"]) for one in found["items"]} == live, when
        assert (found["fired"], found["cards"]) == (len(live), len({iccid for iccid, _ in live}))
        fired += len(live)
    assert fired > 10


async def test_a_past_cycle_is_judged_without_any_effect(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {}, {})
    await use(gateway, names[0], 79 * MB)
    await use(gateway, names[1], 81 * MB)
    await use(gateway, names[2], 500 * MB)
    await gateway.advance(days=14)
    path = await created(gateway, then={"kind": "operation", "operation": "suspend"})
    found = await backtest(gateway, path, "2026-11-01", "2026-11-30")
    assert (found["fired"], found["cards"], found["version"]) == (2, 2, 1)
    assert [(one["iccid"], one["occasion"]) for one in found["items"]] == [(n, "2026-11") for n in names[1:]]
    assert (await backtest(gateway, path, "2026-12-01", day(gateway)))["fired"] == 0
    assert (await gateway.api.get("/v1/operations")).json()["items"] == []
    assert (await gateway.api.get("/v1/events", params={"type": "automation.fired"})).json()["items"] == []


@pytest.mark.parametrize(
    ("first", "last"),
    [("2026-11-22", "2026-11-21"), ("2026-11-23", "2026-11-24"), ("2025-01-01", "2026-11-01"), ("soon", "2026-11-01")],
)
async def test_a_period_that_is_none_is_refused(gateway: Gateway, first: str, last: str) -> None:
    path = await created(gateway)
    refused = await gateway.api.get(f"{path}/backtest", params={"from": first, "to": last})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "query:from"


async def test_a_back_test_says_from_when_on_what_it_looked_at_is_kept(gateway: Gateway) -> None:
    await gateway.fleet({})
    on_events = await created(gateway, when=SUSPENDED)
    on_deadlines = await created(gateway, when={"kind": "deadline", "deadline": "expiry", "days": 5})
    a_day = await created(gateway, when={"kind": "usage", "per": "day", "bytes": 20 * MB})
    shorter = Retention(days=dict(Retention().days) | {Record.EVENTS: 60}, report_cycles=2)
    ctx, period = replace(gateway.ctx, retention=shorter), (date(2026, 9, 1), date(2026, 11, 21))

    async def found(path: str, first: date = period[0]) -> dict[str, Any]:
        return await backtest_of(ctx, "default", UUID(path.rpartition("/")[2]), first, period[1])

    since = ctx.now() - timedelta(days=60)
    seen = await found(on_events)
    kept = datetime.fromisoformat(seen["kept_from"])
    assert (seen["complete"], seen["fired"], since <= kept < since + timedelta(hours=1)) == (False, 0, True)
    assert (await found(on_events, since.date() + timedelta(days=1)))["complete"] is True
    assert (await found(on_deadlines))["kept_from"] is None
    assert (await found(a_day))["complete"] is False
    assert (await backtest(gateway, on_events, "2026-11-01", "2026-11-21"))["complete"] is True
