"""A plan followed step by step in the sandbox ends with a running card by the told date (DG-2, ST-24, ST-26)."""

from __future__ import annotations

import random
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.jobs.cycle_rollover import roll_over_day
from tests.gateway import Gateway, iccid

SHANGHAI = ZoneInfo("Asia/Shanghai")

STOPS = {
    ("flexem", "cmcc"): (
        "manual",
        "policy_cutoff",
        "over_threshold",
        "device_mismatch",
        "out_of_region",
        "plan_expired",
    ),
    ("flexem", "ctcc"): ("manual", "policy_cutoff", "plan_expired"),
    ("gsl", "cmcc"): ("manual", "over_quota", "over_threshold", "device_mismatch"),
    ("gsl", "ctcc"): ("manual", "over_quota", "over_threshold"),
    ("standard", "cmcc"): ("manual", "over_quota", "over_threshold", "device_mismatch", "plan_expired"),
    ("standard", "cucc"): ("manual", "over_quota", "over_threshold", "plan_expired"),
}
"""Holds of the gateway's own by terms and carrier: what lifts them is operations, a person at the desk, or a cycle."""

CHOSEN = {"province": "湖北"}

OF_THE_CARRIER = frozenset({"device_mismatch", "out_of_region"})
"""Holds that the carrier has too; for all others it knows only that we have suspended the card."""


async def _until(gateway: Gateway, instant: datetime) -> None:
    """Let time pass, the days turned on the way."""
    while True:
        now = gateway.ctx.now().astimezone(SHANGHAI)
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), SHANGHAI)
        turns = midnight <= instant
        await gateway.advance(seconds=max((min(midnight, instant) - now).total_seconds(), 0))
        if not turns:
            break
        await roll_over_day(gateway.ctx, SHANGHAI)
    await gateway.settle()


async def _stopped(gateway: Gateway, number: int, chance: random.Random) -> tuple[str, list[str]]:
    """A card stopped for one to three of these reasons, at both sides."""
    (terms, carrier), possible = chance.choice(sorted(STOPS.items()))
    holds = chance.sample(possible, chance.randint(1, 3))
    name, today = iccid(5_000_000 + number), gateway.ctx.now().astimezone(SHANGHAI).date()
    ended = today.replace(day=1) - timedelta(days=1)
    expired = "plan_expired" in holds
    row = {
        "iccid": name,
        "msisdn": f"147{number:010d}",
        "imsi": f"46007{number:010d}",
        "terms": terms,
        "carrier": carrier,
        "state": "expired" if expired else "suspended",
        "activated_on": "2025-11-10",
        "expires_on": (ended if expired else today.replace(year=2030, day=1)).isoformat(),
        "holds": ";".join(holds),
    }
    await gateway.fleet(row)
    await gateway.hold_by_rule()
    there = gateway.sandbox.store.cards[name]
    kept = [hold if hold in OF_THE_CARRIER else "manual" for hold in holds if hold != "plan_expired"]
    there.holds = dict.fromkeys(kept, there.opened_at)
    return name, holds


def _done_at_the_carrier(gateway: Gateway, name: str, step: dict[str, Any]) -> None:
    """What the person at the desk does there before telling that it is done."""
    card = gateway.sandbox.store.cards[name]
    for hold in OF_THE_CARRIER & set(step["lifts"]):
        card.holds.pop(hold, None)
    if step["operation"] == "renew":
        card.state, card.expires_on = "active", "2031-12-31"


async def _take(gateway: Gateway, name: str, step: dict[str, Any], chance: random.Random) -> None:
    """One step: waited for, or requested and, where a person does it, done within the told time."""
    begun = gateway.ctx.now()
    if step["not_before"]:
        await _until(gateway, datetime.fromisoformat(step["not_before"]))
    if step["operation"] is None:
        assert step["automatic"], step
        await _until(gateway, datetime.fromisoformat(step["earliest"]))
        return
    path = f"/v1/sims/{name}/{step['operation'].replace('_', '-')}"
    body = step["arguments"] | {one: CHOSEN[one] for one in step["choose"]}
    answer = await gateway.api.post(path, json=body)
    assert answer.status_code == 202, (step, answer.text)
    if answer.json()["channel"] == "desk":
        if step["latest"] is not None:
            late = datetime.fromisoformat(step["latest"]) - timedelta(minutes=chance.randint(1, 30))
            await _until(gateway, max(late, begun))
        _done_at_the_carrier(gateway, name, step)
        done = await gateway.api.post(
            f"/v1/operations/{answer.json()['id']}/complete", json={"outcome": "succeeded", "note": "done"}
        )
        assert done.is_success, done.text
    await gateway.settle()
    ended = (await gateway.api.get(answer.headers["location"])).json()
    assert ended["status"] == "succeeded", ended


async def _follow(gateway: Gateway, name: str, which: str, chance: random.Random) -> str:
    """Follow a plan; says how it went, `lost` where nothing lifts a hold."""
    explained = (await gateway.api.get(f"/v1/sims/{name}/explanation")).json()
    plan = explained["recovery"][which]
    if plan is None:
        assert explained["recovery"]["not_lifted"]
        return "lost"
    # What begins at once first, the waits last of it; then what comes after, in its order.
    for step in sorted(plan["steps"], key=lambda one: (bool(one["after"]), one["automatic"], one["number"])):
        await _take(gateway, name, step, chance)
    sim = (await gateway.api.get(f"/v1/sims/{name}")).json()
    assert (sim["state"], sim["holds"], sim["network_allowed"]) == ("active", [], True), (plan, sim)
    assert gateway.sandbox.store.cards[name].data_on(), plan
    if plan["latest"] is not None:
        assert gateway.ctx.now() <= datetime.fromisoformat(plan["latest"]), plan
    return "running"


async def _all_follow(gateway: Gateway, cases: int, seed: int) -> None:
    chance = random.Random(seed)
    ends = []
    for number in range(cases):
        await _until(gateway, gateway.ctx.now() + timedelta(minutes=chance.randint(1, 4 * 24 * 60)))
        name, holds = await _stopped(gateway, number, chance)
        which = chance.choice(["fastest", "cheapest"])
        try:
            ends.append(await _follow(gateway, name, which, chance))
        except AssertionError as wrong:
            raise AssertionError(f"case {number} of seed {seed}: {holds} {which}") from wrong
    assert ends.count("running") > cases * 0.6, ends


async def test_a_plan_that_is_followed_ends_with_a_running_card_by_the_told_date(gateway: Gateway) -> None:
    """DG-2, ST-20, ST-21, ST-24, ST-26, SL-1 to SL-4: a few chosen by chance; hundreds in `make test-recovery`."""
    await _all_follow(gateway, 6, seed=20261130)


@pytest.mark.recovery
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10), ids=lambda seed: f"seed{seed}")
async def test_many_plans_that_are_followed_end_as_told(gateway: Gateway, seed: int) -> None:
    """DG-2, ST-20, ST-21, ST-24, ST-26, SL-1 to SL-4: over more than a year of one clock each."""
    await _all_follow(gateway, 100, seed=seed)
