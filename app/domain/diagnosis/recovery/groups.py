"""Groups a fleet's recovery plans by cause and remedy, and what one operation over a group would do and cost (AC-1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.domain.diagnosis.checklists import HoldExplained
from app.domain.diagnosis.recovery.plan import AWAIT_OPERATION, Known, Recovery, RecoveryPlan, Step
from app.domain.diagnosis.recovery.search import recovery_of
from app.domain.operation.arguments import Arguments
from app.domain.operation.refusal import Refusal
from app.domain.operation.request import OperationRequest, RuleContext
from app.domain.operation.verdict import refusal_of
from app.domain.sim.model import Sim
from app.domain.vocabulary import HoldCode, OperationKind

SAMPLES = 5
"""How many SIMs of a group are named."""

GroupKey = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a group's operation would be refused for some of it: `text` a text key with its `facts`."""

    code: str
    rule: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseAndRemedy:
    """What is worked out once for all SIMs of one kind: causes, recovery, and the operation that helps first.

    `causes`: text keys below `cause.`; `kind` None: no operation on the SIM helps now; `refused` None: it would be
    accepted now. `cost_fen`: of that operation, 0: free, None: not known.
    """

    causes: tuple[str, ...]
    holds: tuple[HoldCode, ...]
    recovery: Recovery
    kind: OperationKind | None
    arguments: Arguments
    choose: tuple[str, ...]
    cost_fen: int | None
    refused: Refused | None

    @property
    def key(self) -> GroupKey:
        """What SIMs of one group have in common: the causes, what is done in either plan, and the operation."""
        ways = (_ways(self.recovery.fastest), _ways(self.recovery.cheapest))
        lost = tuple((one.hold, one.text) for one in self.recovery.not_lifted)
        return (self.causes, ways, lost, self.kind, tuple(sorted(self.arguments.items())))


def _ways(plan: RecoveryPlan | None) -> tuple[str, ...]:
    return () if plan is None else tuple(step.action for step in plan.steps if step.action != AWAIT_OPERATION)


def first_operation(recovery: Recovery) -> Step | None:
    """The first operation of the fastest plan that can be requested before any other step has ended; None: none."""
    steps = () if recovery.fastest is None else recovery.fastest.steps
    awaited = {number for number, step in enumerate(steps, 1) if step.action == AWAIT_OPERATION}
    for step in steps:
        if step.operation is not None and step.action != AWAIT_OPERATION and set(step.after) <= awaited:
            return step
    return None


def refused_as(refusal: Refusal) -> Refused:
    """A refusal as what SIMs of a group have in common."""
    return Refused(
        code=str(refusal.code),
        rule=refusal.rule,
        text=f"refusal.{refusal.detail}",
        facts=tuple(sorted((name, str(value)) for name, value in refusal.facts.items())),
    )


def cause_and_remedy(sim: Sim, holds: Sequence[HoldExplained], context: RuleContext, known: Known) -> CauseAndRemedy:
    """Causes, recovery and first operation of a stopped SIM; `holds`: its holds, explained."""
    recovery = recovery_of(sim, {one.code: one.remedies for one in holds}, context, known)
    recovery = recovery or Recovery(cheapest=None, fastest=None)
    step = first_operation(recovery)
    return CauseAndRemedy(
        causes=tuple(one.cause for one in holds),
        holds=tuple(one.code for one in holds),
        recovery=recovery,
        kind=None if step is None else step.operation,
        arguments={} if step is None else step.arguments,
        choose=() if step is None else step.choose,
        cost_fen=0 if step is None else step.cost_fen,
        refused=None if step is None else _refused(sim, step, context),
    )


def _refused(sim: Sim, step: Step, context: RuleContext) -> Refused | None:
    """Why the group's operation would be refused for this SIM now; None: it would be accepted."""
    if step.operation is None:
        return None
    arguments = {**dict.fromkeys(step.choose, ""), **step.arguments}
    refusal = refusal_of(OperationRequest(sim=sim, kind=step.operation, arguments=arguments, context=context))
    return None if refusal is None else refused_as(refusal)


@dataclass(slots=True)
class Group:
    """The SIMs of one cause and remedy. `iccids`: all of them up to a number, `cost_fen` None once one is not known."""

    cause_and_remedy: CauseAndRemedy
    count: int = 0
    iccids: list[str] = field(default_factory=list)
    cost_fen: int | None = 0
    refused: Counter[Refused] = field(default_factory=Counter)

    def add(self, iccid: str, cause_and_remedy: CauseAndRemedy, most_named: int) -> bool:
        """Count a SIM in, its price only where it would be accepted; gives whether it is kept by name."""
        self.count += 1
        is_named = len(self.iccids) < most_named
        if is_named:
            self.iccids.append(iccid)
        if cause_and_remedy.refused is not None:
            self.refused[cause_and_remedy.refused] += 1
        elif self.cost_fen is not None:
            self.cost_fen = None if cause_and_remedy.cost_fen is None else self.cost_fen + cause_and_remedy.cost_fen
        return is_named
