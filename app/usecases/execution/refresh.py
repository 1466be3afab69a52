"""Refresh SIMs on demand: read their snapshots and their usage. Nothing is changed there, so nothing is verified."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from app.carriers.base import Failures, SimSnapshot
from app.carriers.errors import CarrierError, NoSuchCard
from app.db.mapping import OperationRecord
from app.domain.operation.outcomes import SendResult, after_send
from app.usecases.carrier_sync.snapshots import mark_unknown
from app.usecases.carrier_sync.usage_run import refresh_usage
from app.usecases.context import Context
from app.usecases.execution.grouping import CallGroup
from app.usecases.execution.results import AttemptResult, from_error, not_sent, outcome_of


async def refresh(ctx: Context, group: CallGroup) -> list[AttemptResult]:
    """Query snapshots, then usage (applied at once); the snapshots are applied when the results are settled.

    A SIM that the carrier does not know fails (LC-18). After any other error the operation is queued again, for that
    SIM alone where the error is the SIM's: a query is safe to repeat.
    """
    failures: Failures = {}
    account, carrier = group.operations[0].account, group.operations[0].carrier
    try:
        async with asyncio.timeout(group.deadline_s):
            found = await group.client.snapshot(group.sims, failures=failures)
            answered = [sim for sim in group.sims if sim.iccid not in failures]
            await refresh_usage(ctx, account, carrier, answered, failures=failures)
    except TimeoutError:
        return _not_sent(group, "CARRIER_UNAVAILABLE", "the carrier does not answer")
    except CarrierError as error:
        return _not_sent(group, outcome_of(error)[0], error.detail)
    await mark_unknown(ctx, failures)
    snapshots = {snapshot.iccid: snapshot for snapshot in found}
    return [_result(group, operation, snapshots, failures) for operation in group.operations]


def _result(
    group: CallGroup, operation: OperationRecord, snapshots: Mapping[str, SimSnapshot], failures: Failures
) -> AttemptResult:
    iccid = group.ref(operation).iccid
    error = failures.get(iccid)
    if isinstance(error, NoSuchCard):
        return from_error(operation, error, group.polling)
    if error is not None:
        return not_sent(operation, code=outcome_of(error)[0], detail=error.detail)
    done = after_send(SendResult.SETTLED, tries=0, polling=group.polling)
    return AttemptResult(operation=operation, next=done, snapshot=snapshots.get(iccid))


def _not_sent(group: CallGroup, code: str, detail: str) -> list[AttemptResult]:
    return [not_sent(operation, code=code, detail=detail) for operation in group.operations]
