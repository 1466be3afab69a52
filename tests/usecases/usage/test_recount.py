"""US-5 in SQL: the counters of a cycle are what the domain makes of the same reports and carrier figures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.usage.figures import (
    CarrierFigure,
    DayFigure,
    MergedUsage,
    day_usage,
    latest_figure,
    merge_usage,
    with_days,
)
from tests.examples import tries
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import NOON, set_clock
from tests.usecases.usage.reporting import HOME, days, report, send, usage

OPENS = datetime(2026, 12, 1, tzinfo=HOME)
LAST_DAY = 3
"""Figures and reports are of a few days and three hours of each, so that they meet, abut and cover one another often."""

DAYS, AMOUNTS = st.integers(1, LAST_DAY), st.integers(0, 1 << 30)
HOURS, ENDS = st.sampled_from([0, 8, 16]), st.sampled_from([8, 16, 24])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("report"), DAYS, HOURS, AMOUNTS),
        st.tuples(st.just("cycle"), DAYS, ENDS, AMOUNTS),
        st.tuples(st.just("day"), DAYS, ENDS, AMOUNTS),
    ),
    min_size=1,
    max_size=9,
)
examples = count()


def _at(day: int, hour: int) -> datetime:
    return datetime(2026, 12, day, tzinfo=HOME) + timedelta(hours=hour)


@dataclass
class Oracle:
    """What the domain knows of a SIM's cycle."""

    reports: list[tuple[datetime, int]] = field(default_factory=list)
    cycle: CarrierFigure | None = None
    days: dict[int, CarrierFigure] = field(default_factory=dict)

    def take(self, kind: str, day: int, hour: int, amount: int) -> None:
        if kind == "report":
            self.reports.append((_at(day, hour), amount))
            return
        figure = CarrierFigure(used=amount, as_of=_at(day, hour))
        if kind == "cycle":
            self.cycle = latest_figure(self.cycle, figure)
        else:
            self.days[day] = latest_figure(self.days.get(day), figure)

    def merged(self) -> MergedUsage:
        reported = sum(amount for _, amount in self.reports)
        last = max((at for at, _ in self.reports), default=None)
        since = sum(amount for at, amount in self.reports if not self._covered(at))
        return merge_usage(self._figure(), since, reported, last)

    def _figure(self) -> CarrierFigure | None:
        if self.cycle is None and not self.days:
            return None
        base = self.cycle or CarrierFigure(used=0, as_of=OPENS)
        figures = [
            DayFigure(day=date(2026, 12, n), used=day.used, as_of=day.as_of, in_cycle_figure=self._in_cycle_figure(n))
            for n, day in self.days.items()
        ]
        return with_days(base, figures)

    def _in_cycle_figure(self, day: int) -> int:
        """The reports of a day up to the end of the cycle's figure, where that is after the day's start."""
        if self.cycle is None or self.cycle.as_of <= _at(day, 0):
            return 0
        return sum(amount for at, amount in self.reports if _at(day, 0) <= at <= self.cycle.as_of)

    def _covered(self, at: datetime) -> bool:
        in_day = any(_at(day, 0) <= at < figure.as_of for day, figure in self.days.items())
        return in_day or (self.cycle is not None and at <= self.cycle.as_of)


@pytest.fixture(autouse=True)
async def in_the_middle_of_the_month(gateway: Gateway) -> None:
    """All figures and reports lie behind the clock."""
    set_clock(gateway, NOON)


async def _apply(gateway: Gateway, card: str, place: int, step: tuple[str, int, int, int]) -> None:
    kind, day, hour, amount = step
    if kind == "report":
        await send(gateway.api, [report(card, _at(day, hour), amount, number=f"{card}-{place}")])
        return
    subject = {"cycle": "2026-12"} if kind == "cycle" else {"day": f"2026-12-{day:02d}"}
    row = {"iccid": card, "bytes": amount, "as_of": _at(day, hour).isoformat(), **subject}
    answer = await gateway.api.post("/v1/usage/corrections", json={"corrections": [row]})
    assert answer.status_code == 200, answer.text
    assert not answer.json()["rejected"], answer.text


@given(steps=STEPS)
@settings(max_examples=tries(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_counters_are_what_the_domain_merges_after_every_step(gateway: Gateway, steps: list[Any]) -> None:
    name = {"iccid": iccid(3_000_000 + next(examples)), "msisdn": None, "imsi": None}
    [card] = await gateway.fleet(name)
    oracle = Oracle()
    for place, step in enumerate(steps):
        await _apply(gateway, card, place, step)
        oracle.take(*step)
        shown, merged = await usage(gateway.api, card), oracle.merged()

        assert (shown["used"], shown["reported_since"], shown["reported"]) == (
            merged.used,
            merged.reported_since,
            merged.reported,
        )
        figure = shown["carrier"] and CarrierFigure(
            used=shown["carrier"]["bytes"], as_of=datetime.fromisoformat(shown["carrier"]["as_of"])
        )
        assert figure == merged.carrier
        assert shown["source"] == merged.source

    by_day: dict[int, int] = defaultdict(int)
    for at, amount in oracle.reports:
        by_day[at.day] += amount
    params = {"granularity": "day", "from": "2026-12-01", "to": f"2026-12-{LAST_DAY:02d}"}
    items = (await gateway.api.get(f"/v1/sims/{card}/usage", params=params)).json()["items"]
    assert [item["used"] for item in items] == [
        day_usage(oracle.days.get(day), by_day[day]) for day in range(1, LAST_DAY + 1)
    ]
    assert await days(gateway.api, card, from_="2026-12-01") == {
        f"2026-12-{day:02d}": amount for day, amount in by_day.items() if amount
    }
