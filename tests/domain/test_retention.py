"""How long records are kept: nothing that another answer needs may be set to go before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.retention import WINDOWS, Record, Retention

NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)


def kept(**days: int | None) -> Retention:
    return Retention(days=dict(Retention().days) | {Record(name): value for name, value in days.items()})


def test_the_defaults_are_themselves_allowed() -> None:
    assert list(Retention().faults()) == []


@pytest.mark.parametrize("record", Record)
def test_a_day_fewer_than_is_needed_is_refused_with_the_reason(record: Record) -> None:
    least = WINDOWS[record].least
    found = dict(kept(**{record.value: least - 1}).faults())

    assert WINDOWS[record].why in found[record]
    shortest = {each.value: WINDOWS[each].least for each in Record}
    assert list(kept(**shortest).faults()) == []


def test_events_are_kept_as_long_as_the_deliveries_that_show_them() -> None:
    assert [record for record, _ in kept(events=60, deliveries=61).faults()] == [Record.EVENTS]
    assert [record for record, _ in kept(events=60, deliveries=None).faults()] == [Record.EVENTS]
    assert list(kept(events=None, deliveries=None).faults()) == []


def test_forever_deletes_nothing() -> None:
    assert kept(audit=None).before(Record.AUDIT, NOW) is None
    assert kept(audit=200).before(Record.AUDIT, NOW) == NOW - timedelta(days=200)


def test_a_past_state_reaches_as_far_back_as_all_that_it_is_made_of() -> None:
    """LC-12."""
    assert kept(changes=500, operations=None, timeline=None).past_states_since(NOW) == NOW - timedelta(days=500)
    assert kept(changes=500, operations=200, timeline=None).past_states_since(NOW) == NOW - timedelta(days=168)
    assert kept(changes=500, operations=None, timeline=230).past_states_since(NOW) == NOW - timedelta(days=230)
    assert kept(changes=None, operations=None, timeline=None).past_states_since(NOW) < NOW - timedelta(days=99_999)
