"""OP-3 as values: what was sent and not answered is asked for, never sent again before it shows as not applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.operation.outcomes import (
    LONGEST_WAIT,
    Patience,
    Progressed,
    Sent,
    Verdict,
    after_ask,
    after_progress,
    after_send,
    backoff,
    heeding,
    may_cancel,
    steps_of,
    verdict,
)
from app.domain.vocabulary import Channel, OperationKind, OperationStatus, SimState

SECOND = timedelta(seconds=1)
PATIENCE = Patience(settle_lag=2 * SECOND, completion=SECOND, window=timedelta(days=1))


@dataclass(frozen=True, kw_only=True)
class Word:
    """A carrier's word in which only what a test is about is said."""

    state: SimState | None = None
    in_progress: bool | None = None
    imei: str | None = None
    network_cut: bool | None = None
    threshold: int | None = None


@pytest.mark.parametrize(
    ("kind", "arguments", "word", "expected"),
    [
        (OperationKind.ACTIVATE, {}, Word(state=SimState.ACTIVE), Verdict.APPLIED),
        (OperationKind.ACTIVATE, {}, Word(state=SimState.SILENT), Verdict.NOT_APPLIED),
        (OperationKind.ACTIVATE, {}, Word(state=SimState.SILENT, in_progress=True), Verdict.IN_PROGRESS),
        (OperationKind.ACTIVATE, {}, Word(state=SimState.CANCELLED), Verdict.UNREPORTED),
        (OperationKind.ACTIVATE, {}, Word(state=None), Verdict.UNREPORTED),
        (OperationKind.ACTIVATE, {}, None, Verdict.UNREPORTED),
        (OperationKind.SUSPEND, {}, Word(state=SimState.SUSPENDED), Verdict.APPLIED),
        (OperationKind.SUSPEND, {}, Word(state=SimState.EXPIRED), Verdict.APPLIED),
        (OperationKind.SUSPEND, {}, Word(state=SimState.ACTIVE), Verdict.NOT_APPLIED),
        (OperationKind.RESUME, {}, Word(state=SimState.ACTIVE), Verdict.APPLIED),
        (OperationKind.RESUME, {}, Word(state=SimState.SUSPENDED), Verdict.NOT_APPLIED),
        (OperationKind.TERMINATE, {}, Word(state=SimState.CANCELLED), Verdict.APPLIED),
        (OperationKind.TERMINATE, {}, Word(state=SimState.ACTIVE), Verdict.NOT_APPLIED),
        (OperationKind.CUT_NETWORK, {}, Word(network_cut=True), Verdict.APPLIED),
        (OperationKind.CUT_NETWORK, {}, Word(network_cut=False), Verdict.NOT_APPLIED),
        (OperationKind.CUT_NETWORK, {}, Word(), Verdict.UNREPORTED),
        (OperationKind.RESTORE_NETWORK, {}, Word(network_cut=False), Verdict.APPLIED),
        (OperationKind.SET_THRESHOLD, {"bytes": 5}, Word(threshold=5), Verdict.APPLIED),
        (OperationKind.SET_THRESHOLD, {"bytes": 5}, Word(threshold=6), Verdict.NOT_APPLIED),
        (OperationKind.SET_THRESHOLD, {"bytes": 5}, Word(), Verdict.UNREPORTED),
        (OperationKind.REBIND, {"imei": "1"}, Word(imei="1"), Verdict.APPLIED),
        (OperationKind.REBIND, {"imei": "1"}, Word(imei="2"), Verdict.NOT_APPLIED),
        (OperationKind.REBIND, {}, Word(imei="2"), Verdict.UNREPORTED),
        (OperationKind.ORDER_ADDON, {}, Word(state=SimState.ACTIVE), Verdict.UNREPORTED),
        (OperationKind.VERIFY_REAL_NAME, {}, Word(state=SimState.ACTIVE), Verdict.UNREPORTED),
        (OperationKind.REFRESH, {}, Word(), Verdict.NOT_APPLIED),
    ],
)
def test_the_carriers_word_shows_a_change_or_does_not(
    kind: OperationKind, arguments: dict[str, str | int], word: Word | None, expected: Verdict
) -> None:
    assert verdict(kind, arguments, word) is expected


