"""A year of a fleet: every stop and every release is explained by a rule, counts match an independent sum.

`make test-year` at full size (`CARDS=` and `DAYS=` for another), a short form in every run.
"""

from __future__ import annotations

import os

import pytest

from tests.e2e.year import Year
from tests.gateway import Gateway


async def _lived(gateway: Gateway, *, size: int, length: int) -> None:
    year = Year(gateway=gateway, size=size, length=length)
    await year.populate()
    await year.live()

    stories, used = await year.stories(), await year.used()

    stops = [event for model in year.models.values() for event in model.story]
    assert {name: model.story for name, model in year.models.items() if model.story} == dict(stories)
    assert {name: dict(model.used) for name, model in year.models.items() if model.used} == dict(used)
    assert {hold for kind, hold in stops if kind == "added"} >= {"over_quota", "plan_expired"}
    assert year.refused.keys() >= {"activate", "resume"}
    for name, model in year.models.items():
        effects = (await gateway.carrier(name))["effects"]
        added = sum(kind == "added" for kind, _ in model.story)
        assert effects.get("suspend", 0) <= added
        assert effects.get("resume", 0) == model.resumes


async def test_five_weeks_of_thirty_cards(gateway: Gateway) -> None:
    await _lived(gateway, size=30, length=35)


@pytest.mark.year
@pytest.mark.timeout(4 * 3600)
async def test_a_year_of_five_thousand_cards(gateway: Gateway) -> None:
    await _lived(gateway, size=int(os.environ.get("CARDS", "5000")), length=int(os.environ.get("DAYS", "365")))
