"""What becomes of an operation after each thing that can happen to it (OP-3), as values.

Nothing here sends or asks: a worker does, and obeys the `NextStep` it is given. The one rule behind the tables: an
operation takes effect at the carrier at most once, so whatever was sent and not answered is asked for, never resent
before the carrier's word shows that it was not applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from app.domain.vocabulary import Channel, OperationKind, OperationStatus, SimState

ARGUMENT = str | int | bool | None

MAX_POLL_INTERVAL = timedelta(minutes=10)
"""Between two questions about the same operation."""

STEPS: Mapping[OperationKind, tuple[OperationKind, ...]] = MappingProxyType(
    {OperationKind.RESET_NETWORK: (OperationKind.SUSPEND, OperationKind.RESUME)}
)
"""Composite operations: one row, several changes in order (SL-5)."""


class SendResult(StrEnum):
    """What came of sending a change."""

    SETTLED = "settled"
    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class VerificationResult(StrEnum):
    """What the carrier's word on a card says about one change."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    IN_PROGRESS = "in_progress"
    UNREPORTED = "untold"


class ChangeProgress(StrEnum):
    """What the carrier says of a change it accepted."""

    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"
    UNREPORTED = "untold"


class CarrierSnapshot(Protocol):
    """The part of a carrier's snapshot that shows changes; None = not said."""

    @property
    def state(self) -> SimState | None:
        """The neutral state, None where no table knows the code."""
        ...

    @property
    def in_progress(self) -> bool | None:
        """Whether the carrier is still doing something on the card."""
        ...

    @property
    def imei(self) -> str | None:
        """The device bound or seen."""
        ...

    @property
    def network_cut(self) -> bool | None:
        """Whether the network alone is cut (ST-16)."""
        ...

    @property
    def threshold(self) -> int | None:
        """The threshold in force, bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingPolicy:
    """How long to wait for one protocol: until a change shows, until it is usually done, until a person takes over."""

    settle_lag: timedelta
    completion: timedelta
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What the row becomes: its status, when it is looked at again, whether `sent_at` stands, by what channel.

    `counts_as_attempt`: False where the carrier never had it, so that it does not count as an attempt.
    """

    status: OperationStatus
    after: timedelta = timedelta()
    keep_sent_at: bool = True
    counts_as_attempt: bool = True
    channel: Channel = Channel.API
    note: str = ""


def steps_of(kind: OperationKind) -> tuple[OperationKind, ...]:
    """The changes an operation of this kind makes at the carrier, in order."""
    return STEPS.get(kind, (kind,))


_SHOWN_BY_STATE: Mapping[OperationKind, tuple[frozenset[SimState], frozenset[SimState]]] = MappingProxyType(
    {
        OperationKind.ACTIVATE: (
            frozenset({SimState.ACTIVE, SimState.SUSPENDED}),
            frozenset({SimState.INVENTORY, SimState.TESTING, SimState.SILENT}),
        ),
        OperationKind.SUSPEND: (
            frozenset({SimState.SUSPENDED, SimState.EXPIRED, SimState.CANCELLED}),
            frozenset({SimState.ACTIVE}),
        ),
        OperationKind.RESUME: (frozenset({SimState.ACTIVE}), frozenset({SimState.SUSPENDED})),
        OperationKind.TERMINATE: (
            frozenset({SimState.CANCELLED}),
            frozenset(SimState) - {SimState.CANCELLED},
        ),
    }
)
"""Kind -> (states that show it applied, states that show it not applied); any other state tells nothing."""


def verify_change(
    kind: OperationKind, arguments: Mapping[str, ARGUMENT], word: CarrierSnapshot | None
) -> VerificationResult:
    """Whether the carrier's word shows this change applied (OP-3). `word` None: the carrier does not show the card."""
    if word is None:
        return VerificationResult.UNREPORTED
    told = _shown_by(kind, arguments, word)
    if told is VerificationResult.NOT_APPLIED and word.in_progress:
        return VerificationResult.IN_PROGRESS
    return told


def _shown_by(kind: OperationKind, arguments: Mapping[str, ARGUMENT], word: CarrierSnapshot) -> VerificationResult:
    if kind in _SHOWN_BY_STATE:
        applied, not_applied = _SHOWN_BY_STATE[kind]
        return _result(shows=word.state in applied, denies=word.state in not_applied)
    if kind in (OperationKind.CUT_NETWORK, OperationKind.RESTORE_NETWORK):
        wanted = kind is OperationKind.CUT_NETWORK
        return _result(shows=word.network_cut is wanted, denies=word.network_cut is (not wanted))
    if kind is OperationKind.SET_THRESHOLD and word.threshold is not None:
        same = word.threshold == arguments.get("bytes")
        return _result(shows=same, denies=not same)
    if kind is OperationKind.REBIND and arguments.get("imei") and word.imei:
        same = word.imei == arguments["imei"]
        return _result(shows=same, denies=not same)
    if kind is OperationKind.REFRESH:
        return VerificationResult.NOT_APPLIED
    return VerificationResult.UNREPORTED


