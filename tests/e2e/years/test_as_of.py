"""Answers recorded while a fleet lives are the answers as of their instants, asked again at the end (LC-12).

`make test-year` asks at least a thousand over a year; a short form is in every run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.years.recorded import RecordedYear
from tests.gateway import Gateway, open_gateway


@pytest.fixture
async def fleet(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with an account of every protocol, one of them in another zone."""
    async with open_gateway(clean_database, tmp_path, carriers="carriers-all.toml") as opened:
        yield opened


async def test_answers_of_a_week_are_given_again_as_of_their_instants(fleet: Gateway) -> None:
    """LC-12: every part of a SIM's answer as it was known at twenty instants and more."""
    year = RecordedYear(gateway=fleet, size=24, length=4, every=2, rate=1)
    await year.populate()
    await year.live()

    assert await year.compare() == []
    assert len({one.at for one in year.recorded}) >= 20


@pytest.mark.year
@pytest.mark.timeout(4 * 3600)
async def test_answers_of_a_year_are_given_again_as_of_a_thousand_instants(fleet: Gateway) -> None:
    """LC-12."""
    size, length = int(os.environ.get("RECORDED_CARDS", "200")), int(os.environ.get("DAYS", "365"))
    year = RecordedYear(gateway=fleet, size=size, length=length, rate=1)
    await year.populate()
    await year.live()

    wrong = await year.compare()
    assert wrong == [], "\n".join(wrong[:20])
    instants = {one.at for one in year.recorded}
    sys.stdout.write(f"\n{len(year.recorded)} answers of {len(instants)} instants over {length} days are the same\n")
    assert len(instants) >= min(1000, 3 * length)
