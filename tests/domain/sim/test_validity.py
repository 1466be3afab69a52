"""Validity and cancellation (VD, LC-9)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Malformed
from app.domain.sim.validity import cancellation, renewed, validity
from app.domain.vocabulary import Carrier, Supplier

DAYS = st.dates(date(2015, 1, 1), date(2040, 12, 31))
SUPPLIERS, CARRIERS = st.sampled_from(Supplier), st.sampled_from(Carrier)
FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD


@pytest.mark.parametrize("carrier", Carrier)
@pytest.mark.parametrize(
    ("activated_on", "last"), [("2021-07-12", "2022-06-30"), ("2021-12-31", "2022-11-30"), ("2024-02-29", "2025-01-31")]
)
def test_flexem_counts_calendar_months(carrier: Carrier, activated_on: str, last: str) -> None:
    """VD-2."""
    answer = validity(FLEXEM, carrier, date.fromisoformat(activated_on), 12)
    assert (answer.last_valid_day, answer.rule) == (date.fromisoformat(last), "VD-2")


@pytest.mark.parametrize("terms", [GSL, STANDARD])
@pytest.mark.parametrize(
    ("activated_on", "months", "last"),
    [
        ("2024-03-15", 12, "2025-03-14"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-03-31", 1, "2024-04-30"),
        ("2024-03-01", 1, "2024-03-31"),
        ("2023-12-31", 2, "2024-02-29"),
        ("2024-02-29", 48, "2028-02-28"),
    ],
)
def test_gsl_and_standard_count_by_anniversary(terms: Supplier, activated_on: str, months: int, last: str) -> None:
    """VD-3: the day before the corresponding day, or the end of a month that lacks it; assumed."""
    answer = validity(terms, Carrier.CTCC, date.fromisoformat(activated_on), months)
    assert answer.last_valid_day == date.fromisoformat(last)
    assert answer.rule == "VD-3"
    assert "VD-3" in answer.assumed


def test_standard_cancels_after_ninety_days() -> None:
    """LC-9: last valid day 2024-01-31 → cancelled 2024-05-01; overseas nothing is published."""
    assert cancellation(STANDARD, Carrier.CUCC, date(2024, 1, 31)).on == date(2024, 5, 1)
    assert cancellation(STANDARD, Carrier.CUCC, date(2024, 1, 31)).assumed == ("LC-9",)
    assert cancellation(STANDARD, Carrier.OVERSEAS, date(2024, 1, 31)).on is None


def test_flexem_cancels_on_the_23rd_of_the_month_after() -> None:
    """LC-9, RN-1: assumed at `cucc` and `ctcc` before 2022-07-06, when the 23rd was made known."""
    assert cancellation(FLEXEM, Carrier.CMCC, date(2024, 12, 31)).on == date(2025, 1, 23)
    assert cancellation(FLEXEM, Carrier.CUCC, date(2022, 5, 31)).assumed == ("RN-1",)
    assert cancellation(FLEXEM, Carrier.CUCC, date(2022, 6, 30)).assumed == ()
    assert cancellation(FLEXEM, Carrier.CMCC, date(2022, 5, 31)).assumed == ()


def test_gsl_names_no_day_of_cancellation() -> None:
    """LC-9: the carrier's word decides."""
    assert validity(GSL, Carrier.CMCC, date(2024, 1, 1), 12).cancels_on is None


@given(SUPPLIERS, CARRIERS, DAYS, st.integers(1, 120), st.integers(0, 60))
def test_expiry_is_monotone_in_activation(
    terms: Supplier, carrier: Carrier, day: date, months: int, later: int
) -> None:
    """VD-2, VD-3."""
    first = validity(terms, carrier, day, months).last_valid_day
    assert validity(terms, carrier, day + timedelta(days=later), months).last_valid_day >= first


@given(SUPPLIERS, CARRIERS, DAYS, st.integers(1, 120))
def test_expiry_is_strictly_monotone_in_months(terms: Supplier, carrier: Carrier, day: date, months: int) -> None:
    """VD-2, VD-3."""
    shorter, longer = (validity(terms, carrier, day, count) for count in (months, months + 1))
    assert day <= shorter.last_valid_day < longer.last_valid_day
    assert shorter.cancels_on is None or shorter.cancels_on > shorter.last_valid_day


@given(SUPPLIERS, CARRIERS, DAYS, st.integers(1, 36), st.integers(-40, 40))
def test_a_renewal_never_ends_before_the_old_end_nor_before_it_is_in_force(
    terms: Supplier, carrier: Carrier, expires_on: date, months: int, shift: int
) -> None:
    """VD-5."""
    in_force = expires_on + timedelta(days=shift)
    end = renewed(terms, carrier, expires_on, months, in_force).last_valid_day
    assert end > expires_on
    assert end >= in_force


def test_a_renewal_before_the_end_extends_it_and_after_it_counts_anew() -> None:
    """VD-5, RN-8."""
    early = renewed(FLEXEM, Carrier.CMCC, date(2024, 5, 31), 12, date(2024, 5, 2))
    late = renewed(FLEXEM, Carrier.CMCC, date(2024, 5, 31), 12, date(2024, 6, 10))
    assert (early.last_valid_day, late.last_valid_day) == (date(2025, 5, 31), date(2025, 5, 31))
    assert renewed(STANDARD, Carrier.CMCC, date(2024, 5, 20), 12, date(2024, 5, 2)).last_valid_day == date(2025, 5, 20)
    anew = renewed(STANDARD, Carrier.CMCC, date(2024, 5, 20), 12, date(2024, 6, 10))
    assert (anew.last_valid_day, anew.rule) == (date(2025, 6, 9), "VD-5")
    assert "VD-5" in anew.assumed
    on_last_day = renewed(STANDARD, Carrier.CMCC, date(2024, 5, 20), 1, date(2024, 5, 20))
    assert on_last_day.last_valid_day == date(2024, 6, 20)
    assert renewed(FLEXEM, Carrier.CMCC, date(2024, 5, 20), 1, date(2024, 5, 1)).last_valid_day == date(2024, 6, 30)


@pytest.mark.parametrize("months", [0, -1])
def test_less_than_a_month_of_validity_is_malformed(months: int) -> None:
    with pytest.raises(Malformed):
        validity(GSL, Carrier.CMCC, date(2024, 1, 1), months)


def test_a_validity_beyond_the_calendar_is_malformed_and_no_crash() -> None:
    for terms in Supplier:
        with pytest.raises(Malformed):
            validity(terms, Carrier.CMCC, date(2024, 1, 1), 12 * 9000)
    with pytest.raises(Malformed):
        cancellation(STANDARD, Carrier.CMCC, date(9999, 12, 1))
