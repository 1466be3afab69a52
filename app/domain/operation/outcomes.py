"""The state machine of an operation at the carrier (OP-3), as pure values.

A worker sends, verifies and polls, and obeys the `NextStep` that it gets here. One rule is behind all tables: an
operation takes effect at the carrier at most once. A change whose answer was lost is therefore verified, and sent again
only after the carrier has shown that it was not applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from app.domain.identifiers import same_device
from app.domain.operation.arguments import Arguments
from app.domain.vocabulary import Channel, OperationKind, OperationStatus, SimState

MAX_POLL_INTERVAL = timedelta(minutes=10)
"""The longest wait between two queries about the same operation."""

STEPS: Mapping[OperationKind, tuple[OperationKind, ...]] = MappingProxyType(
    {OperationKind.RESET_NETWORK: (OperationKind.SUSPEND, OperationKind.RESUME)}
)
"""Composite operations: one row, several changes at the carrier in order (SL-5)."""


class SendResult(StrEnum):
    """The result of sending a change.

    `SETTLED`: done at once; `ACCEPTED`: completes later; `NOT_SENT`: the carrier never had it; `UNKNOWN`: answer lost.
    """

    SETTLED = "settled"
    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class VerificationResult(StrEnum):
    """What the carrier's snapshot of a SIM shows about one change."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    IN_PROGRESS = "in_progress"
    UNREPORTED = "unreported"


class ChangeProgress(StrEnum):
    """What the carrier reports about a change that it accepted."""

    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"
    UNREPORTED = "unreported"


class CarrierSnapshot(Protocol):
    """The fields of a carrier's snapshot that show changes; None: not reported."""

    @property
    def state(self) -> SimState | None:
        """The neutral state, None where no table knows the code."""
        ...

    @property
    def in_progress(self) -> bool | None:
        """Whether the carrier is still working on a change of the SIM."""
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
    """The waits of one protocol.

    `settle_lag`: until a query shows a change; `completion`: until an accepted change is usually done; `window`: until
    an unresolved operation is handed to the desk.
    """

    settle_lag: timedelta
    completion: timedelta
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What becomes of the operation's row.

    `after`: when it is due again; `keep_sent_at`: whether it still counts as sent; `counts_as_attempt`: False where the
    carrier never had it; `note`: for its history.
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
"""Kind -> (states that show it applied, states that show it not applied); any other state shows neither."""


SHOWN_BY_CARRIER = frozenset(_SHOWN_BY_STATE) | {
    OperationKind.CUT_NETWORK,
    OperationKind.RESTORE_NETWORK,
    OperationKind.SET_THRESHOLD,
}
"""Kinds whose effect a snapshot can show; whether any other was applied the carrier's word cannot tell (OP-3)."""


def verify_change(kind: OperationKind, arguments: Arguments, snapshot: CarrierSnapshot | None) -> VerificationResult:
    """Whether the carrier's snapshot of a SIM shows this change applied (OP-3). `snapshot` None: none was returned."""
    if snapshot is None:
        return VerificationResult.UNREPORTED
    shown = _shown_by(kind, arguments, snapshot)
    if shown is VerificationResult.NOT_APPLIED and snapshot.in_progress:
        return VerificationResult.IN_PROGRESS
    return shown


def _shown_by(kind: OperationKind, arguments: Arguments, snapshot: CarrierSnapshot) -> VerificationResult:
    """The result by state, network, threshold or device, whichever the kind changes."""
    if kind in _SHOWN_BY_STATE:
        applied, not_applied = _SHOWN_BY_STATE[kind]
        return _result(shows=snapshot.state in applied, denies=snapshot.state in not_applied)
    if kind in (OperationKind.CUT_NETWORK, OperationKind.RESTORE_NETWORK):
        wanted = kind is OperationKind.CUT_NETWORK
        return _result(shows=snapshot.network_cut is wanted, denies=snapshot.network_cut is (not wanted))
    if kind is OperationKind.SET_THRESHOLD and snapshot.threshold is not None:
        same = snapshot.threshold == arguments.get("bytes")
        return _result(shows=same, denies=not same)
    if kind is OperationKind.REBIND and arguments.get("imei") and snapshot.imei:
        same = same_device(snapshot.imei, str(arguments["imei"]))
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
    """The step after a send. `tries`: consecutive attempts not sent; `retry_after`: given by the carrier."""
    if sent is SendResult.SETTLED:
        return NextStep(status=OperationStatus.SUCCEEDED, note="carrier confirmed")
    if sent is SendResult.ACCEPTED:
        return NextStep(status=OperationStatus.WAITING_CARRIER, after=polling.completion, note="carrier accepted")
    if sent is SendResult.REJECTED:
        return NextStep(status=OperationStatus.FAILED, note="carrier refused")
    if sent is SendResult.UNKNOWN:
        return NextStep(
            status=OperationStatus.VERIFYING, after=polling.settle_lag, note="answer lost; verifying with the carrier"
        )
    wait = retry_after if retry_after is not None else backoff(timedelta(seconds=1), tries)
    note = "not sent; carrier unavailable"
    return NextStep(status=OperationStatus.QUEUED, after=wait, keep_sent_at=False, counts_as_attempt=False, note=note)