def _result(*, shows: bool, denies: bool) -> VerificationResult:
    if shows:
        return VerificationResult.APPLIED
    return VerificationResult.NOT_APPLIED if denies else VerificationResult.UNREPORTED


def after_send(
    sent: SendResult, *, tries: int, polling: PollingPolicy, retry_after: timedelta | None = None
) -> NextStep:
    """What follows a send. `tries` = how often in a row nothing could be sent; `retry_after` = the carrier's wish."""
    if sent is SendResult.SETTLED:
        return NextStep(status=OperationStatus.SUCCEEDED, note="carrier confirmed")
    if sent is SendResult.ACCEPTED:
        return NextStep(status=OperationStatus.WAITING_CARRIER, after=polling.completion, note="carrier accepted")
    if sent is SendResult.REJECTED:
        return NextStep(status=OperationStatus.FAILED, note="carrier refused")
    if sent is SendResult.UNKNOWN:
        return NextStep(
            status=OperationStatus.VERIFYING, after=polling.settle_lag, note="answer lost; asking the carrier"
        )
    wait = retry_after if retry_after is not None else backoff(timedelta(seconds=1), tries)
    note = "not sent; carrier unavailable"
    return NextStep(status=OperationStatus.QUEUED, after=wait, keep_sent_at=False, counts_as_attempt=False, note=note)


def after_verification(
    found: VerificationResult, *, since_sent: timedelta, tries: int, polling: PollingPolicy
) -> NextStep:
    """What follows a question about a change whose answer was lost (`verifying`)."""
    if found is VerificationResult.APPLIED:
        return NextStep(status=OperationStatus.SUCCEEDED, note="carrier shows it applied")
    if found is VerificationResult.NOT_APPLIED and since_sent >= polling.settle_lag:
        return NextStep(
            status=OperationStatus.QUEUED, keep_sent_at=False, note="carrier shows it not applied; sending again"
        )
    if since_sent >= polling.window:
        return NextStep(
            status=OperationStatus.WAITING_CARRIER, channel=Channel.DESK, note="carrier cannot tell; a person must"
        )
    return NextStep(
        status=OperationStatus.VERIFYING, after=backoff(max(polling.settle_lag, timedelta(seconds=1)), tries), note=""
    )


PROGRESS_BY_HINT: Mapping[str, ChangeProgress] = MappingProxyType(
    {"done": ChangeProgress.DONE, "failed": ChangeProgress.FAILED}
)
"""A carrier's unasked word on a change it accepted, as a last resort."""


def with_push_hint(hint: str | None, told: ChangeProgress, found: VerificationResult | None) -> ChangeProgress:
    """What is known of an accepted change with the carrier's unasked word beside its answers.

    A push proves nothing by itself: it is heeded only where the carrier, asked, tells neither of the change nor by the
    card (a rebind to whatever device comes next, an add-on), for which no better word will ever come.
    """
    silent = told is ChangeProgress.UNREPORTED and found is VerificationResult.UNREPORTED
    return PROGRESS_BY_HINT.get(hint or "", told) if silent else told


def after_progress(
    told: ChangeProgress, found: VerificationResult | None, *, since_sent: timedelta, tries: int, polling: PollingPolicy
) -> NextStep:
    """What follows a question about a change the carrier accepted. `found` tells where `told` does not or has failed.

    A change that failed because the card is so already has what was asked for. An accepted change is never sent again:
    if it neither completes nor fails, a person takes over.
    """
    if told is ChangeProgress.DONE or (told is ChangeProgress.UNREPORTED and found is VerificationResult.APPLIED):
        return NextStep(status=OperationStatus.SUCCEEDED, note="carrier completed")
    if told is ChangeProgress.FAILED and found is VerificationResult.APPLIED:
        return NextStep(status=OperationStatus.SUCCEEDED, note="carrier would not, for it is so already")
    if told is ChangeProgress.FAILED:
        return NextStep(status=OperationStatus.FAILED, note="carrier reports failure")
    if since_sent >= polling.window and told is ChangeProgress.UNREPORTED:
        return NextStep(
            status=OperationStatus.WAITING_CARRIER, channel=Channel.DESK, note="not completed; a person must"
        )
    return NextStep(
        status=OperationStatus.WAITING_CARRIER,
        after=backoff(max(polling.completion, timedelta(milliseconds=500)), tries),
    )


def backoff(first: timedelta, tries: int) -> timedelta:
    """The wait before the next try: half as long again each time, at most ten minutes."""
    growth: int = 3 ** min(tries, 16)
    halvings: int = 2 ** min(tries, 16)
    return min(first * growth // halvings, MAX_POLL_INTERVAL)


def may_cancel(status: OperationStatus, sent_at: datetime | None, step: int) -> bool:
    """An operation may be cancelled until it is sent (`docs/api.md`, Operations)."""
    waiting = status in (OperationStatus.SCHEDULED, OperationStatus.QUEUED)
    return waiting and sent_at is None and step == 0
