"""Refresh SIMs on demand: read their snapshots and their usage. Nothing is changed there, so nothing is verified."""

from __future__ import annotations

import asyncio

from app.carriers.errors import CarrierError
from app.domain.operation.outcomes import SendResult, after_send
from app.usecases.carrier_sync.usage_run import refresh_usage
from app.usecases.context import Context
from app.usecases.execution.grouping import CallGroup
from app.usecases.execution.results import AttemptResult, not_sent, outcome_of


async def refresh(ctx: Context, group: CallGroup) -> list[AttemptResult]:
    """Query snapshots, then usage (applied at once); the snapshots are applied when the results are settled.

    Where the carrier fails, the operation is queued again: a query is safe to repeat.
    """
    account, carrier = group.operations[0].account, group.operations[0].carrier
    try:
        async with asyncio.timeout(group.deadline_s):
            snapshots = {snapshot.iccid: snapshot for snapshot in await group.client.snapshot(group.sims)}
            await refresh_usage(ctx, account, carrier, group.sims)
    except TimeoutError:
        return _not_sent(group, "CARRIER_UNAVAILABLE", "the carrier does not answer")
    except CarrierError as error:
        return _not_sent(group, outcome_of(error)[0], error.detail)
    done = after_send(SendResult.SETTLED, tries=0, polling=group.polling)
    return [
        AttemptResult(operation=operation, next=done, snapshot=snapshots.get(group.ref(operation).iccid))
        for operation in group.operations
    ]


def _not_sent(group: CallGroup, code: str, detail: str) -> list[AttemptResult]:
    return [not_sent(operation, code=code, detail=detail) for operation in group.operations]
