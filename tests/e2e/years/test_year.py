"""A year of a mixed fleet: every stop and every release is explained by a rule, counts match an independent sum.

`make test-year` at full size (`CARDS=` and `DAYS=` for another), a short form in every run.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.years.year import Year
from tests.e2e.years.year_models import Kind
from tests.gateway import Gateway, open_gateway


@pytest.fixture
async def fleet(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with an account of every protocol, one of them in another zone."""
    async with open_gateway(clean_database, tmp_path, carriers="carriers-all.toml") as opened:
        yield opened


async def _lived(year: Year) -> Counter[str]:
    """Live it, and compare; gives how often each hold came."""
    await year.populate()
    await year.live()

    stories, used, requested = await year.stories(), await year.used(), await year.requested_by_rules()

    cards = year.cards
    assert await year.drifts() == []
    assert {name: one.story for name, one in cards.items() if one.story} == dict(stories)
    assert {name: dict(one.used) for name, one in cards.items() if any(one.used.values())} == dict(used)
    for name, one in cards.items():
        added = sum(kind == "added" for kind, _ in one.story)
        effects = (await year.gateway.carrier(name))["effects"]
        assert requested[name]["suspend"] <= added, name
        assert requested[name]["resume"] == one.resumes, name
        assert effects.get("suspend", 0) <= added, name
        assert effects.get("resume", 0) == (0 if one.freed_by_others else one.resumes), name
    return Counter(hold for one in cards.values() for kind, hold in one.story if kind == "added")


EVERY_STOP = {"over_quota", "policy_cutoff", "pool_exhausted", "pool_threshold", "plan_expired"}


async def test_two_weeks_of_a_mixed_fleet(fleet: Gateway) -> None:
    year = Year(gateway=fleet, size=64, length=12, every=2)
    holds = await _lived(year)
    assert holds.keys() >= EVERY_STOP - {"policy_cutoff"}
    assert {one.kind for one in year.cards.values()} == set(Kind)
    assert {one.account for one in year.cards.values()} == fleet.ctx.accounts.keys()
    assert year.refused.keys() >= {"activate", "resume", "join-pool"}


@pytest.mark.year
@pytest.mark.timeout(4 * 3600)
async def test_a_year_of_five_thousand_cards(fleet: Gateway) -> None:
    size, length = int(os.environ.get("CARDS", "5000")), int(os.environ.get("DAYS", "365"))
    year = Year(gateway=fleet, size=size, length=length)
    holds = await _lived(year)
    assert holds.keys() >= EVERY_STOP
    kinds = Counter(f"{one.account} {one.kind}" for one in year.cards.values())
    sys.stdout.write(
        f"\n{size} cards for {length} days\nholds {dict(holds)}\nrefused {dict(year.refused)}\n{dict(kinds)}\n"
    )
