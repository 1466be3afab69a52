"""Renewal windows (RN)."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar.days import add_to_month
from app.domain.sim.renewal import last_safe_day, renewal
from app.domain.vocabulary import Carrier, Supplier

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


def test_flexem_mobile_pauses_from_the_23rd_to_the_months_end() -> None:
    """RN-2: a card valid to 2024-05-31 is on 05-25 not renewable, on 06-01 it is, through 06-22."""
    ends = date(2024, 5, 31)
    paused = renewal(FLEXEM, Carrier.CMCC, ends, date(2024, 5, 25))
    assert (paused.renewable, paused.opens_on, paused.closes_on) == (False, date(2024, 6, 1), date(2024, 6, 22))
    assert (paused.rule, paused.reason) == ("RN-2", "paused")
    opened = renewal(FLEXEM, Carrier.CMCC, ends, date(2024, 6, 1))
    assert (opened.renewable, opened.opens_on, opened.closes_on) == (True, None, date(2024, 6, 22))
    assert renewal(FLEXEM, Carrier.CMCC, ends, date(2024, 6, 22)).renewable
    closed = renewal(FLEXEM, Carrier.CMCC, ends, date(2024, 6, 23))
    assert (closed.renewable, closed.opens_on, closed.closes_on) == (False, None, None)
    assert (closed.rule, closed.reason, closed.cancels_on) == ("RN-1", "closed", date(2024, 6, 23))


def test_flexem_mobile_tells_the_window_it_is_in_and_the_next() -> None:
    """RN-2: `closes_on` is the last day of this window, `opens_on` the first of the next; over new year too."""
    answer = renewal(FLEXEM, Carrier.CMCC, date(2025, 1, 31), date(2024, 11, 22))
    assert (answer.renewable, answer.opens_on, answer.closes_on) == (True, date(2024, 12, 1), date(2024, 11, 22))
    answer = renewal(FLEXEM, Carrier.CMCC, date(2025, 1, 31), date(2024, 12, 31))
    assert (answer.renewable, answer.opens_on, answer.closes_on) == (False, date(2025, 1, 1), date(2025, 1, 22))


def test_flexem_unicom_and_telecom_have_one_window() -> None:
    """RN-1: through the 22nd of the month after; assumed always, for 前 is read as inclusive."""
    for carrier in (Carrier.CUCC, Carrier.CTCC, Carrier.OVERSEAS):
        answer = renewal(FLEXEM, carrier, date(2024, 5, 31), date(2024, 5, 25))
        assert (answer.renewable, answer.opens_on, answer.closes_on) == (True, None, date(2024, 6, 22))
        assert answer.assumed == ("RN-1",)


def test_standard_is_renewable_through_the_ninetieth_day() -> None:
    """RN-3, LC-9: last valid day 2024-01-31 → renewable through 2024-04-30, cancelled 2024-05-01."""
    last = renewal(STANDARD, Carrier.CMCC, date(2024, 1, 31), date(2024, 4, 30))
    assert (last.renewable, last.closes_on, last.cancels_on) == (True, date(2024, 4, 30), date(2024, 5, 1))
    assert not renewal(STANDARD, Carrier.CMCC, date(2024, 1, 31), date(2024, 5, 1)).renewable


def test_gsl_is_renewable_through_the_last_valid_day() -> None:
    """RN-3."""
    assert renewal(GSL, Carrier.CMCC, date(2024, 1, 31), date(2024, 1, 31)).renewable
    after = renewal(GSL, Carrier.CMCC, date(2024, 1, 31), date(2024, 2, 1))
    assert (after.renewable, after.rule, after.assumed) == (False, "RN-3", ("RN-3",))


def test_reminders_and_deadlines_name_the_last_safe_day() -> None:
    """RN-1: the 21st; RN-3: a month ahead under `gsl`, the last day of the window under `standard`."""
    assert last_safe_day(FLEXEM, Carrier.CMCC, date(2024, 12, 31)).on == date(2025, 1, 21)
    gsl = last_safe_day(GSL, Carrier.CMCC, date(2024, 3, 31))
    assert (gsl.on, gsl.rule, gsl.assumed) == (date(2024, 2, 29), "RN-3", ("RN-3",))
    assert last_safe_day(STANDARD, Carrier.CMCC, date(2024, 1, 31)).on == date(2024, 4, 30)


@given(st.sampled_from(Supplier), st.sampled_from(Carrier), DAYS, st.integers(-200, 200))
def test_renewable_days_are_the_union_of_the_documented_windows(
    terms: Supplier, carrier: Carrier, expires_on: date, shift: int
) -> None:
    """RN-1, RN-2, RN-3."""
    on = expires_on + timedelta(days=shift)
    last = {
        FLEXEM: add_to_month(expires_on, 1).replace(day=22),
        STANDARD: expires_on + timedelta(days=90),
        GSL: expires_on,
    }[terms]
    paused = terms is FLEXEM and carrier is Carrier.CMCC and on.day >= 23
    answer = renewal(terms, carrier, expires_on, on)
    assert answer.renewable == (on <= last and not paused)
    if answer.renewable:
        assert answer.closes_on is not None
        assert renewal(terms, carrier, expires_on, answer.closes_on).renewable
        assert not renewal(terms, carrier, expires_on, answer.closes_on + timedelta(days=1)).renewable
    if answer.opens_on is not None:
        assert renewal(terms, carrier, expires_on, answer.opens_on).renewable
        assert not renewal(terms, carrier, expires_on, answer.opens_on - timedelta(days=1)).renewable
