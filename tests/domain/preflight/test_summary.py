"""The pre-flight of a bulk operation: the sum of its chunks is that of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from app.domain.operation.decision import REBINDS, Accepted, BudgetUse
from app.domain.operation.service_levels import Due
from app.domain.preflight.irreversible import IRREVERSIBLE, irreversible_of
from app.domain.preflight.summary import SAMPLES, Preflight, Reason, merged, of_allowed, of_refused
from app.domain.vocabulary import Channel, OperationKind

K = OperationKind


def accepted(cost: int | None, used: int, channel: Channel) -> Accepted:
    budget = BudgetUse(name=REBINDS, takes=1, used=used, limit=2)
    due = Due(earliest=None, due_on=None, due_at=None, provisional=False, rule=None, reasons=(), assumed=())
    return Accepted(
        channel=channel, due=due, arguments=MappingProxyType({}), assumed=(), cost_fen=cost, budgets=(budget,)
    )


ITEMS = st.lists(
    st.one_of(
        st.builds(
            lambda cost, used, channel, account: of_allowed(K.RENEW, account, accepted(cost, used, channel)),
            st.none() | st.integers(0, 9_999),
            st.integers(0, 1),
            st.sampled_from(Channel),
            st.sampled_from(["a", "b"]),
        ),
        st.builds(
            lambda rule, iccid: of_refused(Reason(code="RULE_VIOLATION", rule=rule), [iccid]),
            st.sampled_from(["RN-1", "RN-6"]),
            st.text("0123456789", min_size=4, max_size=4),
        ),
    ),
    max_size=30,
)


def chunks(items: Sequence[Preflight], size: int) -> list[Sequence[Preflight]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


@given(ITEMS, st.integers(1, 7))
def test_the_sum_of_the_chunks_is_that_of_the_whole(items: list[Preflight], size: int) -> None:
    """AC-4, OP-5."""
    by_chunks = Preflight()
    for chunk in chunks(items, size):
        by_chunks = merged([by_chunks, *chunk])
    whole = merged(items)
    assert by_chunks == whole
    assert whole.allowed + sum(group.count for group in whole.refused.values()) == len(items)
    assert all(len(group.iccids) == min(group.count, SAMPLES) for group in whole.refused.values())
    assert whole.priced + whole.not_priced == whole.allowed


def test_a_price_that_is_not_known_is_counted_and_adds_nothing() -> None:
    """RN-10."""
    items = [of_allowed(K.RENEW, "a", accepted(cost, 0, Channel.DESK)) for cost in (2_400, None, 0)]
    found = merged(items)
    assert (found.cost_fen, found.priced, found.not_priced, found.desk) == (2_400, 2, 1, 3)
    free = of_allowed(K.SUSPEND, "a", accepted(None, 0, Channel.API))
    assert (free.cost_fen, free.priced, free.not_priced, dict(free.calls)) == (0, 0, 0, {"a": 1})


def test_a_budget_is_exhausted_by_its_last_unit_and_not_before() -> None:
    """DV-3."""
    found = merged([of_allowed(K.REBIND, "a", accepted(None, used, Channel.API)) for used in (0, 1)])
    assert (found.budgets[REBINDS].takes, found.budgets[REBINDS].exhausted) == (2, 1)


def test_what_another_operation_takes_back_is_not_called_irreversible() -> None:
    """LC-11, PL-6, DV-3."""
    assert not {K.SUSPEND, K.RESUME, K.SET_THRESHOLD, K.CUT_NETWORK, K.RESTORE_NETWORK, K.REFRESH} & set(IRREVERSIBLE)
    assert [one.rule for one in irreversible_of(K.TERMINATE, {})] == ["LC-11"]
    assert irreversible_of(K.REBIND, {}) == ()
    assert [one.rule for one in irreversible_of(K.REBIND, {REBINDS: 1})] == ["DV-3"]
    assert irreversible_of(K.SUSPEND, {}) == ()
    assert all(one.source and one.rule for lines in IRREVERSIBLE.values() for one in lines)