@pytest.mark.parametrize(
    ("sent", "status", "stands"),
    [
        (Sent.SETTLED, OperationStatus.SUCCEEDED, True),
        (Sent.ACCEPTED, OperationStatus.WAITING_CARRIER, True),
        (Sent.REJECTED, OperationStatus.FAILED, True),
        (Sent.UNKNOWN, OperationStatus.VERIFYING, True),
        (Sent.NOT_SENT, OperationStatus.QUEUED, False),
    ],
)
def test_each_end_of_a_send_has_one_consequence(sent: Sent, status: OperationStatus, *, stands: bool) -> None:
    following = after_send(sent, tries=0, patience=PATIENCE)

    assert (following.status, following.sent_stands) == (status, stands)


def test_a_lost_answer_is_asked_for_no_sooner_than_the_settle_lag() -> None:
    assert after_send(Sent.UNKNOWN, tries=0, patience=PATIENCE).after == PATIENCE.settle_lag


def test_a_carriers_wish_to_be_asked_later_is_kept() -> None:
    following = after_send(Sent.NOT_SENT, tries=7, patience=PATIENCE, retry_after=3 * SECOND)

    assert following.after == 3 * SECOND


@given(
    found=st.sampled_from(Verdict),
    since=st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3)),
    tries=st.integers(0, 100),
)
def test_nothing_is_sent_again_before_it_shows_as_not_applied_after_the_lag(
    found: Verdict, since: timedelta, tries: int
) -> None:
    following = after_ask(found, since_sent=since, tries=tries, patience=PATIENCE)

    if following.status is OperationStatus.QUEUED:
        assert found is Verdict.NOT_APPLIED
        assert since >= PATIENCE.settle_lag
    if following.status is OperationStatus.SUCCEEDED:
        assert found is Verdict.APPLIED
    if following.channel is Channel.DESK:
        assert since >= PATIENCE.window
    assert timedelta() <= following.after <= LONGEST_WAIT


@given(
    told=st.sampled_from(Progressed),
    found=st.sampled_from([None, *Verdict]),
    since=st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3)),
    tries=st.integers(0, 100),
)
def test_what_a_carrier_accepted_is_never_sent_again(
    told: Progressed, found: Verdict | None, since: timedelta, tries: int
) -> None:
    following = after_progress(told, found, since_sent=since, tries=tries, patience=PATIENCE)

    assert following.status in (OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.WAITING_CARRIER)
    if told is Progressed.FAILED:
        so_already = found is Verdict.APPLIED
        assert following.status is (OperationStatus.SUCCEEDED if so_already else OperationStatus.FAILED)
    if following.channel is Channel.DESK:
        assert (told, since >= PATIENCE.window) == (Progressed.UNREPORTED, True)


@given(first=st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(hours=1)), tries=st.integers(0, 60))
def test_waits_grow_and_end(first: timedelta, tries: int) -> None:
    assert timedelta() < backoff(first, tries) <= LONGEST_WAIT
    assert backoff(first, tries) <= backoff(first, tries + 1)


@pytest.mark.parametrize(
    ("hint", "told", "found", "expected"),
    [
        ("done", Progressed.UNREPORTED, Verdict.UNREPORTED, Progressed.DONE),
        ("failed", Progressed.UNREPORTED, Verdict.UNREPORTED, Progressed.FAILED),
        (None, Progressed.UNREPORTED, Verdict.UNREPORTED, Progressed.UNREPORTED),
        ("done", Progressed.UNREPORTED, Verdict.NOT_APPLIED, Progressed.UNREPORTED),
        ("done", Progressed.UNREPORTED, None, Progressed.UNREPORTED),
        ("done", Progressed.FAILED, Verdict.UNREPORTED, Progressed.FAILED),
        ("failed", Progressed.PENDING, None, Progressed.PENDING),
    ],
)
def test_an_unasked_word_is_heeded_only_where_asking_tells_nothing(
    hint: str | None, told: Progressed, found: Verdict | None, expected: Progressed
) -> None:
    assert heeding(hint, told, found) is expected


def test_only_what_was_not_sent_may_be_cancelled() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)

    assert may_cancel(OperationStatus.QUEUED, None, 0)
    assert may_cancel(OperationStatus.SCHEDULED, None, 0)
    assert not may_cancel(OperationStatus.QUEUED, at, 0)
    assert not may_cancel(OperationStatus.QUEUED, None, 1)
    assert not may_cancel(OperationStatus.RUNNING, None, 0)


def test_a_network_reset_is_a_suspend_and_a_resume() -> None:
    assert steps_of(OperationKind.RESET_NETWORK) == (OperationKind.SUSPEND, OperationKind.RESUME)
    assert steps_of(OperationKind.SUSPEND) == (OperationKind.SUSPEND,)
