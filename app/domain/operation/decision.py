"""Whether an operation is taken, and by what way and when it is done: the order of checks of OP-5 (OP-2)."""

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
    """An operation that may be taken: `arguments` as sent, `consumes` budgets, `notes` keys below `note.`"""

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
    """Accept or refuse an operation (OP-2). `channel` is what `channel_for` gives for the card's protocol.

    `repeat_window`: how long that protocol waits between two changes of one card (SL-5).

    The order is fixed: capability, open operation, state and holds, windows, counts, real-name (OP-5).
    Raises `Malformed` for an argument that is none.
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
    """The way taken: a person where the supplier must be asked (QT-4 first setting in a pool, RG-3 real-name)."""
    sim = request.sim
    first_in_pool = kind is OperationKind.SET_THRESHOLD and sim.pool is not None and sim.threshold is None
    if first_in_pool and request.terms.pool_forming.value is not None:
        return Channel.DESK
    region = kind is OperationKind.VERIFY_REAL_NAME and HoldCode.OUT_OF_REGION in codes(sim.holds)
    return Channel.DESK if region else channel


def _sent(kind: OperationKind, channel: Channel, arguments: Arguments) -> Arguments:
    """The arguments as they are sent: a threshold rounded up to the carriers' megabytes (docs/api.md, Actions)."""
    amount = arguments.get("bytes")
    if kind is OperationKind.SET_THRESHOLD and channel is Channel.API and isinstance(amount, int):
        rounded: dict[str, Argument] = {**arguments, "bytes": ceil_div(amount, MB) * MB}
        return MappingProxyType(rounded)
    return arguments


def _due(kind: OperationKind, request: OperationRequest) -> Due:
    """By when it is done; the renewal of an expired card as its coming back (SL-4)."""
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
    """The acceptance, with due time, cost and what it uses up."""
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
    """Which budgets it draws on (DV-3, RN-6)."""
    if kind is OperationKind.REBIND and request.terms.rebinds_a_month.value is not None:
        return {"rebinds_this_month": 1}
    return {"renewals": 1} if kind is OperationKind.RENEW else {}


def _cost(kind: OperationKind, request: OperationRequest) -> int | None:
    """What it costs in fen, None where that is not known; a retention: a month's fee (LC-10)."""
    if kind is OperationKind.RETAIN_NUMBER:
        return terms_in_force(request.sim.terms, request.sim.carrier, request.context.today).retention_fee_fen.value
    return request.sim.plan.price_fen if kind is OperationKind.RENEW else None


def _notes(kind: OperationKind, request: OperationRequest) -> tuple[str, ...]:
    """What the caller should know though it is allowed: a retention buys no time beyond LC-9 (LC-10)."""
    if kind is OperationKind.RETAIN_NUMBER and request.terms.retention_months.value is not None:
        return ("retention_buys_no_time",)
    return ()
