"""Find out what became of a change sent earlier: by its reference if there is one, else by the SIM's state (OP-3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from app.carriers.base import Failures, Progress, ProgressState, SimRef, SimSnapshot
from app.carriers.errors import CarrierError, NoSuchCard
from app.db.mapping import OperationRecord
from app.domain.operation.outcomes import (
    ChangeProgress,
    NextStep,
    VerificationResult,
    after_progress,
    after_verification,
    verify_change,
    with_push_hint,
)
from app.domain.vocabulary import OperationKind, OperationStatus
from app.usecases.execution.grouping import CallGroup
from app.usecases.execution.results import AttemptResult, from_error

Answer = TypeVar("Answer")

SNAPSHOT_ONE_BY_ONE = frozenset(
    {OperationKind.CUT_NETWORK, OperationKind.RESTORE_NETWORK, OperationKind.SET_THRESHOLD, OperationKind.REBIND}
)
"""Changes that a carrier's answer about many SIMs may leave out: each SIM is queried by itself."""


async def verify(group: CallGroup, now: datetime) -> list[AttemptResult]:
    """Query the progress of each change, and a snapshot of the SIM where progress alone does not settle it.

    A SIM that cannot be answered for holds up no other; one that the carrier does not know has failed (LC-18).
    """
    failures: Failures = {}
    progresses = await _query_progress(group, failures)
    pairs = list(zip(group.operations, progresses, strict=True))
    unclear = [operation for operation, progress in pairs if _needs_snapshot(operation, progress)]
    snapshots = await _query_snapshots(group, unclear, failures)
    results = []
    for operation, progress in pairs:
        iccid = group.ref(operation).iccid
        error = failures.get(iccid)
        if isinstance(error, NoSuchCard) and iccid not in snapshots:
            results.append(from_error(operation, error, group.polling))
        else:
            results.append(_result(group, operation, progress, snapshots.get(iccid), now))
    return results


def _needs_snapshot(operation: OperationRecord, progress: Progress) -> bool:
    """No report, or a failure that may mean "already so"; a completed activation needs its date."""
    activated = progress.state is ProgressState.DONE and operation.kind is OperationKind.ACTIVATE
    return activated or progress.state in (ProgressState.UNREPORTED, ProgressState.FAILED)


async def _query_progress(group: CallGroup, failures: Failures) -> list[Progress]:
    """The progress of each operation, one query per reference. One that cannot be answered now counts as pending."""
    by_reference: dict[str, list[SimRef]] = {}
    for operation in group.operations:
        if operation.carrier_reference is not None:
            by_reference.setdefault(operation.carrier_reference, []).append(group.ref(operation))
    queries = [
        group.client.progress_many(group.change, sims, reference, failures=failures)
        for reference, sims in by_reference.items()
    ]
    answers = dict(zip(by_reference, await asyncio.gather(*map(_or_none, queries)), strict=True))
    return [_progress_of(answers, operation, group.ref(operation).iccid) for operation in group.operations]


def _progress_of(
    answers: Mapping[str, Mapping[str, Progress] | None], operation: OperationRecord, iccid: str
) -> Progress:
    if operation.carrier_reference is None:
        return Progress(state=ProgressState.UNREPORTED)
    return (answers[operation.carrier_reference] or {}).get(iccid, Progress(state=ProgressState.PENDING))


async def _query_snapshots(
    group: CallGroup, operations: Sequence[OperationRecord], failures: Failures
) -> dict[str, SimSnapshot]:
    """Snapshots by ICCID; a query that fails now leaves its SIMs out, and `failures` gets the errors of single SIMs."""
    refs = [group.ref(operation) for operation in operations]
    if not refs:
        return {}
    parts = [[ref] for ref in refs] if group.change in SNAPSHOT_ONE_BY_ONE else [refs]
    answers = await asyncio.gather(*(_or_none(group.client.snapshot(part, failures=failures)) for part in parts))
    return {snapshot.iccid: snapshot for answer in answers for snapshot in answer or []}


async def _or_none(query: Awaitable[Answer]) -> Answer | None:
    """The answer, or None where the carrier cannot answer now; a query changes nothing, so it is simply repeated."""
    try:
        return await query
    except CarrierError:
        return None


def _result(
    group: CallGroup, operation: OperationRecord, progress: Progress, snapshot: SimSnapshot | None, now: datetime
) -> AttemptResult:
    found = verify_change(group.change, operation.arguments, snapshot)
    step = _next_step(group, operation, progress, found, now, has_snapshot=snapshot is not None)
    error = _failure(progress) if step.status is OperationStatus.FAILED else operation.error
    return AttemptResult(operation=operation, next=step, error=error, snapshot=snapshot)


def _next_step(
    group: CallGroup,
    operation: OperationRecord,
    progress: Progress,
    found: VerificationResult,
    now: datetime,
    *,
    has_snapshot: bool,
) -> NextStep:
    """The next step of an operation whose answer was lost (`verifying`), or of one that the carrier accepted."""
    since_sent = now - (operation.sent_at or now)
    silent = progress.state in (ProgressState.UNREPORTED, ProgressState.PENDING)
    if operation.status is OperationStatus.VERIFYING and silent:
        return after_verification(
            found,
            since_sent=now - _unknown_since(operation, now),
            tries=operation.tries,
            polling=group.polling,
            sends=operation.attempts,
        )
    reported = with_push_hint(
        operation.carrier_hint, ChangeProgress(progress.state.value), found if has_snapshot else None
    )
    return after_progress(reported, found, since_sent=since_sent, tries=operation.tries, polling=group.polling)


def _unknown_since(operation: OperationRecord, now: datetime) -> datetime:
    """Since when the outcome is unknown; the settle lag counts from then.

    Not from `sent_at`, where the history says more: the carrier had the change until its answer was given up, or the
    worker's lease had ended.
    """
    since = operation.sent_at or now
    for line in reversed(operation.history):
        if line["status"] != OperationStatus.VERIFYING.value:
            break
        since = datetime.fromisoformat(line["at"])
    return since


def _failure(progress: Progress) -> dict[str, Any]:
    detail = progress.detail or "the carrier reports that it failed"
    error_code = "SIM_UNKNOWN_AT_CARRIER" if progress.unknown_sim else "CARRIER_REJECTED"
    return {"code": error_code, "detail": detail, "carrier_code": progress.carrier_code}
