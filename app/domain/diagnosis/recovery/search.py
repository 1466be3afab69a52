"""Finds the cheapest and the fastest plan that lifts every hold of a SIM (DG-2, ST-26)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import product
from math import prod

from app.domain.diagnosis.recovery.ordering import Draft, arrange, lifted_by
from app.domain.diagnosis.recovery.plan import Known, NotLifted, Recovery, RecoveryPlan
from app.domain.diagnosis.recovery.ways import Way, only, ways_of
from app.domain.operation.refusal import Remedy
from app.domain.operation.request import RuleContext
from app.domain.sim.holds import HOLDS
from app.domain.sim.model import Sim
from app.domain.vocabulary import HoldCode, SimState

MOST_CHOICES = 24
"""How many choices of ways are arranged, all those of two holds; beyond, each hold keeps the best of its own."""

Rank = tuple[int | datetime, ...]
Choice = tuple[Way, ...]


def recovery_of(
    sim: Sim, remedies: Mapping[HoldCode, Sequence[Remedy]], context: RuleContext, known: Known
) -> Recovery | None:
    """How a stopped SIM comes back; None: it has no hold, or is cancelled (LC-11).

    `remedies`: what `remedies_for` gives for each hold at the context's `now`.
    """
    if not sim.holds or sim.underlying is SimState.CANCELLED:
        return None
    awaited = lifted_by(known.open_operation, sim, context)
    found = {code: ways_of(sim, code, told, context, known) for code, told in remedies.items() if code not in awaited}
    lost = tuple(why for _, why in found.values() if why is not None)
    if lost:
        return Recovery(cheapest=None, fastest=None, not_lifted=lost)
    drafts, stuck = _arranged(_choices([ways for ways, _ in found.values()], sim, context, known), sim, context, known)
    if not drafts:
        return Recovery(cheapest=None, fastest=None, not_lifted=tuple(_stuck(code) for code in stuck))
    if len(drafts) == 1:
        plan = _plan(drafts[0])
        return Recovery(cheapest=plan, fastest=plan)
    cheapest, fastest = min(drafts, key=_cheapest), min(drafts, key=_fastest)
    plan = _plan(fastest)
    return Recovery(cheapest=plan if cheapest is fastest else _plan(cheapest), fastest=plan)


def _arranged(
    choices: Sequence[Choice], sim: Sim, context: RuleContext, known: Known
) -> tuple[list[Draft], tuple[HoldCode, ...]]:
    """The choices that can be put into an order, and the holds at which the others fail."""
    drafts: list[Draft] = []
    stuck: dict[HoldCode, None] = {}
    for choice in choices:
        answer = arrange(choice, sim, context, known)
        if isinstance(answer, Draft):
            drafts.append(answer)
        else:
            stuck[answer] = None
    return drafts, tuple(stuck)


def _stuck(hold: HoldCode) -> NotLifted:
    return NotLifted(hold=hold, rule=HOLDS[hold].rule, text=f"hold.{hold.value}")


def _choices(ways: Sequence[Sequence[Way]], sim: Sim, context: RuleContext, known: Known) -> list[Choice]:
    """One way for each hold, in every combination; of very many, only the best ways of each hold."""
    if prod(map(len, ways)) <= MOST_CHOICES:
        return list(product(*ways))
    ranked = [[_best(found, rank, sim, context, known) for found in ways] for rank in (_fastest, _cheapest)]
    return [tuple(choice) for choice in ranked]


def _best(ways: Sequence[Way], rank: Callable[[Draft], Rank], sim: Sim, context: RuleContext, known: Known) -> Way:
    """The best of a hold's ways where it were the only hold."""
    alone = only(sim, frozenset({ways[0].hold}))
    drafts = [(way, arrange((way,), alone, context, known)) for way in ways]
    usable = [(rank(draft), index) for index, (_, draft) in enumerate(drafts) if isinstance(draft, Draft)]
    return ways[min(usable)[1]] if usable else ways[0]


# --------------------------------------------------------------------------------------------------- what is better
def _fastest(draft: Draft) -> Rank:
    """First what waits for others least often without a published time; then the soonest, the surest, the cheapest."""
    unpriced, cost = _cost(draft)
    return (draft.waited_on_others, draft.soonest, *_surest(draft), unpriced, cost, len(draft.steps))


def _cheapest(draft: Draft) -> Rank:
    """First what has a price, and the lowest; then the fastest."""
    unpriced, cost = _cost(draft)
    return (unpriced, cost, draft.waited_on_others, draft.soonest, *_surest(draft), len(draft.steps))


def _surest(draft: Draft) -> tuple[int, datetime]:
    """A published end comes before an unpublished one, an earlier before a later."""
    ends = [span.latest for span in draft.spans]
    return sum(end is None for end in ends), max((end for end in ends if end), default=draft.soonest)


def _cost(draft: Draft) -> tuple[int, int]:
    """How many steps have no known price, and the sum of the others in fen."""
    costs = [step.cost_fen for step in draft.steps]
    return sum(cost is None for cost in costs), sum(cost or 0 for cost in costs)


def _plan(draft: Draft) -> RecoveryPlan:
    """The plan of a draft: one date and one price."""
    steps = draft.steps
    unpriced = tuple(step.action for step in steps if step.cost_fen is None)
    latest = [span.latest for span in draft.spans]
    return RecoveryPlan(
        steps=tuple(steps),
        cost_fen=None if unpriced else sum(step.cost_fen or 0 for step in steps),
        unpriced=unpriced,
        earliest=max((span.earliest for span in draft.spans if span.earliest), default=None),
        latest=None if None in latest else max(end for end in latest if end),
        provisional=any(step.provisional for step in steps),
        reasons=tuple(dict.fromkeys(reason for step in steps for reason in step.reasons)),
        assumed=tuple(dict.fromkeys(name for step in steps for name in step.assumed)),
    )
