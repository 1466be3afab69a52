"""Whether an operation would be refused (OP-5): the one answer behind requests and remedies (ST-26)."""

from __future__ import annotations

from types import MappingProxyType

from app.domain.operation.limits import rule_refusal
from app.domain.operation.preconditions import state_refusal
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.operation.request import OperationRequest
from app.domain.sim.holds import codes
from app.domain.terms.model import ThresholdRight
from app.domain.vocabulary import Channel, HoldCode, OperationKind


def refusal_of(request: OperationRequest) -> Refusal | None:
    """The first refusal, without remedies: capability, open operation, state and holds, windows, counts, real-name."""
    route = request.route
    if route.channel is None:
        return _refused(RefusalCode.NOT_SUPPORTED_BY_CARRIER, "CP-1", "not_supported", request)
    if any(request.arguments.get(name) is not None for name in route.refuses):
        return _refused(RefusalCode.NOT_SUPPORTED_BY_CARRIER, "OP-7", "argument_not_taken", request)
    if request.context.open_operation:
        return _refused(RefusalCode.OPERATION_IN_PROGRESS, "OP-4", "operation_in_progress", request)
    return state_refusal(request) or rule_refusal(request)


def _refused(code: RefusalCode, rule: str, detail: str, request: OperationRequest) -> Refusal:
    return Refusal(code=code, rule=rule, detail=detail, facts=MappingProxyType({"kind": request.kind}))


def channel_used(request: OperationRequest) -> Channel:
    """The channel of an accepted operation: the desk for what only the supplier does by hand, else as routed."""
    return Channel.DESK if _by_the_supplier(request) else request.route.channel or Channel.DESK


def _by_the_supplier(request: OperationRequest) -> bool:
    """A pool member's first threshold (QT-4), the cap (QT-6), RG-3's real-name, rebinds over the budget (OP-7)."""
    sim, terms = request.sim, request.terms
    if request.kind is OperationKind.SET_THRESHOLD:
        first_in_pool = sim.pool is not None and sim.threshold is None and terms.pool_forming.value is not None
        return first_in_pool or terms.threshold_right.value is ThresholdRight.CAP_ONLY
    if request.kind is OperationKind.REBIND:
        budget = terms.rebinds_a_month.value
        return budget is not None and request.counts.rebinds_this_month >= budget
    return request.kind is OperationKind.VERIFY_REAL_NAME and HoldCode.OUT_OF_REGION in codes(sim.holds)
