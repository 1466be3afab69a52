"""OP-3 as values: what was sent and not answered is asked for, never sent again before it shows as not applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.operation.outcomes import (
    MAX_POLL_INTERVAL,
    ChangeProgress,
    PollingPolicy,
    SendResult,
    VerificationResult,
    after_progress,
    after_send,
    after_verification,
    backoff,
    may_cancel,
    steps_of,
    verify_change,
    with_push_hint,
)
from app.domain.vocabulary import Channel, OperationKind, OperationStatus, SimState

SECOND = timedelta(seconds=1)
PATIENCE = PollingPolicy(settle_lag=2 * SECOND, completion=SECOND, window=timedelta(days=1))


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
        (OperationKind.ACTIVATE, {}, Word(state=SimState.ACTIVE), VerificationResult.APPLIED),
        (OperationKind.ACTIVATE, {}, Word(state=SimState.SILENT), VerificationResult.NOT_APPLIED),
        (OperationKind.ACTIVATE, {}, Word(state=SimState.SILENT, in_progress=True), VerificationResult.IN_PROGRESS),
        (OperationKind.ACTIVATE, {}, Word(state=SimState.CANCELLED), VerificationResult.UNREPORTED),
        (OperationKind.ACTIVATE, {}, Word(state=None), VerificationResult.UNREPORTED),
        (OperationKind.ACTIVATE, {}, None, VerificationResult.UNREPORTED),
        (OperationKind.SUSPEND, {}, Word(state=SimState.SUSPENDED), VerificationResult.APPLIED),
        (OperationKind.SUSPEND, {}, Word(state=SimState.EXPIRED), VerificationResult.APPLIED),
        (OperationKind.SUSPEND, {}, Word(state=SimState.ACTIVE), VerificationResult.NOT_APPLIED),
        (OperationKind.RESUME, {}, Word(state=SimState.ACTIVE), VerificationResult.APPLIED),
        (OperationKind.RESUME, {}, Word(state=SimState.SUSPENDED), VerificationResult.NOT_APPLIED),
        (OperationKind.TERMINATE, {}, Word(state=SimState.CANCELLED), VerificationResult.APPLIED),
        (OperationKind.TERMINATE, {}, Word(state=SimState.ACTIVE), VerificationResult.NOT_APPLIED),
        (OperationKind.CUT_NETWORK, {}, Word(network_cut=True), VerificationResult.APPLIED),
        (OperationKind.CUT_NETWORK, {}, Word(network_cut=False), VerificationResult.NOT_APPLIED),
        (OperationKind.CUT_NETWORK, {}, Word(), VerificationResult.UNREPORTED),
        (OperationKind.RESTORE_NETWORK, {}, Word(network_cut=False), VerificationResult.APPLIED),
        (OperationKind.SET_THRESHOLD, {"bytes": 5}, Word(threshold=5), VerificationResult.APPLIED),
        (OperationKind.SET_THRESHOLD, {"bytes": 5}, Word(threshold=6), VerificationResult.NOT_APPLIED),
        (OperationKind.SET_THRESHOLD, {"bytes": 5}, Word(), VerificationResult.UNREPORTED),
        (OperationKind.REBIND, {"imei": "1"}, Word(imei="1"), VerificationResult.APPLIED),
        (OperationKind.REBIND, {"imei": "1"}, Word(imei="2"), VerificationResult.NOT_APPLIED),
        (
            OperationKind.REBIND,
            {"imei": "490154203237518"},
            Word(imei="4901542032375102"),
            VerificationResult.APPLIED,
        ),
        (OperationKind.REBIND, {}, Word(imei="2"), VerificationResult.UNREPORTED),
        (OperationKind.ORDER_ADDON, {}, Word(state=SimState.ACTIVE), VerificationResult.UNREPORTED),
        (OperationKind.VERIFY_REAL_NAME, {}, Word(state=SimState.ACTIVE), VerificationResult.UNREPORTED),
        (OperationKind.REFRESH, {}, Word(), VerificationResult.NOT_APPLIED),
    ],
)
def test_the_carriers_word_shows_a_change_or_does_not(
    kind: OperationKind, arguments: dict[str, str | int], word: Word | None, expected: VerificationResult
) -> None:
    assert verify_change(kind, arguments, word) is expected


@pytest.mark.parametrize(
    ("sent", "status", "stands"),
    [
        (SendResult.SETTLED, OperationStatus.SUCCEEDED, True),
        (SendResult.ACCEPTED, OperationStatus.WAITING_CARRIER, True),
        (SendResult.REJECTED, OperationStatus.FAILED, True),
        (SendResult.UNKNOWN, OperationStatus.VERIFYING, True),
        (SendResult.NOT_SENT, OperationStatus.QUEUED, False),
    ],
)
def test_each_end_of_a_send_has_one_consequence(sent: SendResult, status: OperationStatus, *, stands: bool) -> None:
    following = after_send(sent, tries=0, polling=PATIENCE)

    assert (following.status, following.keep_sent_at) == (status, stands)


def test_a_lost_answer_is_asked_for_no_sooner_than_the_settle_lag() -> None:
    assert after_send(SendResult.UNKNOWN, tries=0, polling=PATIENCE).after == PATIENCE.settle_lag


def test_a_carriers_wish_to_be_asked_later_is_kept() -> None:
    following = after_send(SendResult.NOT_SENT, tries=7, polling=PATIENCE, retry_after=3 * SECOND)

    assert following.after == 3 * SECOND


@given(
    found=st.sampled_from(VerificationResult),
    since=st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3)),
    tries=st.integers(0, 100),
)
def test_nothing_is_sent_again_before_it_shows_as_not_applied_after_the_lag(
    found: VerificationResult, since: timedelta, tries: int
) -> None:
    following = after_verification(found, since_sent=since, tries=tries, polling=PATIENCE)

    if following.status is OperationStatus.QUEUED:
        assert found is VerificationResult.NOT_APPLIED
        assert since >= PATIENCE.settle_lag
    if following.status is OperationStatus.SUCCEEDED:
        assert found is VerificationResult.APPLIED
    if following.channel is Channel.DESK:
        assert since >= PATIENCE.window
    assert timedelta() <= following.after <= MAX_POLL_INTERVAL


@given(
    told=st.sampled_from(ChangeProgress),
    found=st.sampled_from([None, *VerificationResult]),
    since=st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3)),
    tries=st.integers(0, 100),
)
def test_what_a_carrier_accepted_is_never_sent_again(
    told: ChangeProgress, found: VerificationResult | None, since: timedelta, tries: int
) -> None:
    following = after_progress(told, found, since_sent=since, tries=tries, polling=PATIENCE)

    assert following.status in (OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.WAITING_CARRIER)
    if told is ChangeProgress.FAILED:
        so_already = found is VerificationResult.APPLIED
        assert following.status is (OperationStatus.SUCCEEDED if so_already else OperationStatus.FAILED)
    if following.channel is Channel.DESK:
        assert (told, since >= PATIENCE.window) == (ChangeProgress.UNREPORTED, True)


@given(first=st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(hours=1)), tries=st.integers(0, 60))
def test_waits_grow_and_end(first: timedelta, tries: int) -> None:
    assert timedelta() < backoff(first, tries) <= MAX_POLL_INTERVAL
    assert backoff(first, tries) <= backoff(first, tries + 1)


@pytest.mark.parametrize(
    ("hint", "told", "found", "expected"),
    [
        ("done", ChangeProgress.UNREPORTED, VerificationResult.UNREPORTED, ChangeProgress.DONE),
        ("failed", ChangeProgress.UNREPORTED, VerificationResult.UNREPORTED, ChangeProgress.FAILED),
        (None, ChangeProgress.UNREPORTED, VerificationResult.UNREPORTED, ChangeProgress.UNREPORTED),
        ("done", ChangeProgress.UNREPORTED, VerificationResult.NOT_APPLIED, ChangeProgress.UNREPORTED),
        ("done", ChangeProgress.UNREPORTED, None, ChangeProgress.UNREPORTED),
        ("done", ChangeProgress.FAILED, VerificationResult.UNREPORTED, ChangeProgress.FAILED),
        ("failed", ChangeProgress.PENDING, None, ChangeProgress.PENDING),
    ],
)
def test_an_unasked_word_is_heeded_only_where_asking_tells_nothing(
    hint: str | None, told: ChangeProgress, found: VerificationResult | None, expected: ChangeProgress
) -> None:
    assert with_push_hint(hint, told, found) is expected


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