def after_verification(
    found: VerificationResult, *, since_sent: timedelta, tries: int, polling: PollingPolicy, sends: int = 1
) -> NextStep:
    """The step after verifying a change whose answer was lost (status `verifying`).

    `since_sent`: time since the change may last have left the gateway; `tries`: queries so far; `sends`: how often it
    was sent. It is sent again at once the first time, then with back-off: an answer may be unreadable each time.
    """
    if found is VerificationResult.APPLIED:
        return NextStep(status=OperationStatus.SUCCEEDED, note="carrier shows it applied")
    if found is VerificationResult.NOT_APPLIED and since_sent >= polling.settle_lag:
        again = backoff(max(polling.settle_lag, timedelta(seconds=1)), sends - 2) if sends > 1 else timedelta()
        note = "carrier shows it not applied; sending again"
        return NextStep(status=OperationStatus.QUEUED, after=again, keep_sent_at=False, note=note)
    if since_sent >= polling.window:
        return NextStep(
            status=OperationStatus.WAITING_CARRIER, channel=Channel.DESK, note="not verifiable; handed to the desk"
        )
    return NextStep(
        status=OperationStatus.VERIFYING, after=backoff(max(polling.settle_lag, timedelta(seconds=1)), tries), note=""
    )


PROGRESS_BY_HINT: Mapping[str, ChangeProgress] = MappingProxyType(
    {"done": ChangeProgress.DONE, "failed": ChangeProgress.FAILED}
)
"""A carrier's push about a change it accepted, used as a last resort."""


def with_push_hint(hint: str | None, reported: ChangeProgress, found: VerificationResult | None) -> ChangeProgress:
    """The progress of an accepted change, completed by the carrier's push where no query can show it.

    A push alone proves nothing. It counts only where neither the change's own query nor the SIM's snapshot reports
    anything (a rebind to the next device seen, an add-on), because no query will ever do better.
    """
    unreported = reported is ChangeProgress.UNREPORTED and found is VerificationResult.UNREPORTED
    return PROGRESS_BY_HINT.get(hint or "", reported) if unreported else reported


def after_progress(
    reported: ChangeProgress,
    found: VerificationResult | None,
    *,
    since_sent: timedelta,
    tries: int,
    polling: PollingPolicy,
) -> NextStep:
    """The step after polling a change that the carrier accepted.

    `reported`: the change's own progress; `found`: what the SIM's snapshot shows, which decides where `reported` is
    unreported or failed (at some carriers a change fails because the SIM is already in the requested state). An
    accepted change is never sent again: if it neither completes nor fails, it is handed to the desk.
    """
    if reported is ChangeProgress.DONE or (
        reported is ChangeProgress.UNREPORTED and found is VerificationResult.APPLIED
    ):
        return NextStep(status=OperationStatus.SUCCEEDED, note="carrier completed")
    if reported is ChangeProgress.FAILED and found is VerificationResult.APPLIED:
        return NextStep(status=OperationStatus.SUCCEEDED, note="refused: already in the requested state")
    if reported is ChangeProgress.FAILED:
        return NextStep(status=OperationStatus.FAILED, note="carrier reports failure")
    if since_sent >= polling.window and reported is ChangeProgress.UNREPORTED:
        return NextStep(
            status=OperationStatus.WAITING_CARRIER,
            channel=Channel.DESK,
            note="not completed; handed to the desk",
        )
    return NextStep(
        status=OperationStatus.WAITING_CARRIER,
        after=backoff(max(polling.completion, timedelta(milliseconds=500)), tries),
    )


def backoff(first: timedelta, tries: int) -> timedelta:
    """The wait before the next attempt: `first`, times 1.5 for each of `tries`, at most `MAX_POLL_INTERVAL`."""
    growth: int = 3 ** min(tries, 16)
    halvings: int = 2 ** min(tries, 16)
    return min(first * growth // halvings, MAX_POLL_INTERVAL)


def may_cancel(status: OperationStatus, sent_at: datetime | None, step: int) -> bool:
    """Whether an operation may still be cancelled: until it is sent (`docs/api.md`, Operations)."""
    waiting = status in (OperationStatus.SCHEDULED, OperationStatus.QUEUED)
    return waiting and sent_at is None and step == 0
