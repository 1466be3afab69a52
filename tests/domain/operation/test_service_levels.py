"""By when a carrier is done (SL), and the workdays behind it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Malformed
from app.domain.operation.service_levels import KINDS, Circumstances, Due, due
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import DeskLevel, WorkdayLevel
from app.domain.units import MB
from app.domain.vocabulary import Carrier, OperationKind, Supplier
from app.workdays import ChineseWorkdays, Override
from tests.domain.cards import SHANGHAI, WORKDAYS

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def desk(text: str, kind: str = "rebind", **case: bool) -> Due:
    return due(FLEXEM, Carrier.CMCC, kind, at(text), SHANGHAI, WORKDAYS, 0, Circumstances(**case))


def gsl(carrier: Carrier, kind: str, text: str, **case: int) -> Due:
    return due(GSL, carrier, kind, at(text), SHANGHAI, WORKDAYS, 0, Circumstances(**case))


@pytest.mark.parametrize(
    ("handed_in", "due_on", "assumed"),
    [
        ("2024-06-14T10:00", "2024-06-17", ()),
        ("2024-06-14T15:00", "2024-06-18", ()),
        ("2024-06-15T10:00", "2024-06-18", ("SL-1",)),
        ("2024-06-12T14:30:00", "2024-06-13", ()),
        ("2024-06-12T14:30:00.000001", "2024-06-14", ()),
        ("2024-06-12T14:30:01", "2024-06-14", ()),
        ("2024-06-07T14:30", "2024-06-11", ()),
        ("2024-09-30T10:00", "2024-10-08", ()),
    ],
)
def test_the_desk_is_done_by_the_end_of_the_next_desk_day(
    handed_in: str, due_on: str, assumed: tuple[str, ...]
) -> None:
    """SL-1: Fri 10:00 → Mon; Fri 15:00 → Tue; Sat → Tue; 14:30:00 is still in time; 06-10 and 10-01..07 are holidays."""
    answer = desk(handed_in)
    assert answer.due_on == date.fromisoformat(due_on)
    assert answer.due_at == datetime.combine(answer.due_on + timedelta(days=1), datetime.min.time(), SHANGHAI)
    assert (answer.rule, answer.assumed) == ("SL-1", assumed)


def test_a_make_up_saturday_is_left_out_of_due_and_counted_by_earliest() -> None:
    """SL-1: Spring Festival 2024 is 02-10 to 02-17; Sun 02-18 is a make-up workday."""
    eve = desk("2024-02-09T10:00")
    assert eve.due_on == date(2024, 2, 19)
    assert eve.earliest == at("2024-02-19T00:00")
    assert eve.assumed == ("SL-1",)
    left_out = [step.day for step in eve.reasons if step.key == "make_up_day_left_out"]
    assert left_out == [date(2024, 2, 18)]
    on_it = desk("2024-02-18T10:00")
    assert (on_it.due_on, on_it.earliest) == (date(2024, 2, 20), at("2024-02-20T00:00"))
    assert on_it.reasons[0].key == "not_a_desk_day"


def test_region_remedies_may_be_done_the_same_evening() -> None:
    """SL-2, RG-3: handed in by 14:30 on a desk day."""
    soon = desk("2024-06-12T14:30", "change_region")
    assert (soon.rule, soon.due_on, soon.earliest) == ("SL-2", date(2024, 6, 13), at("2024-06-13T00:00"))
    assert "possibly_same_evening" in [step.key for step in soon.reasons]
    late = desk("2024-06-12T14:31", "set_threshold")
    assert (late.due_on, late.earliest) == (date(2024, 6, 14), at("2024-06-15T00:00"))
    on_make_up_day = desk("2024-02-18T10:00", "verify_real_name")
    assert on_make_up_day.earliest == at("2024-02-20T00:00")


def test_gsl_takes_one_to_two_workdays_and_mobile_up_to_a_week() -> None:
    """SL-3, SL-8."""
    quick = gsl(Carrier.CUCC, "activate", "2024-06-12T23:00")
    assert (quick.earliest, quick.due_on) == (at("2024-06-14T00:00"), date(2024, 6, 14))
    slow = gsl(Carrier.CMCC, "suspend", "2024-06-12T09:00")
    assert (slow.earliest, slow.due_on) == (at("2024-06-14T00:00"), date(2024, 6, 19))
    festival = gsl(Carrier.CMCC, "resume", "2024-02-09T09:00")
    assert festival.due_on == date(2024, 2, 19)
    before_festival = gsl(Carrier.CMCC, "resume", "2023-01-20T09:00")
    assert before_festival.due_on == date(2023, 1, 29)
    assert (quick.rule, quick.assumed) == ("SL-3", ("SL-8",))


def test_a_hand_in_on_a_non_workday_counts_as_on_the_next_workday() -> None:
    """SL-8: a make-up Sunday is a workday here."""
    assert gsl(Carrier.CMCC, "rebind", "2024-06-15T09:00").due_on == date(2024, 6, 20)
    on_make_up_day = gsl(Carrier.CUCC, "rebind", "2024-02-18T09:00")
    assert (on_make_up_day.due_on, on_make_up_day.earliest) == (date(2024, 2, 21), at("2024-02-20T00:00"))
    assert gsl(Carrier.CMCC, "rebind", "2024-06-12T09:00").earliest is None


def test_minutes_and_hours_run_from_acceptance() -> None:
    """SL-8, DV-3, SL-4."""
    five = gsl(Carrier.CTCC, "rebind", "2024-06-15T09:00")
    assert (five.due_on, five.due_at, five.earliest) == (None, at("2024-06-15T09:05"), None)
    unlocked = due(FLEXEM, Carrier.CUCC, "rebind", at("2024-06-15T09:00"), SHANGHAI, WORKDAYS)
    assert (unlocked.earliest, unlocked.due_at) == (at("2024-06-15T09:15"), at("2024-06-15T09:30"))


@pytest.mark.parametrize(("day", "hours"), [("01", 8), ("03", 8), ("04", 4), ("30", 4)])
def test_a_renewed_card_comes_back_in_hours_and_slower_in_a_months_first_days(day: str, hours: int) -> None:
    """SL-4: assumed, for nobody says how many days the first ones are."""
    answer = desk(f"2024-06-{day}T22:00", "restore")
    start = at(f"2024-06-{day}T22:00")
    assert (answer.earliest, answer.due_at) == (start + timedelta(hours=2), start + timedelta(hours=hours))
    assert answer.assumed == ("SL-4",)


def test_standard_restores_the_same_day_or_within_the_month() -> None:
    """SL-4."""
    answer = due(STANDARD, Carrier.CUCC, "restore", at("2024-02-10T09:00"), SHANGHAI, WORKDAYS)
    assert (answer.earliest, answer.due_on) == (at("2024-02-11T00:00"), date(2024, 2, 29))


def test_a_network_reset_is_due_as_a_suspend_and_a_resume() -> None:
    """SL-5: not before 15 minutes, nor before the protocol's repeat window."""
    two = desk("2024-06-12T10:00", "reset_network")
    assert (two.rule, two.due_on, two.earliest) == ("SL-5", date(2024, 6, 17), at("2024-06-18T00:00"))
    workdays = gsl(Carrier.CUCC, "reset_network", "2024-06-12T10:00")
    assert (workdays.due_on, workdays.earliest) == (date(2024, 6, 18), at("2024-06-15T00:00"))
    none = due(STANDARD, Carrier.CMCC, "reset_network", at("2024-06-12T10:00"), SHANGHAI, WORKDAYS)
    assert (none.due_at, none.rule) == (None, "SL-5")
    long_window = Circumstances(repeat_window=timedelta(days=5))
    later = due(GSL, Carrier.CUCC, "reset_network", at("2024-06-12T10:00"), SHANGHAI, WORKDAYS, 0, long_window)
    assert later.due_on == date(2024, 6, 19)


