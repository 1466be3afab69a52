"""A span for each call of the worker: under the request of its operations, or linked to those of all it is for."""

from __future__ import annotations

from app.domain.identifiers import mask_iccid
from app.tracing import Attributes, Tracing
from app.usecases.execution.grouping import CallGroup
from app.usecases.execution.isolation import Call
from app.usecases.execution.results import AttemptResult


def traced(tracing: Tracing, call: Call) -> Call:
    """The same call, with a span around it."""

    async def with_span(group: CallGroup) -> list[AttemptResult]:
        first = group.operations[0]
        begun_by = dict.fromkeys(one.traceparent for one in group.operations)
        origins = [origin for origin in begun_by if origin]
        of_one = len(begun_by) == 1  # an operation, or several of one bulk operation
        parent = {"traceparent": origins[0]} if of_one and origins else None
        links = () if of_one else origins
        with tracing.span(f"operation {first.kind.value}", _about(group), parent=parent, links=links) as span:
            results = await call(group)
            span.set("simgate.operation.next", ",".join(sorted({one.next.status.value for one in results})))
            error = next((one.error for one in results if one.error), None)
            if error is not None:
                span.fail(str(error["code"]))
        return results

    return with_span


def _about(group: CallGroup) -> Attributes:
    """What the operations have in common, and of one alone, what it is."""
    first = group.operations[0]
    shared = {
        "simgate.account": first.account,
        "simgate.carrier": first.carrier.value,
        "simgate.operation.kind": first.kind.value,
        "simgate.operation.status": first.status.value,
        "simgate.operations": len(group.operations),
    }
    if len(group.operations) > 1:
        return shared
    return shared | {
        "simgate.operation.id": str(first.id),
        "simgate.operation.attempts": first.attempts,
        "simgate.tenant": first.tenant,
        "simgate.iccid": mask_iccid(first.iccid),
        "simgate.correlation_id": first.correlation_id,
    }
