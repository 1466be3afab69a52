"""Isolation of operations: one that cannot be worked is set aside, the others of its round go on.

It keeps its place in the table: due again when its back-off has passed, as `verifying` where it may have been sent
(OP-3), and the worker attempts it like any other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from app.carriers.base import SimRef
from app.db import quarantine as rows
from app.db.mapping import OperationRecord
from app.domain.vocabulary import OperationKind, OperationStatus
from app.usecases.context import Context
from app.usecases.execution.grouping import CallGroup, call_groups
from app.usecases.execution.results import AttemptResult
from app.usecases.execution.settle import settle
from app.usecases.quarantine import SubjectKind, Task, handle_isolated, is_of_data, set_aside

LOOK_AGAIN_AFTER = timedelta(minutes=1)
"""When to look again at an operation that was due and is not worked yet: its account may be paused."""

Call = Callable[[CallGroup], Awaitable[list[AttemptResult]]]


async def set_operations_aside(ctx: Context, errors: Mapping[UUID, Exception]) -> None:
    """Set operations aside, each with its error, and put them off until they are attempted again."""
    if not errors:
        return
    for operation_id, error in errors.items():
        await set_aside(ctx, Task.OPERATIONS, SubjectKind.OPERATION, str(operation_id), error)
    await _put_off(ctx, list(errors))


async def grouped(
    ctx: Context, operations: Sequence[OperationRecord], refs: Mapping[int, SimRef], leased_at: float
) -> list[CallGroup]:
    """The calls to make; an operation of which no call can be made is set aside."""
    try:
        return call_groups(ctx, operations, refs, leased_at=leased_at)
    except Exception as error:
        if not is_of_data(error):
            raise
    good, errors = [], {}
    for operation in operations:
        try:
            call_groups(ctx, [operation], refs, leased_at=leased_at)
        except Exception as error:
            if not is_of_data(error):
                raise
            errors[operation.id] = error
        else:
            good.append(operation)
    await set_operations_aside(ctx, errors)
    return call_groups(ctx, good, refs, leased_at=leased_at)


async def called(ctx: Context, group: CallGroup, call: Call) -> list[AttemptResult]:
    """The results of a call. Where it fails for a reason of its data, a query is made again in halves.

    A change is never sent twice: its operations are set aside, and verified later.
    """
    try:
        return await call(group)
    except Exception as error:
        if not is_of_data(error):
            raise
        failed = error
    operations = group.operations
    sends = operations[0].status is OperationStatus.RUNNING and operations[0].kind is not OperationKind.REFRESH
    if sends or len(operations) == 1:
        await set_operations_aside(ctx, dict.fromkeys((operation.id for operation in operations), failed))
        return []
    middle = len(operations) // 2
    first = await called(ctx, group.part(operations[:middle]), call)
    return first + await called(ctx, group.part(operations[middle:]), call)


async def settled(ctx: Context, results: Sequence[AttemptResult]) -> None:
    """Settle results in one transaction, or each by itself where their data makes that fail."""
    try:
        await settle(ctx, results)
    except Exception as error:
        if not is_of_data(error):
            raise
    else:
        return
    by_id = {str(result.operation.id): result for result in results}
    handle = partial(_settle_some, ctx, by_id)
    await handle_isolated(ctx, Task.OPERATIONS, list(by_id), handle, kind=SubjectKind.OPERATION)
    await _put_off(ctx, [result.operation.id for result in results])


async def _settle_some(ctx: Context, by_id: Mapping[str, AttemptResult], ids: Sequence[str]) -> int:
    await settle(ctx, [by_id[one] for one in ids])
    return len(ids)


async def _put_off(ctx: Context, ids: Sequence[UUID]) -> None:
    async with ctx.pool.acquire() as connection:
        await rows.put_off_operations(connection, ids, ctx.now())


async def release_moved_on(ctx: Context, kind: SubjectKind, keys: Sequence[str]) -> None:
    """Release the operations that have moved on; the worker attempts the others when they are due."""
    now = ctx.now()
    async with ctx.pool.acquire() as connection:
        waiting = await rows.operations_to_work(connection, keys, now)
        await rows.release(connection, Task.OPERATIONS, kind, set(keys) - waiting)
        await rows.postpone(connection, Task.OPERATIONS, kind, waiting, now + LOOK_AGAIN_AFTER)
