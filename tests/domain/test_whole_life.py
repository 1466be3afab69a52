"""Random lives of cards: operations, carriers' words, use and the passing of days, in any order."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.operation.decision import Accepted
from app.domain.operation.effects import SettledOperation, apply_effects
from app.domain.sim.holds import codes, start_cycle
from app.domain.sim.lifecycle import next_due_on, sweep
from app.domain.sim.model import Sim
from app.domain.sim.snapshot import apply_snapshot
from app.domain.units import GB
from app.domain.usage.quota import apply_usage_holds
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, RealName, SimState, Supplier
from tests.domain.cards import NOON, a_plan, a_sim
from tests.domain.operation.test_decision import ARGUMENTS, ask
from tests.examples import tries

OPERATIONS = st.tuples(st.just("operation"), st.sampled_from(OperationKind))
WORDS = st.tuples(
    st.just("word"), st.tuples(st.sampled_from([None, *SimState]), st.sets(st.sampled_from(HoldCode), max_size=2))
)
USE = st.tuples(st.just("use"), st.integers(0, 9 * GB))
DAYS = st.tuples(st.just("days"), st.integers(0, 200))
LIVES = st.lists(st.one_of(OPERATIONS, WORDS, USE, DAYS), max_size=25)


def _step(card: Sim, today: date, what: str, fact: object) -> Sim:
    if what == "operation":
        assert isinstance(fact, OperationKind)
        now = NOON + (today - NOON.date())
        if not isinstance(ask(card, fact, now=now), Accepted):
            return card
        return apply_effects(card, fact, SettledOperation(arguments=ARGUMENTS.get(fact, {}), at=now, on=today))[0]
    if what == "word":
        state, holds = fact  # type: ignore[misc]
        told = [(code, "x") for code in sorted(holds)]
        return apply_snapshot(card, state, told, at=NOON, on=today).sim
    assert isinstance(fact, int)
    return apply_usage_holds(card, fact, 0, at=NOON, today=today)[0]


@settings(max_examples=tries(150))
@given(
    st.sampled_from(Supplier), st.sampled_from(Carrier), st.sampled_from(RealName), st.sampled_from([None, 3, 9]), LIVES
)
def test_no_life_of_a_card_leaves_the_rules(
    terms: Supplier, carrier: Carrier, named: RealName, test_months: int | None, life: list[tuple[str, object]]
) -> None:
    """LC-11, LC-12, VD-4, ST-5: dates fit the state, an expired card is held for it, and a dead one stays dead."""
    plan = a_plan(carrier=carrier, auto_stop=True, months=3)
    card = a_sim(terms, carrier, SimState.INVENTORY, real_name=named, test_months=test_months, plan=plan)
    today = NOON.date()
    for what, fact in life:
        before = card
        if what == "days":
            assert isinstance(fact, int)
            today += timedelta(days=fact)
            card = start_cycle(sweep(card, today, NOON)[0], today)[0]
            due = next_due_on(card)
            assert due is None or due > today
        else:
            card = _step(card, today, what, fact)
        assert card.underlying is not SimState.SUSPENDED
        assert (card.expires_on is None) == (card.activated_on is None)
        assert len(codes(card.holds)) == len(card.holds)
        if card.underlying is SimState.EXPIRED:
            assert HoldCode.PLAN_EXPIRED in codes(card.holds)
        if before.underlying is SimState.CANCELLED:
            assert card == before
