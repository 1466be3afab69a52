"""Accepts or refuses an operation before it is sent, in the order of checks of OP-5 (OP-2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from types import MappingProxyType

from app.domain.calendar.workdays import WorkdayCalendar
from app.domain.operation.arguments import Argument, Arguments, validate_arguments
from app.domain.operation.limits import Counts, OperationRequest, rule_refusal
from app.domain.operation.preconditions import state_refusal
from app.domain.operation.refusal import Refusal, RefusalCode
from app.domain.operation.remedies import RuleContext
from app.domain.operation.service_levels import Circumstances, Due, due
from app.domain.sim.holds import codes
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import LevelName
from app.domain.units import MB, ceil_div
from app.domain.vocabulary import Channel, HoldCode, OperationKind, SimState


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted operation: `arguments` as sent to the carrier; `consumes`: units by budget; `notes`: text keys.

    `cost_fen`: fen, None where not known; the keys of `notes` are below `note.` in the texts.
    """

    channel: Channel
    due: Due
    arguments: Arguments
    assumed: tuple[str, ...]
    consumes: MappingProxyType[str, int]
    cost_fen: int | None
    notes: tuple[str, ...] = field(default=())


Decision = Accepted | Refusal


def decide(  # noqa: PLR0913 - the rules need all of it
    sim: Sim,
    kind: OperationKind,
    arguments: Arguments,
    *,
    channel: Channel | None,
    open_operation: bool,
    counts: Counts,
    now: datetime,
    zone: tzinfo,
    workdays: WorkdayCalendar,
    repeat_window: timedelta = timedelta(0),
) -> Decision:
    """Accept or refuse an operation (OP-2), in a fixed order (OP-5).

    The order: capability, open operation, state and holds, windows, counts, real-name. `channel` is the result of
    `channel_for` for the SIM's protocol; `zone` the carrier's zone; `repeat_window` the least time between two changes
    of one SIM in that protocol (SL-5). Raises `Malformed` for an argument that is missing or out of range.
    """
    wanted = validate_arguments(kind, arguments)
    context = RuleContext(now=now, zone=zone, workdays=workdays, rebinds_this_month=counts.rebinds_this_month)
    request = OperationRequest(sim=sim, arguments=wanted, counts=counts, context=context, repeat_window=repeat_window)
    if channel is None:
        return _refused(RefusalCode.NOT_SUPPORTED_BY_CARRIER, "CP-1", "not_supported", kind)
    if open_operation:
        return _refused(RefusalCode.OPERATION_IN_PROGRESS, "OP-4", "operation_in_progress", kind)
    refused = state_refusal(sim, kind, context) or rule_refusal(kind, request)
    return refused or _accepted(kind, _channel(kind, channel, request), request)


def _refused(code: RefusalCode, rule: str, detail: str, kind: OperationKind) -> Refusal:
    return Refusal(code=code, rule=rule, detail=detail, facts=MappingProxyType({"kind": kind}))


def _channel(kind: OperationKind, channel: Channel, request: OperationRequest) -> Channel:
    """The channel used: the desk for what the supplier does by hand (first threshold in a pool QT-4; RG-3)."""
    sim = request.sim
    first_in_pool = kind is OperationKind.SET_THRESHOLD and sim.pool is not None and sim.threshold is None
    if first_in_pool and request.terms.pool_forming.value is not None:
        return Channel.DESK
    region = kind is OperationKind.VERIFY_REAL_NAME and HoldCode.OUT_OF_REGION in codes(sim.holds)
    return Channel.DESK if region else channel


def _sent(kind: OperationKind, channel: Channel, arguments: Arguments) -> Arguments:
    """The arguments as sent: a threshold is rounded up to the carriers' megabytes (docs/api.md, Actions)."""
    amount = arguments.get("bytes")
    if kind is OperationKind.SET_THRESHOLD and channel is Channel.API and isinstance(amount, int):
        rounded: dict[str, Argument] = {**arguments, "bytes": ceil_div(amount, MB) * MB}
        return MappingProxyType(rounded)
    return arguments


def _due(kind: OperationKind, request: OperationRequest) -> Due:
    """The due time; renewing an expired SIM is due by when its service is restored (SL-4)."""
    sim, context = request.sim, request.context
    restores = kind is OperationKind.RENEW and sim.underlying is SimState.EXPIRED
    return due(
        sim.terms,
        sim.carrier,
        LevelName.RESTORE if restores else kind,
        context.now,
        context.zone,
        context.workdays,
        context.rebinds_this_month,
        Circumstances(first_device=HoldCode.DEVICE_MISMATCH in codes(sim.holds), repeat_window=request.repeat_window),
    )


def _accepted(kind: OperationKind, channel: Channel, request: OperationRequest) -> Accepted:
    """The acceptance, with due time, cost and budgets."""
    when = _due(kind, request)
    return Accepted(
        channel=channel,
        due=when,
        arguments=_sent(kind, channel, request.arguments),
        assumed=when.assumed,
        consumes=MappingProxyType(_consumed(kind, request)),
        cost_fen=_cost(kind, request),
        notes=_notes(kind, request),
    )


def _consumed(kind: OperationKind, request: OperationRequest) -> dict[str, int]:
    """Units taken from each monthly or per-plan budget (DV-3, RN-6)."""
    if kind is OperationKind.REBIND and request.terms.rebinds_a_month.value is not None:
        return {"rebinds_this_month": 1}
    return {"renewals": 1} if kind is OperationKind.RENEW else {}


def _cost(kind: OperationKind, request: OperationRequest) -> int | None:
    """The cost in fen, None where not known; of a number retention: one month's fee (LC-10)."""
    if kind is OperationKind.RETAIN_NUMBER:
        return terms_in_force(request.sim.terms, request.sim.carrier, request.context.today).retention_fee_fen.value
    return request.sim.plan.price_fen if kind is OperationKind.RENEW else None


def _notes(kind: OperationKind, request: OperationRequest) -> tuple[str, ...]:
    """Notes on an accepted operation: a number retention does not postpone cancellation (LC-10, LC-9)."""
    if kind is OperationKind.RETAIN_NUMBER and request.terms.retention_months.value is not None:
        return ("retention_buys_no_time",)
    return ()
