"""What is refused at the door (OP-7), and that a remedy is allowed exactly where its operation is accepted (ST-26)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from app.domain.operation.decision import Accepted, decide
from app.domain.operation.refusal import Refusal, RefusalCode, Remedy
from app.domain.operation.remedies import remedies_for
from app.domain.operation.request import Counts, Route, RuleContext
from app.domain.sim.model import Sim
from app.domain.units import MB
from app.domain.vocabulary import Actor, Carrier, Channel, HoldCode, OperationKind, SimState, Supplier
from tests.domain.cards import a_sim, context_of
from tests.domain.operation.test_decision import IMEI, UNDERLYING, hold_sets, refused

GSL = Supplier.GSL
K = OperationKind


def _of_the_caller(remedy: Remedy) -> dict[str, Any]:
    """What the caller chooses for the operation of a remedy."""
    return {
        K.CHANGE_REGION: {"province": "湖北"},
        K.CHANGE_PLAN: {"plan": "p-1g"},
        K.SET_THRESHOLD: {"bytes": 500 * MB},
    }.get(remedy.operation or K.REFRESH, {})


@pytest.mark.parametrize("channel", [*Channel, None])
def test_a_remedy_is_told_as_allowed_exactly_where_its_operation_is_accepted(channel: Channel | None) -> None:
    """ST-26: over every hold, with each of the others, under all terms, at every carrier, in every state."""
    told = 0
    for terms, carrier, state in product(Supplier, Carrier, UNDERLYING):
        for held in hold_sets(carrier):
            for facts in ({}, {"pool": "p"}):
                card = a_sim(terms, carrier, state, *held, **facts)
                context = context_of(channel, counts=Counts(rebinds_this_month=2))
                for hold in card.holds:
                    for remedy in remedies_for(card, hold.code, context):
                        told += _agrees(card, remedy, context)
    assert told > 1000 or channel is None


def _agrees(card: Sim, remedy: Remedy, context: RuleContext) -> int:
    """Whether a remedy has an operation, which is then accepted exactly if it is told as allowed."""
    if remedy.operation is None:
        unlifted = remedy.automatic or remedy.action in ("ask_carrier", "replace_card")
        assert not (remedy.allowed_now and unlifted), remedy
        return 0
    answer = decide(card, remedy.operation, _of_the_caller(remedy) | dict(remedy.arguments), context)
    assert remedy.allowed_now == isinstance(answer, Accepted), (card, remedy, answer)
    return 1


def test_a_network_that_no_api_restores_is_the_suppliers_to_restore() -> None:
    """ST-16, ST-26: China Mobile tells of a cut network, and takes no order to restore it."""
    card = a_sim(GSL, Carrier.CMCC, SimState.ACTIVE, HoldCode.NETWORK_CUT)
    [told] = remedies_for(card, HoldCode.NETWORK_CUT, context_of(None))
    assert (told.action, told.actor, told.allowed_now) == ("ask_supplier", Actor.SUPPLIER, True)
    [own] = remedies_for(card, HoldCode.NETWORK_CUT, context_of(Channel.API))
    assert (own.action, own.operation) == ("restore_network", K.RESTORE_NETWORK)


def test_a_pool_member_takes_no_add_on_pack_of_its_own() -> None:
    """OP-7: it would change nothing."""
    answer = refused(a_sim(GSL, Carrier.CMCC, pool="p"), K.ORDER_ADDON)
    assert (answer.rule, answer.detail) == ("OP-7", "addon_of_pool_member")


def test_an_argument_that_the_carrier_does_not_take_is_refused_before_anything_else() -> None:
    """OP-7."""
    context = replace(
        context_of(), routes=lambda _kind, _given: Route(channel=Channel.API, refuses=frozenset({"imei"}))
    )
    card = a_sim(GSL)
    answer = decide(card, K.REBIND, {"imei": IMEI}, context)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.rule) == (RefusalCode.NOT_SUPPORTED_BY_CARRIER, "OP-7")
    assert isinstance(decide(card, K.REBIND, {}, context), Accepted)
