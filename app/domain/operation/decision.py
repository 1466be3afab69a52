"""Accepts or refuses an operation before it is sent, in the order of checks of OP-5 (OP-2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

from app.domain.operation.arguments import Argument, Arguments, validate_arguments
from app.domain.operation.prices import price_of, with_pack
from app.domain.operation.refusal import Refusal
from app.domain.operation.remedies import with_remedies
from app.domain.operation.request import OperationRequest, RuleContext
from app.domain.operation.service_levels import Circumstances, Due, due
from app.domain.operation.verdict import channel_used, refusal_of
from app.domain.sim.holds import codes
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import LevelName
from app.domain.units import MB, ceil_div
from app.domain.vocabulary import Channel, HoldCode, OperationKind, SimState

REBINDS, RENEWALS = "rebinds_this_month", "renewals"
"""The names of the budgets: successful rebinds of the calendar month (DV-3), renewals of a plan (RN-6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """What an operation takes from a counted budget: units taken, used before, and allowed (None: not limited)."""

    name: str
    takes: int
    used: int
    limit: int | None

    @property
    def left(self) -> int | None:
        """Units left after the operation, never below zero; None: not limited."""
        return None if self.limit is None else max(0, self.limit - self.used - self.takes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted operation: `arguments` as sent to the carrier; `budgets`: what it takes; `notes`: text keys.

    `cost_fen`: fen, None where not known; the keys of `notes` are below `note.` in the texts.
    """

    channel: Channel
    due: Due
    arguments: Arguments
    assumed: tuple[str, ...]
    cost_fen: int | None
    budgets: tuple[BudgetUse, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def consumes(self) -> dict[str, int]:
        """Units taken by budget (DV-3, RN-6)."""
        return {budget.name: budget.takes for budget in self.budgets}


Decision = Accepted | Refusal


def decide(sim: Sim, kind: OperationKind, arguments: Arguments, context: RuleContext) -> Decision:
    """Accept or refuse an operation (OP-2), in a fixed order (OP-5); a refusal says what can be done instead.

    Raises `Malformed` for an argument that is missing or out of range.
    """
    complete = with_pack(kind, validate_arguments(kind, arguments), context.catalogue)
    request = OperationRequest(sim=sim, kind=kind, arguments=complete, context=context)
    refused = refusal_of(request)
    return _accepted(kind, request) if refused is None else with_remedies(refused, sim, context)


def _sent(kind: OperationKind, channel: Channel, arguments: Arguments) -> Arguments:
    """The arguments as sent: a threshold is rounded up to the carriers' megabytes (docs/api.md, Actions)."""
    amount = arguments.get("bytes")
    if kind is OperationKind.SET_THRESHOLD and channel is Channel.API and isinstance(amount, int):
        rounded: dict[str, Argument] = {**arguments, "bytes": ceil_div(amount, MB) * MB}
        return MappingProxyType(rounded)
    return arguments


def _due(kind: OperationKind, request: OperationRequest) -> Due:
    """The due time; renewing an expired SIM is due by when its service is restored, counted from payment (SL-4)."""
    sim, context = request.sim, request.context
    restores = kind is OperationKind.RENEW and sim.underlying is SimState.EXPIRED
    return due(
        sim.terms,
        sim.carrier,
        LevelName.RESTORE if restores else kind,
        (context.window_at if restores else None) or context.now,
        context.zone,
        context.workdays,
        context.counts.rebinds_this_month,
        Circumstances(
            first_device=HoldCode.DEVICE_MISMATCH in codes(sim.holds), repeat_window=request.route.repeat_window
        ),
    )


def _accepted(kind: OperationKind, request: OperationRequest) -> Accepted:
    """The acceptance, with due time, cost and budgets."""
    when, channel = _due(kind, request), channel_used(request)
    return Accepted(
        channel=channel,
        due=when,
        arguments=_sent(kind, channel, request.arguments),
        assumed=when.assumed,
        budgets=_budgets(kind, request),
        cost_fen=_cost(kind, request),
        notes=_notes(kind, request),
    )


def _budgets(kind: OperationKind, request: OperationRequest) -> tuple[BudgetUse, ...]:
    """Units taken from each monthly or per-plan budget (DV-3, RN-6)."""
    counts, rebinds = request.counts, request.terms.rebinds_a_month.value
    if kind is OperationKind.REBIND and rebinds is not None:
        return (BudgetUse(name=REBINDS, takes=1, used=counts.rebinds_this_month, limit=rebinds),)
    if kind is OperationKind.RENEW:
        return (BudgetUse(name=RENEWALS, takes=1, used=counts.renewals, limit=request.sim.plan.renewals_max),)
    return ()


def _cost(kind: OperationKind, request: OperationRequest) -> int | None:
    """The cost in fen by the catalogue, None where not known; of a number retention: one month's fee (LC-10)."""
    if kind is OperationKind.RETAIN_NUMBER:
        return terms_in_force(request.sim.terms, request.sim.carrier, request.context.today).retention_fee_fen.value
    return price_of(kind, request.sim, request.arguments, request.context.catalogue)


def _notes(kind: OperationKind, request: OperationRequest) -> tuple[str, ...]:
    """Notes on an accepted operation: a number retention does not postpone cancellation (LC-10, LC-9)."""
    if kind is OperationKind.RETAIN_NUMBER and request.terms.retention_months.value is not None:
        return ("retention_buys_no_time",)
    return ()