def test_delivery_takes_ten_workdays_or_six_weeks() -> None:
    """SL-6."""
    assert gsl(Carrier.CMCC, "delivery", "2024-06-12T10:00").due_on == date(2024, 6, 26)
    over, not_over = 100 * MB + 1, 100 * MB
    assert gsl(Carrier.CMCC, "delivery", "2024-06-12T10:00", industrial_allowance=over).due_on == date(2024, 7, 24)
    assert gsl(Carrier.CMCC, "delivery", "2024-06-12T10:00", industrial_allowance=not_over).due_on == date(2024, 6, 26)
    assert gsl(Carrier.CUCC, "delivery", "2024-06-12T10:00", industrial_allowance=over).due_on == date(2024, 6, 26)
    assert desk("2024-06-12T10:00", "delivery").due_at is None


def test_a_card_back_in_its_first_device_takes_minutes() -> None:
    """DV-4."""
    assert desk("2024-06-12T10:00", "resume", first_device=True).due_at == at("2024-06-12T10:20")
    assert gsl(Carrier.CUCC, "resume", "2024-06-12T10:00", first_device=True).rule == "SL-3"


def test_what_is_not_published_is_told_as_nothing() -> None:
    """SL-7, SL-3: `overseas` and `standard`."""
    for terms, carrier in ((STANDARD, Carrier.CMCC), (GSL, Carrier.OVERSEAS), (FLEXEM, Carrier.OVERSEAS)):
        answer = due(terms, carrier, "activate", at("2024-06-12T10:00"), SHANGHAI, WORKDAYS)
        assert (answer.earliest, answer.due_on, answer.due_at, answer.provisional) == (None, None, None, False)
    with pytest.raises(Malformed):
        desk("2024-06-12T10:00", "teleport")


