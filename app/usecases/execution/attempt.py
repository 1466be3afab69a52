"""One turn of claimed operations at the carrier, with no transaction open: send, or ask what became of what was sent.

Nothing is written here. The outcome of each operation is a value (`AttemptResult`), settled by `execution.settle`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from app.carriers.base import CarrierClient, Progress, ProgressState, Receipt, SimRef, SimSnapshot
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierRejected,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.db.mapping import OperationRecord
from app.domain.operation.outcomes import (
    ChangeProgress,
    NextStep,
    PollingPolicy,
    SendResult,
    after_progress,
    after_send,
    after_verification,
    steps_of,
    verify_change,
    with_push_hint,
)
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.usecases.carrier_sync.usage_run import refresh_usage
from app.usecases.context import Context
from app.usecases.operations.routing import polling_policy_of

Found = TypeVar("Found")

SEND_DEADLINE_SHARE = 0.7
"""The share of its lease within which a send must be over: later, another worker may already be asking about it."""

_CODES: dict[type[CarrierError], tuple[str, SendResult]] = {
    CarrierRejected: ("CARRIER_REJECTED", SendResult.REJECTED),
    CarrierRateLimited: ("CARRIER_QUOTA_EXCEEDED", SendResult.NOT_SENT),
    CarrierUnavailable: ("CARRIER_UNAVAILABLE", SendResult.NOT_SENT),
    CarrierAuthFailed: ("CARRIER_CREDENTIALS", SendResult.NOT_SENT),
    CarrierOutcomeUnknown: ("CARRIER_OUTCOME_UNKNOWN", SendResult.UNKNOWN),
    CarrierProtocolError: ("CARRIER_ANSWER_UNREADABLE", SendResult.UNKNOWN),
    UnsupportedOperation: ("NOT_SUPPORTED_BY_CARRIER", SendResult.REJECTED),
}
"""What each error of the tree means for a change, and the code callers see (`app.carriers.errors`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What came of one operation's turn: where it goes next, and everything learned on the way."""

    operation: OperationRecord
    next: NextStep
    reference: str | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    snapshot: SimSnapshot | None = None


def current_change(operation: OperationRecord) -> OperationKind:
    """The change this operation asks for in its present step."""
    return steps_of(operation.kind)[operation.step]


def call_groups(
    operations: Iterable[OperationRecord], clients: Callable[[str], CarrierClient]
) -> list[list[OperationRecord]]:
    """Operations that one call may carry together: same account, change, arguments; as many as the protocol takes."""

    def key(operation: OperationRecord) -> tuple[str, str, str, str]:
        asked = operation.status.value
        return (
            operation.account,
            asked,
            current_change(operation).value,
            json.dumps(operation.arguments, sort_keys=True),
        )

    made: list[list[OperationRecord]] = []
    for _, alike in groupby(sorted(operations, key=key), key=key):
        members = list(alike)
        client = clients(members[0].account)
        size = (
            client.change_batch(current_change(members[0]))
            if members[0].status is OperationStatus.RUNNING
            else len(members)
        )
        made.extend(members[i : i + size] for i in range(0, len(members), size))
    return made


async def execute_group(ctx: Context, group: Sequence[OperationRecord], refs: dict[int, SimRef]) -> list[AttemptResult]:
    """Send a group that was marked sent, or ask about a group that waits. Never raises for a carrier's fault."""
    first = group[0]
    client = ctx.clients.get(first.account)
    if client is None:
        return [_not_sent(o, "the account is no longer configured", "CARRIER_UNAVAILABLE", None) for o in group]
    polling = polling_policy_of(ctx, first.account, first.kind)
    if first.channel is Channel.GATEWAY:
        return [_settled_here(operation) for operation in group]
    if first.kind is OperationKind.REFRESH:
        return await _refresh(ctx, client, group, refs, polling)
    if first.status is OperationStatus.RUNNING:
        return await _send(ctx, client, group, refs, polling)
    return await _ask(ctx, client, group, refs, polling)


def _settled_here(operation: OperationRecord) -> AttemptResult:
    return AttemptResult(
        operation=operation, next=NextStep(status=OperationStatus.SUCCEEDED, note="kept by the gateway")
    )


def _not_sent(operation: OperationRecord, detail: str, code: str, wait: timedelta | None) -> AttemptResult:
    polling = PollingPolicy(settle_lag=timedelta(), completion=timedelta(), window=timedelta())
    following = after_send(SendResult.NOT_SENT, tries=operation.tries, polling=polling, retry_after=wait)
    return AttemptResult(
        operation=operation, next=following, error={"code": code, "detail": detail, "carrier_code": None}
    )


async def _send(
    ctx: Context,
    client: CarrierClient,
    group: Sequence[OperationRecord],
    refs: dict[int, SimRef],
    polling: PollingPolicy,
) -> list[AttemptResult]:
    """Ask for the change; however it ends within the lease, each operation gets exactly one outcome."""
    kind = current_change(group[0])
    arguments = group[0].arguments
    deadline = ctx.lease.total_seconds() * SEND_DEADLINE_SHARE
    try:
        async with asyncio.timeout(deadline):
            if len(group) == 1:
                receipt = await client.change(kind, refs[group[0].sim_id], arguments)
                return [_received(group[0], receipt, polling)]
            outcomes = await client.change_many(kind, [refs[o.sim_id] for o in group], arguments)
    except CarrierError as error:
        return [_failed_send(operation, error, polling) for operation in group]
    except TimeoutError:
        lost = CarrierOutcomeUnknown("no answer within the lease")
        return [_failed_send(operation, lost, polling) for operation in group]
    by_iccid = {outcome.iccid: outcome for outcome in outcomes}
    lost = CarrierOutcomeUnknown("the batch's answer does not name this card")
    came = []
    for operation in group:
        outcome = by_iccid.get(refs[operation.sim_id].iccid)
        if outcome is not None and outcome.receipt is not None:
            came.append(_received(operation, outcome.receipt, polling))
        else:
            told = outcome.error if outcome is not None else lost
            came.append(_failed_send(operation, told if isinstance(told, CarrierError) else lost, polling))
    return came


def _received(operation: OperationRecord, receipt: Receipt, polling: PollingPolicy) -> AttemptResult:
    sent = SendResult.SETTLED if receipt.settled or receipt.already else SendResult.ACCEPTED
    return AttemptResult(
        operation=operation,
        next=after_send(sent, tries=operation.tries, polling=polling),
        reference=receipt.reference,
        result=dict(receipt.result) if receipt.result else None,
    )


def _failed_send(operation: OperationRecord, error: CarrierError, polling: PollingPolicy) -> AttemptResult:
    code, sent = _meaning(error)
    wait = error.retry_after if isinstance(error, CarrierRateLimited) else None
    return AttemptResult(
        operation=operation,
        next=after_send(
            sent,
            tries=operation.tries,
            polling=polling,
            retry_after=timedelta(seconds=wait) if wait is not None else None,
        ),
        error={"code": code, "detail": error.detail, "carrier_code": error.carrier_code},
    )


def _meaning(error: CarrierError) -> tuple[str, SendResult]:
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


async def _ask(
    ctx: Context,
    client: CarrierClient,
    group: Sequence[OperationRecord],
    refs: dict[int, SimRef],
    polling: PollingPolicy,
) -> list[AttemptResult]:
    """Ask what became of changes sent before: by their reference where there is one, else by the card's state."""
    told = await _progresses(client, group, refs)
    unsure = (ProgressState.UNREPORTED, ProgressState.FAILED)
    unclear = [o for o, progress in zip(group, told, strict=True) if progress.state in unsure]
    dated = [
        o
        for o, progress in zip(group, told, strict=True)
        if progress.state is ProgressState.DONE and current_change(o) is OperationKind.ACTIVATE
    ]
    words = await _words(client, current_change(group[0]), [refs[o.sim_id] for o in (*unclear, *dated)])
    return [
        _answered(
            operation,
            progress,
            words.get(refs[operation.sim_id].iccid),
            polling,
            ctx.now(),
            latest_send=ctx.lease * SEND_DEADLINE_SHARE,
        )
        for operation, progress in zip(group, told, strict=True)
    ]


async def _progresses(
    client: CarrierClient, group: Sequence[OperationRecord], refs: dict[int, SimRef]
) -> list[Progress]:
    """How each goes, one question for all that share a reference; what cannot be asked now counts as pending."""
    by_reference: dict[str, list[SimRef]] = {}
    for operation in group:
        if operation.carrier_reference is not None:
            by_reference.setdefault(operation.carrier_reference, []).append(refs[operation.sim_id])
    kind = current_change(group[0])
    questions = [client.progress_many(kind, sims, reference) for reference, sims in by_reference.items()]
    answers = dict(zip(by_reference, await asyncio.gather(*map(_or_none, questions)), strict=True))
    return [_progress_in(answers, operation, refs[operation.sim_id].iccid) for operation in group]


def _progress_in(answers: Mapping[str, dict[str, Progress] | None], operation: OperationRecord, iccid: str) -> Progress:
    if operation.carrier_reference is None:
        return Progress(state=ProgressState.UNREPORTED)
    return (answers[operation.carrier_reference] or {}).get(iccid, Progress(state=ProgressState.PENDING))


SNAPSHOT_ONE_BY_ONE = frozenset(
    {OperationKind.CUT_NETWORK, OperationKind.RESTORE_NETWORK, OperationKind.SET_THRESHOLD, OperationKind.REBIND}
)
"""Changes that a carrier's list of many cards may leave out: each card is asked for by itself."""


async def _words(client: CarrierClient, kind: OperationKind, refs: list[SimRef]) -> dict[str, SimSnapshot]:
    if not refs:
        return {}
    parts = [[ref] for ref in refs] if kind in SNAPSHOT_ONE_BY_ONE else [refs]
    answers = await asyncio.gather(*(_or_none(client.snapshot(part)) for part in parts))
    return {snapshot.iccid: snapshot for answer in answers for snapshot in answer or []}


async def _or_none(question: Awaitable[Found]) -> Found | None:
    """A question that cannot be answered now is asked again later; it changes nothing."""
    try:
        return await question
    except CarrierError:
        return None


def _answered(
    operation: OperationRecord,
    progress: Progress,
    word: SimSnapshot | None,
    polling: PollingPolicy,
    now: datetime,
    latest_send: timedelta,
) -> AttemptResult:
    """What the answers mean. `latest_send`: how long after `sent_at` the change may really have left us."""
    since_sent = now - (operation.sent_at or now)
    found = verify_change(current_change(operation), operation.arguments, word)
    if operation.status is OperationStatus.VERIFYING and progress.state in (
        ProgressState.UNREPORTED,
        ProgressState.PENDING,
    ):
        following = after_verification(
            found, since_sent=since_sent - latest_send, tries=operation.tries, polling=polling
        )
    else:
        told = with_push_hint(
            operation.carrier_hint, ChangeProgress(progress.state.value), found if word is not None else None
        )
        following = after_progress(told, found, since_sent=since_sent, tries=operation.tries, polling=polling)
    error = operation.error
    if following.status is OperationStatus.FAILED:
        detail = progress.detail or "the carrier reports that it failed"
        error = {"code": "CARRIER_REJECTED", "detail": detail, "carrier_code": progress.carrier_code}
    return AttemptResult(operation=operation, next=following, error=error, snapshot=word)


async def _refresh(
    ctx: Context,
    client: CarrierClient,
    group: Sequence[OperationRecord],
    refs: dict[int, SimRef],
    polling: PollingPolicy,
) -> list[AttemptResult]:
    """Read the carrier's word and its usage on demand; nothing is changed there, so nothing needs verifying."""
    try:
        async with asyncio.timeout(ctx.lease.total_seconds() * SEND_DEADLINE_SHARE):
            asked = [refs[o.sim_id] for o in group]
            words = {s.iccid: s for s in await client.snapshot(asked)}
            await refresh_usage(ctx, group[0].account, group[0].carrier, asked)
    except TimeoutError:
        return [_not_sent(o, "the carrier does not answer", "CARRIER_UNAVAILABLE", None) for o in group]
    except CarrierError as error:
        code = _meaning(error)[0]
        return [_not_sent(o, error.detail, code, None) for o in group]
    done = after_send(SendResult.SETTLED, tries=0, polling=polling)
    return [AttemptResult(operation=o, next=done, snapshot=words.get(refs[o.sim_id].iccid)) for o in group]


def by_phase(operations: Sequence[OperationRecord]) -> tuple[list[OperationRecord], list[OperationRecord]]:
    """Those whose sending must be committed first, and those that only ask (or never leave the gateway)."""
    sends: list[OperationRecord] = []
    asks: list[OperationRecord] = []
    for operation in operations:
        running, by_api = operation.status is OperationStatus.RUNNING, operation.channel is Channel.API
        sent = running and by_api and operation.kind is not OperationKind.REFRESH
        (sends if sent else asks).append(operation)
    return sends, asks
