"""Advice to gateways: what is left to the nearest limit, from when on a card slows down (US-7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from app.domain.sim.model import Sim
from app.domain.usage.advice import advise
from app.domain.vocabulary import HoldCode, SimState, Supplier
from tests.domain.cards import a_hold, a_plan, a_sim

MB = 1 << 20
TODAY = date(2026, 11, 21)


def sim_of(*, state: SimState = SimState.ACTIVE, threshold: int | None = None, held: bool = False) -> Sim:
    holds = (a_hold(HoldCode.MANUAL),) if held else ()
    sim = a_sim(terms=Supplier.GSL, plan=replace(a_plan(), allowance=100 * MB))
    return replace(sim, underlying=state, threshold=threshold, holds=holds)


@pytest.mark.parametrize(
    ("used", "addons", "told"), [(89, 0, None), (90, 0, 10), (100, 0, 0), (98, 10, None), (99, 10, 11)]
)
def test_a_card_slows_down_from_nine_tenths_on(used: int, addons: int, told: int | None) -> None:
    """US-7: of the allowance with its add-ons, in MB."""
    found = advise(sim_of(), used * MB, addons * MB, TODAY)

    assert (found.remaining if found else None) == (None if told is None else told * MB)


def test_the_nearest_limit_counts() -> None:
    """US-7: a threshold below the allowance."""
    found = advise(sim_of(threshold=50 * MB), 46 * MB, 0, TODAY)

    assert found is not None
    assert (found.remaining, found.slow_down) == (4 * MB, True)


def test_a_held_card_is_told_of_whatever_it_used() -> None:
    """US-7: with its holds; a card that is not active has no limit (US-4)."""
    active, expired = (
        advise(sim_of(held=True), 0, 0, TODAY),
        advise(sim_of(held=True, state=SimState.EXPIRED), 0, 0, TODAY),
    )

    assert active is not None
    assert expired is not None
    assert (active.remaining, active.holds, active.slow_down) == (100 * MB, (HoldCode.MANUAL,), False)
    assert (expired.remaining, expired.slow_down) == (None, False)