def test_the_day_is_that_of_the_carriers_zone() -> None:
    """SL-1: 06:29 UTC is 14:29 in Shanghai."""
    instant = datetime(2024, 6, 12, 6, 30, tzinfo=UTC)
    assert due(FLEXEM, Carrier.CMCC, "rebind", instant, SHANGHAI, WORKDAYS).due_on == date(2024, 6, 13)
    abroad = due(
        GSL, Carrier.OVERSEAS, "delivery", datetime(2024, 6, 12, 23, 0, tzinfo=UTC), ZoneInfo("Asia/Tokyo"), WORKDAYS
    )
    assert abroad.due_on == date(2024, 6, 27)


def test_years_not_yet_published_are_answered_by_weekday_and_provisional() -> None:
    """SL-1, SL-8: never an exception; 2027-01-01 is a holiday by law, and no desk day."""
    answer = desk("2027-01-01T10:00")
    assert (answer.due_on, answer.provisional) == (date(2027, 1, 5), True)
    assert desk("2026-12-31T10:00").due_on == date(2027, 1, 4)
    assert desk("2026-12-25T10:00").provisional
    assert not desk("2026-12-24T10:00").provisional
    assert gsl(Carrier.CUCC, "activate", "2031-05-01T10:00").provisional


@given(
    st.sampled_from(Supplier),
    st.sampled_from(Carrier),
    st.sampled_from(sorted(KINDS)),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(SHANGHAI)),
    st.integers(0, 4),
)
def test_no_due_instant_is_before_the_submission_and_days_are_of_their_kind(
    terms: Supplier, carrier: Carrier, kind: str, instant: datetime, rebinds: int
) -> None:
    """SL-1, SL-2: desk days; SL-3, SL-6, SL-8: workdays."""
    answer = due(terms, carrier, kind, instant, SHANGHAI, WORKDAYS, rebinds)
    assert answer.due_at is None or answer.due_at > instant
    assert answer.earliest is None or answer.due_at is None or instant < answer.earliest <= answer.due_at
    level = terms_in_force(terms, carrier, instant.date()).service.get(kind)
    if answer.due_on is not None and level is not None and answer.rule == level.value.rule:  # type: ignore[union-attr]
        day = WORKDAYS.day(answer.due_on)
        assert not isinstance(level.value, DeskLevel) or day.desk_day
        weeks = isinstance(level.value, WorkdayLevel) and level.value.or_days is not None
        assert not isinstance(level.value, WorkdayLevel) or weeks or day.workday


def test_make_up_days_are_workdays_but_no_desk_days() -> None:
    """SL-1: Sat 2026-10-10 and Sun 2026-01-04."""
    for day in (date(2026, 10, 10), date(2026, 1, 4), date(2024, 2, 18)):
        found = ChineseWorkdays().day(day)
        assert (found.workday, found.desk_day, found.provisional) == (True, False, False)
    holiday = ChineseWorkdays().day(date(2026, 10, 1))
    assert (holiday.workday, holiday.desk_day, holiday.name) == (False, False, "National Day")


def test_a_table_of_our_own_goes_before_the_library() -> None:
    """SL-1: a notice newer than the library."""
    new_year = date(2027, 1, 1)
    told = Override(workday=False, name="元旦", source="国办发明电〔2026〕… 号")
    calendar = ChineseWorkdays(overrides={new_year: told})
    found = calendar.day(new_year)
    assert (found.workday, found.name, found.provisional) == (False, "元旦", False)
    assert calendar.day(date(2027, 1, 4)).provisional


def test_the_library_agrees_with_another_on_every_published_day() -> None:
    """SL-1: 2020 to 2026, day by day."""
    other = holidays.country_holidays("CN", years=range(2019, 2028))
    day = date(2020, 1, 1)
    while day < date(2027, 1, 1):
        assert ChineseWorkdays().day(day).workday == other.is_working_day(day), day
        day += timedelta(days=1)


def test_every_kind_of_operation_may_be_asked_about() -> None:
    """SL-7."""
    assert {str(kind) for kind in OperationKind} < KINDS
