"""Forecasts backtested on generated traffic of fixed seeds: never worse than naive linear, often far better (US-1)."""

from __future__ import annotations

import pytest

from bench.forecast import SHAPES, Score, changed, dying, firmware, new, score, weekly

SIMS = 100


@pytest.fixture(scope="module")
def scores() -> dict[str, Score]:
    return {shape.__name__: score(shape, SIMS) for shape in SHAPES}


@pytest.mark.parametrize("shape", [shape.__name__ for shape in SHAPES if shape is not new])
def test_no_shape_of_traffic_is_forecast_worse_than_by_naive_linear(scores: dict[str, Score], shape: str) -> None:
    found = scores[shape]
    assert found.error <= found.naive_error, found
    assert found.weighed <= found.naive_weighed, found


def test_of_a_new_sim_nothing_better_than_its_mean_is_known(scores: dict[str, Score]) -> None:
    assert not scores[new.__name__].is_worse, scores[new.__name__]


@pytest.mark.parametrize("shape", [weekly, firmware, dying, changed])
def test_weekdays_one_off_days_ends_and_changes_are_forecast_clearly_better(
    scores: dict[str, Score], shape: object
) -> None:
    found = scores[shape.__name__]
    assert found.error * 3 < found.naive_error * 2
    assert found.weighed * 3 < found.naive_weighed * 2


def test_the_band_holds_seven_times_of_ten_but_where_a_sim_dies(scores: dict[str, Score]) -> None:
    assert {name for name, one in scores.items() if one.within < 70} <= {dying.__name__}
    assert scores[dying.__name__].within >= 50
