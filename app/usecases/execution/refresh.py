"""Refresh SIMs on demand: read their snapshots and their usage. Nothing is changed there, so nothing is verified."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from app.carriers.base import Failures, SimSnapshot
from app.carriers.errors import CarrierError, CarrierRateLimited, CarrierUnavailable, NoSuchCard
from app.carriers.http.slots import on_request
from app.db.mapping import OperationRecord
from app.domain.operation.outcomes import SendResult, after_send
from app.domain.vocabulary import OperationSource
from app.usecases.carrier_sync.snapshots import mark_unknown
from app.usecases.carrier_sync.usage_run import refresh_usage
from app.usecases.context import Context
from app.usecases.execution.grouping import CallGroup
from app.usecases.execution.results import AttemptResult, from_error, given_up, not_sent, outcome_of

REFRESH_DEADLINE = timedelta(minutes=5)
"""How long a refresh that a caller asked for is tried; one of a bulk operation is tried as long as it takes."""


async def refresh(ctx: Context, group: CallGroup) -> list[AttemptResult]:
    """Query snapshots, then usage (applied at once); the snapshots are applied when the results are settled.

    A SIM that the carrier does not know fails (LC-18). After any other error the operation is queued again, for that
    SIM alone where the error is the SIM's: a query is safe to repeat. A caller's refresh ends failed after
    `REFRESH_DEADLINE`: as long as it is open, it holds back the changes of its SIM.
    """
    failures: Failures = {}
    account, carrier = group.operations[0].account, group.operations[0].carrier
    try:
        async with asyncio.timeout(group.deadline_s):
            with on_request():
                found = await group.client.snapshot(group.sims, failures=failures)
                answered = [sim for sim in group.sims if sim.iccid not in failures]
                await refresh_usage(ctx, account, carrier, answered, failures=failures)
    except TimeoutError:
        error: CarrierError = CarrierUnavailable("the carrier does not answer")
        return [_again(ctx, operation, error) for operation in group.operations]
    except CarrierError as caught:
        return [_again(ctx, operation, caught) for operation in group.operations]
    await mark_unknown(ctx, failures)
    snapshots = {snapshot.iccid: snapshot for snapshot in found}
    return [_result(ctx, group, operation, snapshots, failures) for operation in group.operations]


def _result(
    ctx: Context,
    group: CallGroup,
    operation: OperationRecord,
    snapshots: Mapping[str, SimSnapshot],
    failures: Failures,
) -> AttemptResult:
    iccid = group.ref(operation).iccid
    error = failures.get(iccid)
    if isinstance(error, NoSuchCard):
        return from_error(operation, error, group.polling)
    if error is not None:
        return _again(ctx, operation, error)
    done = after_send(SendResult.SETTLED, tries=0, polling=group.polling)
    return AttemptResult(operation=operation, next=done, snapshot=snapshots.get(iccid))


def _again(ctx: Context, operation: OperationRecord, error: CarrierError) -> AttemptResult:
    """Queued again, not before the carrier's `retry_after`; failed where that lies beyond the deadline."""
    code = outcome_of(error)[0]
    if operation.source is OperationSource.API and _too_late(ctx, operation, error):
        return given_up(operation, code=code, detail=error.detail)
    return not_sent(operation, code=code, detail=error.detail, retry_after=_retry_after(error))


def _too_late(ctx: Context, operation: OperationRecord, error: CarrierError) -> bool:
    began = max(operation.created_at, operation.execute_at or operation.created_at)
    return ctx.now() + (_retry_after(error) or timedelta()) - began >= REFRESH_DEADLINE


def _retry_after(error: CarrierError) -> timedelta | None:
    known = error.retry_after if isinstance(error, CarrierRateLimited) else None
    return None if known is None else timedelta(seconds=known)
