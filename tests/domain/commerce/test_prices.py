"""Prices: shares of a plan's price are rounded up to the fen, never down, never a float."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.domain.operation.prices import MAX_FEN, offered_months, renewal_price
from tests.domain.cards import a_plan

MONTHS = st.integers(1, 120)


@given(price=st.integers(0, MAX_FEN), term=MONTHS, months=MONTHS)
def test_a_renewal_costs_its_share_of_the_plan_rounded_up(price: int, term: int, months: int) -> None:
    cost = renewal_price(a_plan(price_fen=price, months=term), months)

    assert cost is not None
    assert 0 <= cost - Fraction(price * months, term) < 1


@given(price=st.integers(0, MAX_FEN), term=MONTHS, times=st.integers(1, 10))
def test_whole_terms_cost_whole_prices(price: int, term: int, times: int) -> None:
    assert renewal_price(a_plan(price_fen=price, months=term), term * times) == price * times


def test_what_has_no_price_has_none_for_any_months() -> None:
    assert renewal_price(a_plan(price_fen=None), 12) is None


def test_the_plans_own_months_are_offered_first_and_alone_where_none_are_told() -> None:
    assert offered_months(a_plan(months=12)) == (12,)
    assert offered_months(a_plan(months=12, renewal_months=(6, 12, 24))) == (12, 6, 24)
    assert offered_months(a_plan(months=12, renewal_months=(24, 36))) == (24, 36)
